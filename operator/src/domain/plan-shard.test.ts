import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Action, Verdict } from "./action.js";
import { planShard } from "./plan-shard.js";
import type { ShardObservation } from "./shard-observation.js";
import type { AllocationId } from "./shard-record.js";
import { ShardWorld } from "./testing/shard-world.js";

/** Three nodes in three zones, all copies in sync, the first is primary. */
function settled(zones: readonly string[] = ["a", "b", "c"]): ShardWorld {
  const world = new ShardWorld(zones);
  heal(world);
  return world;
}

/** All nodes are there, maps arrive, primaries ask to add what is caught up; until nothing is left to do. */
function heal(world: ShardWorld): void {
  for (const node of world.nodes) {
    if (node.state !== "alive") world.restart(node);
    node.failing = false;
    node.drainingSinceMs = undefined;
  }
  world.requests = [];
  for (let round = 0; round < 30; round += 1) {
    world.nowMs += 61_000;
    world.settle();
    for (const node of world.nodes) world.deliver(node);
    for (const id of world.record.recovering) {
      if (world.nodeOfPrimary().copy?.role === "primary") world.ask("addInSync", id);
    }
    world.settle();
  }
}

function onlyChange(verdict: Verdict): Extract<Action, { kind: "changeRecord" }> {
  const action = verdict.kind === "act" ? verdict.actions[0] : undefined;
  if (action?.kind !== "changeRecord") throw new Error(`no change: ${JSON.stringify(verdict)}`);
  return action;
}

const plan = (world: ShardWorld): Verdict => planShard(world.observe());

describe("promotion", () => {
  test("a healthy shard needs nothing", () => {
    expect(plan(settled())).toEqual({ kind: "pass" });
  });

  test("a suspect primary is replaced by the in-sync copy with the longest log, which need not find it silent anew", () => {
    const world = settled();
    const deposed = world.record.primary;
    world.setState(world.node(0), "suspect");
    const longest = world.node(2).copy;
    if (longest) longest.lastSeq = 7;
    const { change, reason } = onlyChange(plan(world));
    expect(change).toEqual({ kind: "promote", target: longest?.id, drop: [deposed] });
    expect(reason).toBe("PrimarySuspect");
  });

  test("a suspect copy that does not lead keeps its place: its primary judges it", () => {
    const world = settled();
    world.setState(world.node(1), "suspect");
    expect(plan(world).kind).not.toBe("act");
    world.setState(world.node(0), "suspect");
    expect(onlyChange(plan(world)).change).toMatchObject({ drop: [world.record.primary] });
  });

  test("a primary whose process ended leaves the set in the same step, if enough copies stay for writes", () => {
    const world = settled();
    const dead = world.record.primary;
    world.setState(world.node(0), "suspect", true);
    expect(onlyChange(plan(world)).change).toMatchObject({ kind: "promote", drop: [dead] });
    world.setState(world.node(1), "suspect", true);
    expect(onlyChange(plan(world)).change).toMatchObject({ drop: [dead] });
  });

  test("a primary that restarted is promoted again, in a new term", () => {
    const world = settled();
    const primary = world.node(0).copy;
    if (primary) primary.lastSeq = 9;
    world.restart(world.node(0));
    const { change, reason } = onlyChange(plan(world));
    expect(change).toMatchObject({ kind: "promote", target: primary?.id });
    expect(reason).toBe("PrimaryRestarted");
  });

  test("a recovering copy is never promoted, however long the shard has to wait", () => {
    const world = new ShardWorld(["a", "b", "c"]);
    for (const node of world.nodes) world.deliver(node);
    world.settle();
    world.setState(world.node(0), "dead", true);
    expect(plan(world)).toMatchObject({ kind: "wait", reason: "LastInSyncCopyAway" });
  });

  test("after a start of everything the copies are compared before one leads", () => {
    const world = settled();
    for (const node of world.nodes) world.setState(node, "starting");
    world.restart(world.node(0));
    expect(plan(world)).toMatchObject({ kind: "wait", reason: "PrimaryRestarted" });
    const longest = world.node(1).copy;
    if (longest) longest.lastSeq = 12;
    world.restart(world.node(1));
    world.setState(world.node(2), "suspect");
    expect(onlyChange(plan(world)).change).toMatchObject({ target: longest?.id });
  });

  test("a stuck or failed copy does not lead, though its node is alive", () => {
    const world = settled();
    world.node(0).failing = true;
    expect(onlyChange(plan(world)).reason).toBe("CopyFailed");
  });

  test("a leaving primary is given time to hand over, and is replaced after it", () => {
    const world = settled();
    world.node(0).drainingSinceMs = world.nowMs;
    expect(plan(world)).toEqual({ kind: "pass" });
    world.nowMs += world.settings.handOffMs;
    expect(onlyChange(plan(world)).reason).toBe("NodeDraining");
  });
});

