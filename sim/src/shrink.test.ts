import { expect, it } from "vitest";
import { calmSchedule } from "./plan-schedule.js";
import type { RunResult } from "./run-schedule.js";
import type { Fault, Schedule } from "./schedule.js";
import { shrink } from "./shrink.js";

const LIMITS = { attempts: 200, timeLimitMs: 10_000 };

function fault(atMs: number, name: string): Fault {
  return { atMs, kind: "crash", node: `node-${name}`, downMs: 10 };
}

function ended(schedule: Schedule, invariant: "ExactlyOnce" | "StrongRead" | undefined): RunResult {
  const violation = invariant && { invariant, detail: "", atStep: 1, atMs: 1 };
  const base = { seed: schedule.seed, counts: {}, steps: 1, endMs: 1, traceHash: 1, schedule };
  return violation === undefined ? { ...base, ok: true } : { ...base, ok: false, violation };
}

it("leaves out every fault that the failure does not need", async () => {
  const faults = ["a", "b", "needed", "c", "needed too", "d"].map((node, i) => fault(1000 + i, node));
  const nodesOf = (schedule: Schedule): unknown[] =>
    schedule.faults.map((one) => ("node" in one ? one.node : undefined));
  const run = async (schedule: Schedule): Promise<RunResult> => {
    const nodes = nodesOf(schedule);
    return ended(
      schedule,
      nodes.includes("node-needed") && nodes.includes("node-needed too") ? "ExactlyOnce" : undefined,
    );
  };
  const failed = await run({ ...calmSchedule(1), faults });
  const small = await shrink(failed, LIMITS, run);
  expect(nodesOf(small.schedule)).toEqual(["node-needed", "node-needed too"]);
  expect(small.schedule.client.clients).toBe(1);
});

it("does not take another failure for the same", async () => {
  const run = async (schedule: Schedule): Promise<RunResult> =>
    ended(schedule, schedule.faults.length === 2 ? "ExactlyOnce" : "StrongRead");
  const failed = await run({ ...calmSchedule(1), faults: [fault(1, "a"), fault(2, "b")] });
  const small = await shrink(failed, LIMITS, run);
  expect(small.schedule.faults).toHaveLength(2);
});

it("stops after as many attempts as it may make", async () => {
  let attempts = 0;
  const run = async (schedule: Schedule): Promise<RunResult> => {
    attempts += 1;
    return ended(schedule, "ExactlyOnce");
  };
  const failed = ended({ ...calmSchedule(1), faults: [fault(1, "a")] }, "ExactlyOnce");
  await shrink(failed, { ...LIMITS, attempts: 3 }, run);
  expect(attempts).toBe(3);
});
