import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseQuantity, quantity } from "./quantity.js";

describe("a quantity", () => {
  it.each([
    ["2", 2],
    ["500m", 0.5],
    ["1.5", 1.5],
    [".5", 0.5],
    ["1k", 1000],
    ["1Ki", 1024],
    ["4Gi", 4 * 2 ** 30],
    ["20G", 20e9],
    ["0", 0],
  ])("%s is %d", (text, value) => {
    expect(parseQuantity(text)).toBe(value);
  });

  it.each(["", "Gi", "1 Gi", "1gi", "-1", "1e3", "1,5", "1.", "0x10"])("refuses %j", (text) => {
    expect(() => parseQuantity(text)).toThrow(RangeError);
    expect(quantity.safeParse(text).success).toBe(false);
  });

  it("may be written as a number, and is text after that", () => {
    expect(quantity.parse(2)).toBe("2");
  });

  it("takes exactly what can be computed with", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), (text) => {
        const taken = quantity.safeParse(text).success;
        let computed = true;
        try {
          parseQuantity(text);
        } catch {
          computed = false;
        }
        expect(taken).toBe(computed);
      }),
    );
  });
});
