import fc from "fast-check";
import { expect, it } from "vitest";
import { ScoreThreshold } from "./score-threshold.js";

it("is the size-th highest score, as sorting gives it", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true }), { maxLength: 80 }),
      fc.integer({ min: 1, max: 40 }),
      (scores, size) => {
        const threshold = new ScoreThreshold(size);
        for (const score of scores) threshold.offer(score);
        expect(threshold.value).toBe(scores.toSorted((a, b) => b - a)[size - 1] ?? -Infinity);
      },
    ),
  );
});

it("lets nothing through when nothing is wanted", () => {
  expect(new ScoreThreshold(0).value).toBe(Infinity);
});
