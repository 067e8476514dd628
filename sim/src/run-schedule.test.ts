import { describe, expect, it } from "vitest";
import { runSchedule } from "./run-schedule.js";
import { SCENARIOS } from "./scenarios/catalogue.js";
import { calmSchedule, planSchedule } from "./plan-schedule.js";
import { FLOORS, Totals } from "./totals.js";

const SCHEDULES = 200;

describe("a schedule", () => {
  it("goes the same way whenever its seed is run, with a time line or without", async () => {
    const [first, second] = [await runSchedule({ seed: 11 }), await runSchedule({ seed: 11 })];
    const lines: string[] = [];
    const traced = await runSchedule({ seed: 11, trace: (line) => lines.push(line) });
    expect(second.traceHash).toBe(first.traceHash);
    expect(second.counts).toEqual(first.counts);
    expect(traced.traceHash).toBe(first.traceHash);
    expect(lines.length).toBeGreaterThan(100);
  });

  it("goes another way with another seed", async () => {
    const hashes = await Promise.resolve().then(async () => {
      const seen = new Set<number>();
      for (const seed of [1, 2, 3, 4]) seen.add((await runSchedule({ seed })).traceHash);
      return seen;
    });
    expect(hashes.size).toBe(4);
  });

  it("is made of its seed alone", () => {
    expect(planSchedule(5)).toEqual(planSchedule(5));
    expect(planSchedule(5)).not.toEqual(planSchedule(6));
  });

  it("says that it took too long instead of going on for ever", async () => {
    const { ok, crash, violation } = await runSchedule({ seed: 1, budget: { steps: 100 } });
    expect(ok).toBe(false);
    expect(violation).toBeUndefined();
    expect(crash?.message).toContain("more than 100 turns");
  });

  it("leaves clocks, timers and randomness of the real process as they were", async () => {
    await runSchedule({ seed: 3, schedule: { ...calmSchedule(3), activeMs: 500 } });
    expect(Math.abs(Date.now() - (performance.timeOrigin + performance.now()))).toBeLessThan(5000);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(Math.random()).not.toBe(Math.random());
  });
});

describe("the system", () => {
  it("keeps every invariant over random schedules, which are full enough to mean something", async () => {
    const totals = new Totals();
    for (let seed = 1; seed <= SCHEDULES; seed += 1) totals.add(await runSchedule({ seed }));
    expect(totals.failed.map(({ seed, violation, crash }) => ({ seed, violation, crash }))).toEqual([]);
    for (const [name, floor] of Object.entries(FLOORS)) {
      expect(totals.mean(name)).toBeGreaterThanOrEqual(floor);
    }
  });

  it.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
    "keeps every invariant in scenario %s",
    async (_name, scenario) => {
      for (let seed = 1; seed <= 6; seed += 1) {
        const { violation, crash, counts } = await runSchedule({ seed, scenario });
        expect({ seed, violation, crash }).toEqual({ seed, violation: undefined, crash: undefined });
        expect(counts["acknowledged"]).toBeGreaterThan(5);
      }
    },
  );
});
