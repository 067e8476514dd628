import { expect, test } from "vitest";
import { measurePlacement } from "./placement.js";

test("every copy is placed, and after the loss of a zone every lost one again", () => {
  const figures = measurePlacement({ nodes: 40, zones: 4, shards: 200 });
  expect(figures.copiesPlaced).toBe(600);
  expect(figures.copiesReplaced).toBe(150);
});
