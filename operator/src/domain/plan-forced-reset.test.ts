import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { HealthState } from "./failure-detector.js";
import { planForcedReset, resetCandidates, type ForcedReset } from "./plan-forced-reset.js";
import { conditionOf, nodeOf, type ShardObservation } from "./shard-observation.js";
import { changeRecord, type AllocationId, type HistoryId } from "./shard-record.js";
import { ShardWorld } from "./testing/shard-world.js";

const NEXT = "next" as HistoryId;

/** Three nodes; the first alone is in sync, the two others have data under ids that left the set. */
function world(): ShardWorld {
  const made = new ShardWorld(["a", "b", "c"]);
  for (let round = 0; round < 10; round += 1) {
    made.nowMs += 61_000;
    made.settle();
    for (const node of made.nodes) made.deliver(node);
    for (const id of made.record.recovering) made.ask("addInSync", id);
    made.settle();
  }
  made.node(1).copy!.lastSeq = 5;
  made.node(2).copy!.lastSeq = 9;
  return made;
}

function observe(made: ShardWorld): ShardObservation {
  const observation = made.observe();
  const { record } = observation;
  const copies = record.copies.filter(({ id }) => id === record.primary);
  return { ...observation, record: { ...record, inSync: [record.primary], recovering: [], copies } };
}

function plan(observation: ShardObservation, target?: AllocationId): ForcedReset {
  return planForcedReset(observation, { target, historyId: NEXT, evidence: {} });
}

describe("a forced reset", () => {
  test("goes on with the longest log that is left, in a history and a term above all others", () => {
    const made = world();
    made.setState(made.node(0), "dead", true);
    const observation = observe(made);
    const reset = plan(observation);
    if (reset.kind !== "reset") throw new Error(reset.why);
    expect(reset.copy.id).toBe(made.node(2).copy?.id);
    const { change, reason, precondition } = reset.action;
    expect(precondition.version).toBe(observation.record.version);
    const after = changeRecord(observation.record, change, reason, 1);
    expect(after).toMatchObject({
      ok: true,
      record: { historyId: NEXT, primary: reset.copy.id, inSync: [reset.copy.id] },
    });
    const terms = [observation.record.term, ...observation.copies.map((copy) => copy.term)];
    expect(after).toMatchObject({ record: { term: Math.max(...terms) + 1 } });
  });

  test("goes on with the copy that was named, and with no other", () => {
    const made = world();
    made.setState(made.node(0), "dead", true);
    const shorter = made.node(1).copy!.id;
    expect(plan(observe(made), shorter)).toMatchObject({ kind: "reset", copy: { id: shorter } });
    const why = expect.stringContaining(shorter) as string;
    expect(plan(observe(made), "nobody" as AllocationId)).toMatchObject({ kind: "refused", why });
  });

  test("is refused while a copy in sync lives, or may turn up, or when nothing is left", () => {
    const made = world();
    expect(plan(observe(made))).toMatchObject({
      kind: "refused",
      why: expect.stringContaining("lives") as string,
    });
    made.setState(made.node(0), "suspect");
    expect(plan(observe(made))).toMatchObject({
      kind: "refused",
      why: expect.stringContaining("turn up") as string,
    });
    made.setState(made.node(0), "suspect", true);
    expect(plan(observe(made))).toMatchObject({
      kind: "refused",
      why: expect.stringContaining("only just ended") as string,
    });
    for (const node of made.nodes) made.setState(node, "dead", true);
    expect(plan(observe(made))).toMatchObject({
      kind: "refused",
      why: expect.stringContaining("no node") as string,
    });
  });

  test("is refused for a copy whose worker only hangs, and not for one that failed", () => {
    const made = world();
    const failed = (failure: "WorkerStuck" | "CopyFailed"): ShardObservation => {
      const observation = observe(made);
      const copies = observation.copies.map((copy) =>
        copy.id === observation.record.primary ? { ...copy, failure } : copy,
      );
      return { ...observation, copies };
    };
    expect(plan(failed("WorkerStuck"))).toMatchObject({ why: expect.stringContaining("hangs") as string });
    expect(plan(failed("CopyFailed")).kind).toBe("reset");
  });

  test("never happens while any copy in sync may live, whatever the nodes are like", () => {
    const state = fc.constantFrom<HealthState>("alive", "suspect", "dead", "starting");
    fc.assert(
      fc.property(fc.tuple(state, state, state), fc.boolean(), ([a, b, c], exited) => {
        const made = world();
        [a, b, c].forEach((one, i) => {
          if (one !== "alive") made.setState(made.node(i), one, exited);
        });
        const observation = observe(made);
        const reset = plan(observation);
        if (reset.kind === "refused") return;
        for (const id of observation.record.inSync) {
          expect(["dead", "failed", "removed"]).toContain(conditionOf(observation, id));
          expect(nodeOf(observation, id)?.state).toBe("dead");
        }
        expect(resetCandidates(observation).map(({ id }) => id)).toContain(reset.copy.id);
        expect(observation.record.inSync).not.toContain(reset.copy.id);
      }),
      { numRuns: 60 },
    );
  });
});
