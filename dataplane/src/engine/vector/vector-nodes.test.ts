import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VectorArena } from "./vector-arena.js";
import { VectorNodes } from "./vector-nodes.js";

describe("VectorNodes", () => {
  it("gives slots a common node exactly when their vectors are equal, through any adding and removing", () => {
    const step = fc.record({ value: fc.nat(4), remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const arena = new VectorArena(2);
        const nodes = new VectorNodes(arena);
        const live = new Map<number, number>();
        const gone: { readonly released: number; readonly expected: number }[] = [];
        steps.forEach(({ value, remove }, doc) => {
          const victim = [...live].find(([, other]) => other === value)?.[0];
          if (remove && victim !== undefined) {
            const node = nodes.nodeOf(arena.slotOf(victim));
            live.delete(victim);
            const isLast = ![...live.values()].includes(value);
            gone.push({ released: nodes.release(arena.remove(victim)), expected: isLast ? node : -1 });
          } else {
            nodes.assign(arena.add(doc, Float32Array.of(value, 1)));
            live.set(doc, value);
          }
        });
        for (const { released, expected } of gone) expect(released).toBe(expected);
        for (const [doc, value] of live) {
          const slots: number[] = [];
          const node = nodes.nodeOf(arena.slotOf(doc));
          for (let slot = nodes.firstSlotOf(node); slot >= 0; slot = nodes.slotAfter(slot)) slots.push(slot);
          const equal = [...live].filter(([, other]) => other === value);
          expect(new Set(slots.map((slot) => arena.docOf(slot)))).toEqual(
            new Set(equal.map(([other]) => other)),
          );
        }
      }),
    );
  });

  it("uses the numbers of nodes that are gone again", () => {
    const arena = new VectorArena(1);
    const nodes = new VectorNodes(arena);
    for (let doc = 0; doc < 1_000; doc += 1) {
      nodes.assign(arena.add(doc, Float32Array.of(doc)));
      if (doc >= 10) nodes.release(arena.remove(doc - 10));
    }
    expect(nodes.count).toBeLessThanOrEqual(11);
  });
});
