import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DocumentSlots } from "./document-slots.js";

describe("DocumentSlots", () => {
  it("answers like a map", () => {
    const doc = fc.oneof(fc.nat(5_000), fc.constantFrom(2 ** 31, 2 ** 32 - 1));
    const step = fc.record({ doc, slot: fc.option(fc.nat(2 ** 31)) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const slots = new DocumentSlots();
        const map = new Map<number, number>();
        for (const { doc: key, slot } of steps) {
          if (slot === null) {
            slots.delete(key);
            map.delete(key);
          } else {
            slots.set(key, slot);
            map.set(key, slot);
          }
        }
        for (const { doc: key } of steps) expect(slots.get(key)).toBe(map.get(key) ?? -1);
      }),
    );
  });

  it("holds memory for live documents only, however far their numbers have come", () => {
    const slots = new DocumentSlots();
    for (let doc = 0; doc < 1_000_000; doc += 1) {
      slots.set(doc, doc % 100);
      slots.delete(doc - 100);
    }
    expect(slots.memoryBytes).toBeLessThanOrEqual(8_192);
  });
});
