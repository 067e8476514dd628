import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RetryBudget } from "./retry-budget.js";

const MOST_SAVED = 100;
const steps = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 0, max: 400 }),
    what: fc.constantFrom("call", "reserve", "take" as const),
  }),
  { maxLength: 600 },
);

const limits = fc.integer({ min: 1, max: 5000 });

describe("a retry budget", () => {
  it("never lets more repeats begin than were saved up, were earned, and came with time", () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 50 }), limits, (taken, perSecond, withinMs) => {
        const budget = new RetryBudget(perSecond, 0);
        let nowMs = 0;
        let calls = 0;
        const turns: number[] = [];
        for (const { afterMs, what } of taken) {
          nowMs += afterMs;
          if (what === "call") {
            budget.earn(nowMs);
            calls += 1;
          } else if (what === "take") {
            if (budget.take(nowMs)) turns.push(nowMs);
          } else {
            const waitMs = budget.reserve(nowMs, withinMs);
            if (waitMs !== undefined) turns.push(nowMs + waitMs);
          }
        }
        const endMs = Math.max(nowMs, ...turns);
        expect(turns.length).toBeLessThanOrEqual(MOST_SAVED + calls / 5 + (endMs / 1000) * perSecond + 1e-6);
      }),
    );
  });

  it("makes repeats beyond it wait their turn, one after the other", () => {
    const budget = new RetryBudget(10, 0);
    const waits = Array.from({ length: MOST_SAVED + 3 }, () => budget.reserve(0, 1000) ?? Number.NaN);
    expect(waits.slice(0, MOST_SAVED).every((waitMs) => waitMs === 0)).toBe(true);
    expect(waits.slice(MOST_SAVED).map(Math.round)).toEqual([100, 200, 300]);
    expect(budget.take(0)).toBe(false);
  });

  it("takes no turn that comes too late", () => {
    const budget = new RetryBudget(10, 0);
    for (let i = 0; i < MOST_SAVED; i += 1) expect(budget.reserve(0, 50)).toBe(0);
    for (let i = 0; i < 9; i += 1) expect(budget.reserve(0, 50)).toBeUndefined();
    expect(budget.reserve(60, 50)).toBeCloseTo(40);
  });

  it("of nothing each second is what calls earn, and then nothing", () => {
    const budget = new RetryBudget(0, 0);
    for (let i = 0; i < MOST_SAVED; i += 1) expect(budget.reserve(1e6, 1)).toBe(0);
    expect(budget.reserve(1e9, 1e9)).toBeUndefined();
    for (let i = 0; i < 5; i += 1) budget.earn(1e9);
    expect(budget.reserve(1e9, 1)).toBe(0);
  });
});