describe("a primary whose disk is full", () => {
  test("gives its role to the in-sync copy with the longest log among those that have room", () => {
    const world = settled();
    for (const at of [0, 1]) world.node(at).diskFull = true;
    const longest = world.node(1).copy;
    if (longest) longest.lastSeq = 9;
    const { change, reason } = onlyChange(plan(world));
    expect(change).toEqual({ kind: "promote", target: world.node(2).copy?.id, drop: [] });
    expect(reason).toBe("DiskFull");
    world.settle();
    for (const node of world.nodes) world.deliver(node);
    expect(plan(world)).toEqual({ kind: "pass" });
  });

  test("keeps it while no other has room, and says so; what else is to be done is done", () => {
    const world = settled();
    for (const node of world.nodes) node.diskFull = true;
    expect(plan(world)).toMatchObject({ kind: "wait", reason: "DiskFull" });
    world.setState(world.node(2), "dead", true);
    expect(onlyChange(plan(world)).reason).toBe("NodeDead");
  });

  test("is not the reason to follow one that leaves or is away", () => {
    const world = settled();
    world.node(0).diskFull = true;
    world.node(1).drainingSinceMs = world.nowMs;
    world.setState(world.node(2), "suspect");
    expect(plan(world)).toMatchObject({ kind: "wait", reason: "DiskFull" });
  });
});

test("two leaving nodes do not pass a shard to and fro", () => {
  const world = settled();
  for (const at of [0, 1, 2]) world.node(at).drainingSinceMs = world.nowMs;
  world.nowMs += world.settings.handOffMs;
  expect(plan(world)).toEqual({ kind: "pass" });
  world.ask("promote", world.node(1).copy?.id as AllocationId);
  expect(plan(world)).toMatchObject({ actions: [{ kind: "refuseRequest", refusal: "targetAway" }] });
});

describe("requests of a primary", () => {
  test("a hand-off goes to the copy it names, with the next term", () => {
    const world = settled();
    const target = world.node(1).copy?.id as AllocationId;
    world.ask("promote", target);
    const { change, reason } = onlyChange(plan(world));
    expect(change).toEqual({ kind: "promote", target, drop: [] });
    expect(reason).toBe("HandOff");
  });

  test("a request of another term is refused", () => {
    const world = settled();
    const copy = world.node(1).copy?.id as AllocationId;
    for (const action of ["addInSync", "removeCopy", "promote"] as const) {
      world.requests = [];
      world.ask(action, copy, world.record.term - 1);
      expect(plan(world)).toMatchObject({
        kind: "act",
        actions: [{ kind: "refuseRequest", refusal: "otherTerm" }],
      });
    }
  });

  test("the primary is not removed from its set by a request", () => {
    const world = settled();
    world.ask("removeCopy", world.record.primary);
    expect(plan(world)).toMatchObject({ actions: [{ kind: "refuseRequest", refusal: "isPrimary" }] });
  });

  test("one lost copy is removed; a primary that loses all healthy ones at once is replaced", () => {
    const world = settled();
    const [b, c] = [world.node(1).copy?.id, world.node(2).copy?.id] as AllocationId[];
    world.ask("removeCopy", b as AllocationId);
    expect(onlyChange(plan(world)).change).toMatchObject({ kind: "removeCopy", id: b });
    world.ask("removeCopy", c as AllocationId);
    const { change } = onlyChange(plan(world));
    expect(change).toMatchObject({ kind: "promote", drop: [] });
    expect([b, c]).toContain((change as { readonly target?: AllocationId }).target);
    const again: ShardObservation = {
      ...world.observe(),
      recent: { healthyRemovals: 0, promotionsInstead: 1 },
    };
    expect(onlyChange(planShard(again)).change).toMatchObject({ kind: "removeCopy" });
  });
});

