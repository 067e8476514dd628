import { describe, expect, it } from "vitest";
import { crc32 } from "./checksum.js";

describe("crc32", () => {
  it("has the check value that every CRC-32 has for the digits 1 to 9", () => {
    expect(crc32(Buffer.from("123456789"))).toBe(0xcbf43926);
  });

  it("gives the same in pieces as at once", () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) & 255);
    expect(crc32(bytes.subarray(400), crc32(bytes.subarray(0, 400)))).toBe(crc32(bytes));
  });
});
