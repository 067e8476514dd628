import { expect, it } from "vitest";
import { SeedFront } from "./seed-front.js";

it("a run goes on with the first seed that has not ended, whatever ended after it", () => {
  const front = new SeedFront(11);
  const nexts = [12, 13, 11, 15, 14].map((seed) => {
    front.ended(seed);
    return front.next;
  });
  expect(nexts).toEqual([11, 11, 14, 14, 16]);
});
