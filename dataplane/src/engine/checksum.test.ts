import fc from "fast-check";
import { expect, test } from "vitest";
import { checksum } from "./checksum.js";

test("The check value of CRC-32 is the published one.", () => {
  expect(checksum(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});

test("A checksum in pieces equals the checksum of the whole.", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, cut) => {
      expect(checksum(bytes.subarray(cut), checksum(bytes.subarray(0, cut)))).toBe(checksum(bytes));
    }),
  );
});

test("Any changed bit changes the checksum.", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(), (bytes, position) => {
      const bit = position % (bytes.length * 8);
      const changed = bytes.slice();
      changed[bit >>> 3]! ^= 1 << (bit & 7);
      expect(checksum(changed)).not.toBe(checksum(bytes));
    }),
  );
});
