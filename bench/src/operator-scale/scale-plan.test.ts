import { expect, test } from "vitest";
import { planNodes, planShards } from "./scale-plan.js";

const PLAN = { nodes: 90, zones: 3, shards: 900, shardsPerCollection: 250 };

test("every shard has three copies in three zones, and nodes lead and hold equally many", () => {
  const shards = planShards(PLAN);
  const held = new Map(planNodes(PLAN).map(({ nodeId }) => [nodeId, { copies: 0, led: 0 }]));
  for (const { copies } of shards) {
    expect(new Set(copies.map(({ zone }) => zone)).size).toBe(3);
    for (const [i, { node }] of copies.entries()) {
      held.get(node)!.copies += 1;
      if (i === 0) held.get(node)!.led += 1;
    }
  }
  expect([...held.values()].every(({ copies, led }) => copies === 30 && led === 10)).toBe(true);
  expect(new Set(shards.map(({ collection, number }) => `${collection}/${number}`)).size).toBe(900);
});
