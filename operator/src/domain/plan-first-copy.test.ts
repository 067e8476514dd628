import { describe, expect, test } from "vitest";
import { planFirstCopy } from "./plan-first-copy.js";
import type { ShardObservation, ShardSettings } from "./shard-observation.js";
import { changeRecord } from "./shard-record.js";
import { ShardWorld } from "./testing/shard-world.js";

/** Three nodes in three zones; the record is as it was made, and the two copies to be filled were reported. */
function asMade(settings: Partial<ShardSettings> = {}): ShardWorld {
  const world = new ShardWorld(["a", "b", "c"], settings);
  world.deliver(world.node(1));
  world.deliver(world.node(2));
  return world;
}

/** The first copy's volume was replaced: its node is another one now. */
function withoutFirstNode(observation: ShardObservation): ShardObservation {
  const lost = observation.record.copies[0]?.node;
  return {
    ...observation,
    nodes: new Map([...observation.nodes].filter(([id]) => id !== lost)),
    copies: observation.copies.filter((copy) => copy.node !== lost),
  };
}

describe("a shard whose first copy is lost before anything was acknowledged", () => {
  test("goes on with a copy that lives, in another history and a higher term", () => {
    const observation = withoutFirstNode(asMade().observe());
    const verdict = planFirstCopy(observation);
    const action = verdict.kind === "act" ? verdict.actions[0] : undefined;
    if (action?.kind !== "changeRecord") throw new Error(`no change: ${JSON.stringify(verdict)}`);
    expect(action.reason).toBe("FirstCopyLost");
    const after = changeRecord(observation.record, action.change, action.reason, 1);
    if (!after.ok) throw new Error(after.refusal);
    expect(["first-1", "first-2"]).toContain(after.record.primary);
    expect(after.record).toMatchObject({
      term: 2,
      version: 2,
      inSync: [after.record.primary],
      bootstrap: "",
    });
    expect(after.record.historyId).not.toBe(observation.record.historyId);
  });

  test("does so too when the node counts as dead, and not while it may only be slow", () => {
    const world = asMade();
    world.setState(world.node(0), "suspect");
    expect(planFirstCopy(world.observe())).toEqual({ kind: "pass" });
    world.setState(world.node(0), "dead");
    expect(planFirstCopy(world.observe()).kind).toBe("act");
  });

  test("is left to a person where the first copy alone may have acknowledged writes", () => {
    const observation = withoutFirstNode(asMade({ minReplicasForWrite: 1 }).observe());
    expect(planFirstCopy(observation)).toEqual({ kind: "pass" });
  });

  test("is left to a person once the record was changed: another copy may have been in sync meanwhile", () => {
    const observation = withoutFirstNode(asMade().observe());
    const changed = { ...observation, record: { ...observation.record, version: 2 } };
    expect(planFirstCopy(changed)).toEqual({ kind: "pass" });
    const seen = { ...observation, record: { ...observation.record, bootstrap: "" } };
    expect(planFirstCopy(seen)).toEqual({ kind: "pass" });
  });

  test("waits while no other copy has been reported", () => {
    const world = new ShardWorld(["a", "b", "c"]);
    expect(planFirstCopy(withoutFirstNode(world.observe()))).toEqual({ kind: "pass" });
  });
});