describe("copies come and go", () => {
  test("a returning node gets its copy back at once, under a new id", () => {
    const world = settled();
    const old = world.node(2).copy?.id as AllocationId;
    world.setState(world.node(2), "suspect", true);
    world.requests = [
      {
        action: "removeCopy",
        id: old,
        term: world.record.term,
        reason: "ReplicaDisconnected",
        from: world.node(0).id,
      },
    ];
    world.settle();
    expect(plan(world)).toMatchObject({ kind: "wait", reason: "WaitingForNode" });
    world.restart(world.node(2));
    const { change } = onlyChange(plan(world));
    expect(change).toMatchObject({ kind: "addRecovering", copy: { node: "n2", zone: "c" } });
    expect(change).not.toMatchObject({ copy: { id: old } });
  });

  test("a node that stays away is replaced after rebuildDelaySeconds, in a free domain", () => {
    const world = settled(["a", "b", "c", "c"]);
    const held = world.record.copies.find((copy) => copy.zone === "c")?.node;
    const away = world.nodes.find((node) => node.id === held);
    if (!away) throw new Error("no copy in zone c");
    world.setState(away, "dead", true);
    world.settle();
    expect(plan(world)).toMatchObject({ kind: "wait", reason: "WaitingForNode" });
    world.nowMs += world.settings.rebuildDelayMs;
    const other = world.nodes.find((node) => node.zone === "c" && node !== away);
    expect(onlyChange(plan(world)).change).toMatchObject({
      kind: "addRecovering",
      copy: { node: other?.id },
    });
  });

  test("a node on which copies keep failing gives way to another one of its domain, else is tried on, with pauses", () => {
    const tries = (zones: readonly string[]): string[] => {
      const world = settled(zones);
      const failing = world.node(2);
      failing.failing = true;
      const nodes: string[] = [];
      while (nodes.length < 6) {
        expect(onlyChange(plan(world)).change.kind).toBe("removeCopy");
        world.reconcile();
        world.nowMs += 61_000;
        const { change } = onlyChange(plan(world));
        if (change.kind !== "addRecovering") throw new Error(change.kind);
        nodes.push(change.copy.node);
        world.reconcile();
        if (change.copy.node !== failing.id) break;
        world.deliver(failing);
      }
      return nodes;
    };
    expect(tries(["a", "b", "c", "c"]).at(-1)).toBe("n3");
    expect(tries(["a", "b", "c"])).toEqual(Array.from({ length: 6 }, () => "n2"));
  });

  test("too few domains leave a copy without a place, and say so", () => {
    const world = settled(["a", "b"]);
    expect(world.record.copies).toHaveLength(2);
    expect(plan(world)).toMatchObject({ kind: "wait", reason: "NotEnoughDomains" });
  });

  test("a copy that its alive node does not have is replaced", () => {
    const world = settled();
    const lost = world.node(1).copy?.id;
    world.wipe(world.node(1));
    world.nowMs += world.settings.suspectTimeoutMs;
    expect(onlyChange(plan(world)).change).toMatchObject({ kind: "removeCopy", id: lost });
  });

  test("empty data may be made only until the first copy is seen", () => {
    const world = new ShardWorld(["a", "b", "c"]);
    expect(plan(world)).toEqual({ kind: "pass" });
    world.deliver(world.node(0));
    expect(onlyChange(plan(world)).change).toEqual({ kind: "clearBootstrap" });
  });

  test("a record is older already when its term alone is, or its version alone", () => {
    const world = settled();
    const copy = world.node(1).copy!;
    const { term, version } = world.record;
    Object.assign(copy, { term: term + 1, mapVersion: version });
    expect(plan(world)).toMatchObject({ kind: "refuse", reason: "ShardRecordStale" });
    Object.assign(copy, { term, mapVersion: version + 1 });
    expect(plan(world)).toMatchObject({ kind: "refuse", reason: "ShardRecordStale" });
  });

  test("a record that is older than what a node reports is not acted upon", () => {
    const world = settled();
    const old = world.record;
    world.setState(world.node(0), "suspect");
    world.settle();
    for (const node of world.nodes) world.deliver(node);
    world.record = old;
    world.setState(world.node(1), "dead");
    world.setState(world.node(0), "dead");
    expect(plan(world)).toMatchObject({ kind: "refuse", reason: "ShardRecordStale" });
  });
});

