import { describe, expect, test } from "vitest";
import { bitString, integer, objectId, octetString, sequence, time } from "./der.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("DER", () => {
  // Values of ITU-T X.690 and RFC 5280, or worked out by hand from them.
  test.each([
    ["an empty sequence", sequence(), "3000"],
    ["zero", integer(Uint8Array.of(0, 0)), "020100"],
    ["a number with its first bit set", integer(Uint8Array.of(0x80)), "02020080"],
    ["a number without leading zeros", integer(Uint8Array.of(0, 0, 0x7f)), "02017f"],
    ["an object id with a large part", objectId("1.2.840.10045.4.3.2"), "06082a8648ce3d040302"],
    ["bits that do not fill the byte", bitString(Uint8Array.of(0b0000_0110), 1), "03020106"],
    ["a time of this half century", time(new Date("2049-12-31T23:59:59Z")), "170d3439313233313233353935395a"],
    ["a time after it", time(new Date("2050-01-01T00:00:00Z")), "180f32303530303130313030303030305a"],
  ])("writes %s", (_what, bytes, expected) => {
    expect(hex(bytes)).toBe(expected);
  });

  test.each([
    [127, "047f"],
    [128, "048180"],
    [255, "0481ff"],
    [256, "04820100"],
    [70_000, "0483011170"],
  ])("writes a length of %i in as few bytes as it takes", (length, header) => {
    expect(hex(octetString(new Uint8Array(length))).slice(0, header.length)).toBe(header);
  });
});
