import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeUuidV7, makeUuidV8 } from "./uuid.js";

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-([78])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("made ids", () => {
  it("sort by time in version 7", () => {
    const times = fc.nat(2 ** 45);
    const random = fc.uint8Array({ minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 10 ** 9 }), random, random, (time, later, a, b) => {
        const first = makeUuidV7(time, a);
        expect(FORM.exec(first)?.[1]).toBe("7");
        expect(first < makeUuidV7(time + later, b)).toBe(true);
      }),
    );
  });

  it("agree with the example of RFC 9562, appendix A.6", () => {
    const random = Uint8Array.from([0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f]);
    expect(makeUuidV7(0x017f22e279b0, random)).toBe("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
  });

  it("depend on the hash alone in version 8", () => {
    const hash = Uint8Array.from({ length: 32 }, (_, i) => i * 7);
    expect(makeUuidV8(hash)).toBe(makeUuidV8(hash));
    expect(FORM.exec(makeUuidV8(hash))?.[1]).toBe("8");
  });
});
