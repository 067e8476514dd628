import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TopHits } from "./top-hits.js";

describe("TopHits", () => {
  it("keeps what sorting all would, and every tie with the last", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 6 })),
        fc.integer({ min: 1, max: 8 }),
        (scores, size) => {
          const top = new TopHits(size);
          scores.forEach((score, doc) => top.offer(doc, score));
          const sorted = scores.map((score, doc) => ({ score, doc }));
          sorted.sort((a, b) => b.score - a.score || a.doc - b.doc);
          const last = sorted[size - 1]?.score ?? -1;
          const expected = sorted.filter(({ score }) => score >= last);
          const hits = top.toHits();
          expect([...hits.docs]).toEqual(expected.map(({ doc }) => doc));
          expect([...hits.scores]).toEqual(expected.map(({ score }) => score));
        },
      ),
    );
  });

  it("keeps a bounded number of ties", () => {
    const top = new TopHits(10);
    for (let doc = 0; doc < 100_000; doc += 1) top.offer(doc, 1);
    expect(top.toHits().docs.length).toBe(1_010);
  });
});
