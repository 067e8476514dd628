import { expect, it } from "vitest";
import { SITUATIONS } from "./check/situations.js";
import { STANDARD_SCHEDULES, Totals, type RunSummary } from "./totals.js";

const FULL = { events: 1500, acknowledged: 60, faults: 5 };

function summary(seed: number, counts: Record<string, number>, ok = true): RunSummary {
  return { ok, seed, counts, steps: 1 };
}

it("finds a run wanting whose schedules were too short", () => {
  const totals = new Totals();
  for (let seed = 1; seed <= 30; seed += 1) totals.add(summary(seed, { ...FULL, acknowledged: 49 }));
  expect(totals.shortcomings()).toEqual(["49.0 acknowledged per schedule, at least 50 are wanted"]);
});

it("finds a standard run wanting that never met one of the situations", () => {
  const met = Object.fromEntries(Object.keys(SITUATIONS).map((name) => [name, 1]));
  const { joinGivenUp: _left, ...others } = met;
  const totals = new Totals();
  for (let seed = 1; seed < STANDARD_SCHEDULES; seed += 1) totals.add(summary(seed, { ...FULL, ...others }));
  expect(totals.shortcomings()).toEqual([]);
  totals.add(summary(STANDARD_SCHEDULES, FULL));
  expect(totals.shortcomings()).toEqual([expect.stringContaining("joinGivenUp was never met")]);
});

it("names the failed schedule with the lowest seed, whichever ended first", () => {
  const totals = new Totals();
  totals.add(summary(9, FULL, false));
  totals.add(summary(4, FULL, false));
  totals.add(summary(2, FULL));
  expect(totals.firstFailed()?.seed).toBe(4);
});
