import fc from "fast-check";
import { expect, test } from "vitest";
import { BestHits } from "./best-hits.js";

test("All better hits and the ties at the cut are given, beyond four times the size those with the smallest numbers.", () => {
  const scores = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 120 });
  fc.assert(
    fc.property(scores, fc.integer({ min: 0, max: 12 }), fc.nat(1000), (list, size, shift) => {
      const best = new BestHits(size, list.length);
      // Any order of offers: 1009 is prime, so this is a permutation of the numbers.
      const offers = list.map((score, i) => ({ doc: (i * 37 + shift) % 1009, score }));
      for (const { doc, score } of offers) if (score >= best.threshold) best.offer(doc, score);
      const sorted = offers.toSorted((a, b) => b.score - a.score || a.doc - b.doc);
      const cut = size === 0 ? Infinity : (sorted[Math.min(size, sorted.length) - 1]?.score ?? Infinity);
      const better = sorted.filter(({ score }) => score > cut);
      const ties = sorted.filter(({ score }) => score === cut).slice(0, 4 * Math.min(size, sorted.length));
      const { docs, scores: given } = best.toHits();
      expect([...docs].map((doc, i) => ({ doc, score: given[i] }))).toEqual([...better, ...ties]);
    }),
    { numRuns: 500 },
  );
});

test("A great many equal scores are bounded.", () => {
  const best = new BestHits(10, 1e6);
  for (let doc = 0; doc < 100_000; doc += 1) best.offer((doc * 7919) % 100_003, 1);
  const docs = best.toHits().docs;
  expect(docs.length).toBe(40);
  const all = Array.from({ length: 100_000 }, (_, doc) => (doc * 7919) % 100_003).sort((a, b) => a - b);
  expect([...docs]).toEqual(all.slice(0, 40));
});
