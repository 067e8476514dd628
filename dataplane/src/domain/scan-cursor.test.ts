import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeScanCursor, encodeScanCursor } from "./scan-cursor.js";

describe("the scan cursor", () => {
  it("survives a round trip", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.uuid(), (id, uid) => {
        expect(decodeScanCursor(encodeScanCursor(id, uid), uid)).toBe(id);
      }),
    );
  });

  it("is refused by another collection, and as any other text", () => {
    const invalid = expect.objectContaining({ code: "invalidRequest" }) as Error;
    expect(() => decodeScanCursor(encodeScanCursor("a", "one"), "two")).toThrow(invalid);
    for (const text of ["", "abc", "!!", Buffer.from('["one"]').toString("base64url")]) {
      expect(() => decodeScanCursor(text, "one")).toThrow(invalid);
    }
  });
});
