import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findMembers } from "./json-members.js";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function parseAll(text: string): Record<string, unknown> | undefined {
  const bytes = encode(text);
  const members = findMembers(bytes);
  if (members === undefined) return undefined;
  return Object.fromEntries(
    Array.from(members, ([key, { start, end }]) => [
      key,
      JSON.parse(new TextDecoder().decode(bytes.subarray(start, end))) as unknown,
    ]),
  );
}

describe("finding members", () => {
  it("gives the ranges from which the whole object can be read again", () => {
    const objects = fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue({ maxDepth: 4 }));
    fc.assert(
      fc.property(objects, fc.constantFrom(undefined, 2, "\t"), (object, indent) => {
        const text = JSON.stringify(object, undefined, indent);
        expect(parseAll(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it("never throws and never invents a member on damaged input", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), fc.nat(255), (value, at, byte) => {
        const bytes = encode(JSON.stringify({ value, id: "x" }));
        bytes[at % bytes.length] = byte;
        for (const { start, end } of findMembers(bytes)?.values() ?? []) {
          expect(start).toBeLessThan(end);
          expect(end).toBeLessThanOrEqual(bytes.length);
        }
      }),
    );
  });

  it("takes the last of equal keys and unescapes keys, as JSON.parse does", () => {
    expect(parseAll(String.raw`{"id":"a","\u0069d":"b"}`)).toEqual({ id: "b" });
  });

  it("knows what is no object", () => {
    for (const text of [
      "",
      "[]",
      "null",
      '"{}"',
      "{",
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      '{"a":1}x',
      "{a:1}",
      '{"a":"',
    ])
      expect(findMembers(encode(text)), text).toBeUndefined();
    expect(parseAll(" { } ")).toEqual({});
  });
});
