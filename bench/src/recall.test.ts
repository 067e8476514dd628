import { expect, test } from "vitest";
import { meanRecall } from "./recall.js";

test("recall is the mean share of true rows found, whatever their order", () => {
  expect(
    meanRecall(
      [
        [1, 2],
        [3, 4],
      ],
      [
        [2, 1],
        [3, 9],
      ],
    ),
  ).toBe(0.75);
  expect(meanRecall([[1, 2]], [])).toBe(0);
  expect(meanRecall([], [])).toBe(0);
});
