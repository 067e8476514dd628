import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planMemory } from "./memory-budget.js";

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;

describe("the memory budget", () => {
  test("is what is configured, before all else", () => {
    const facts = { configuredBytes: 2 * GiB, limitBytes: GiB, machineBytes: 64 * GiB };
    expect(planMemory(facts, 2)).toMatchObject({ totalBytes: 2 * GiB, source: "limits.memoryBudgetBytes" });
  });

  test("leaves room below the container's limit, and more beside others on a whole machine", () => {
    const machineBytes = 16 * GiB;
    expect(planMemory({ configuredBytes: 0, limitBytes: 4 * GiB, machineBytes }, 2).totalBytes).toBe(
      Math.floor(3.6 * GiB),
    );
    expect(planMemory({ configuredBytes: 0, limitBytes: undefined, machineBytes }, 2).totalBytes).toBe(
      8 * GiB,
    );
    // Version 1 of control groups says "no limit" with a number above all memory.
    expect(planMemory({ configuredBytes: 0, limitBytes: 2 ** 63, machineBytes }, 2).totalBytes).toBe(8 * GiB);
  });

  test("is divided without a rest and without being exceeded, where the smallest heaps leave room", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2048, max: 1 << 20 }),
        fc.integer({ min: 1, max: 8 }),
        (mebibytes, workers) => {
          const facts = { configuredBytes: mebibytes * MiB, limitBytes: undefined, machineBytes: 0 };
          const plan = planMemory(facts, workers);
          const sum =
            plan.mainHeapBytes + workers * plan.workerHeapBytes + plan.indexBytes + plan.bufferBytes;
          expect(sum).toBe(plan.totalBytes);
          expect(plan.indexBytes).toBeGreaterThan(0);
        },
      ),
    );
  });
});
