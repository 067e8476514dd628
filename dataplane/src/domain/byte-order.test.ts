import { Buffer } from "node:buffer";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compareByteOrder } from "./byte-order.js";

test("strings are ordered as their UTF-8 bytes", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "é", "\ud7ff", "\ue000", "\uffff", "𐀀", "😀") });
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareByteOrder(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { numRuns: 2000 },
  );
});

test("a character beyond the basic plane comes after every character of it", () => {
  expect(compareByteOrder("\uffff", "😀")).toBeLessThan(0);
  expect(["\uffff", "😀"].toSorted()).toEqual(["😀", "\uffff"]);
});
