import { describe, expect, it } from "vitest";
import { ShardWorld, type WorldCounts } from "./testing/shard-world.js";

/** Schedules per run; raise it for a longer search. */
const SEEDS = Number(process.env["PRISM_WORLD_SEEDS"] ?? "300");

function run(seed: number, nodes: number, steps: number): WorldCounts {
  const world = new ShardWorld(seed, nodes);
  for (let i = 0; i < steps; i += 1) world.act();
  world.quietDown();
  return world.counts;
}

describe("a shard in a hostile world", () => {
  it("keeps every invariant over random schedules and is equal everywhere once quiet", () => {
    const total: Record<string, number> = {};
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      let counts: WorldCounts;
      try {
        counts = run(seed, 2 + (seed % 3), 1200);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
    }
    if (process.env["PRISM_WORLD_COUNTS"] === "1") console.log(total);
    for (const [name, count] of Object.entries(total)) expect(count, name).toBeGreaterThan(SEEDS / 10);
  }, 600_000);
});