describe("any order of events", () => {
  const step = fc.record({
    what: fc.constantFrom(
      "exit",
      "suspect",
      "dead",
      "return",
      "deliver",
      "deliver",
      "add",
      "add",
      "remove",
      "handOff",
      "stale",
      "fail",
      "repair",
      "drain",
      "wait",
      "reconcile",
      "wipe",
    ),
    node: fc.nat(10),
    pick: fc.nat(10),
  });

  function apply(world: ShardWorld, what: string, at: number, pick: number): void {
    const node = world.node(at);
    const anyCopy = world.record.copies[pick % world.record.copies.length]?.id as AllocationId;
    const recovering = world.record.recovering[pick % Math.max(1, world.record.recovering.length)];
    switch (what) {
      case "exit":
        return world.setState(node, "suspect", true);
      case "suspect":
      case "dead":
        return world.setState(node, what, node.exited);
      case "return":
        return world.restart(node);
      case "deliver":
        return node.state === "alive" ? world.deliver(node) : undefined;
      case "add":
        return recovering ? world.ask("addInSync", recovering) : undefined;
      case "remove":
        return world.ask("removeCopy", anyCopy);
      case "handOff":
        return world.ask("promote", anyCopy);
      case "stale":
        return world.ask(pick % 2 === 0 ? "removeCopy" : "addInSync", anyCopy, world.record.term - 1);
      case "fail":
      case "repair":
        node.failing = what === "fail";
        return;
      case "drain":
        node.drainingSinceMs = world.nowMs;
        return;
      case "wait":
        world.nowMs += [100, 1000, 6000, 400_000][pick % 4] ?? 0;
        return;
      case "wipe":
        // A volume is not lost while it holds the only committed data: nobody survives that.
        if (node.copy && !world.record.inSync.includes(node.copy.id)) world.wipe(node);
        return;
      default:
        world.reconcile();
    }
  }

  test("keeps every invariant of the record, and heals to all copies in sync", () => {
    const zones = fc.constantFrom(["a", "b", "c"], ["a", "b", "c", "a", "b"], ["a", "b", "c", "d", "d"]);
    let changes = 0;
    let promotions = 0;
    fc.assert(
      fc.property(zones, fc.array(step, { minLength: 20, maxLength: 150, size: "max" }), (names, steps) => {
        const world = steps.length % 4 === 0 ? new ShardWorld(names) : settled(names);
        const before = { changes: world.changes, promotions: world.promotions };
        for (const { what, node, pick } of steps) {
          apply(world, what, node, pick);
          if (pick % 3 === 0) world.settle();
        }
        changes += world.changes - before.changes;
        promotions += world.promotions - before.promotions;
        heal(world);
        expect(world.record.inSync).toHaveLength(3);
        expect(world.record.recovering).toEqual([]);
        expect(world.nodeOfPrimary().copy).toMatchObject({ id: world.record.primary, role: "primary" });
        expect(plan(world)).toEqual({ kind: "pass" });
      }),
      { numRuns: 1000, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: true },
    );
    // Schedules in which nothing happens prove nothing.
    expect(changes).toBeGreaterThan(1000);
    expect(promotions).toBeGreaterThan(200);
  });
});
