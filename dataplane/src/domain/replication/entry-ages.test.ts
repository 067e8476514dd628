import fc from "fast-check";
import { expect, it } from "vitest";
import { EntryAges } from "./entry-ages.js";

const HORIZON_MS = 6400;

it("tells an entry's age to a part of the horizon, and past the horizon no less than that", () => {
  const step = fc.record({ entries: fc.integer({ min: 0, max: 5 }), ms: fc.integer({ min: 0, max: 900 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ages = new EntryAges();
      const times: number[] = [];
      let nowMs = 1000;
      for (const { entries, ms } of steps) {
        nowMs += ms;
        for (let i = 0; i < entries; i += 1) times.push(nowMs);
        ages.durable(times.length, nowMs, HORIZON_MS);
        for (let seq = 0; seq <= times.length; seq += 1) {
          const told = ages.oldestAbove(seq, nowMs);
          const age = seq === times.length ? 0 : nowMs - times[seq]!;
          // Past the horizon it is no less than that; marks are of a part of it.
          expect(told).toBeGreaterThanOrEqual(Math.min(age, HORIZON_MS * (1 - 1 / 64)));
          expect(told).toBeLessThanOrEqual(age + HORIZON_MS / 64);
        }
      }
    }),
  );
});

it("forgets what is older than the horizon", () => {
  const ages = new EntryAges();
  for (let nowMs = 0; nowMs < 100 * HORIZON_MS; nowMs += 10) ages.durable(nowMs, nowMs, HORIZON_MS);
  expect(ages.oldestAbove(1, 100 * HORIZON_MS)).toBeGreaterThanOrEqual(HORIZON_MS * 0.98);
  expect(ages.oldestAbove(99 * HORIZON_MS, 100 * HORIZON_MS)).toBeLessThanOrEqual(HORIZON_MS * 1.02);
});
