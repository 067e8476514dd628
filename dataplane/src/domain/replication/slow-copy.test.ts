import { describe, expect, it } from "vitest";
import type { AllocationId, NodeId } from "../cluster-map.js";
import type { CopyEffect } from "./event.js";
import { emptyCopy } from "./shard-copy.js";
import {
  A,
  B,
  Bench,
  C,
  HISTORY,
  SHARD,
  WRITE,
  answers,
  entry,
  map,
  readyPrimary,
  replicate,
  requests,
  SETTINGS,
} from "./testing/copy-bench.js";

const TICK = { kind: "tick", retainFromSeq: 0 } as const;

/** Writes one operation every 100 ms; B answers each time and confirms as far as `confirmed` says. */
function runFor(bench: Bench, durationMs: number, confirmed: (lastSeq: number) => number): CopyEffect[] {
  const effects: CopyEffect[] = [];
  for (const endMs = bench.nowMs + durationMs; bench.nowMs < endMs;) {
    bench.nowMs += 100;
    if (bench.copy.canWrite() === undefined) effects.push(...bench.step(WRITE));
    const seq = confirmed(bench.view.lastSeq);
    effects.push(...bench.receive(B, 1, { kind: "replicateOk", confirmed: seq, globalCheckpoint: 1 }));
    effects.push(...bench.step(TICK));
  }
  return effects;
}

describe("a copy that answers", () => {
  it("leaves as too slow when it confirms nothing new, though it says so all the time", () => {
    const bench = readyPrimary();
    expect(requests(runFor(bench, SETTINGS.slowReplicaTimeoutMs, () => 1))).toEqual([]);
    expect(requests(runFor(bench, 400, () => 1))[0]).toBe("removeCopy b TooSlow");
  });

  it("leaves as too slow when it confirms a little and falls ever further behind", () => {
    const bench = readyPrimary();
    const half = (lastSeq: number): number => Math.floor(lastSeq / 2);
    const effects = runFor(bench, 4 * SETTINGS.slowReplicaTimeoutMs, half);
    expect(requests(effects)[0]).toBe("removeCopy b TooSlow");
  });

  it("stays when it is late, but never later than the limit", () => {
    const bench = readyPrimary();
    const effects = runFor(bench, 20_000, (lastSeq) => Math.max(1, lastSeq - 20));
    expect(requests(effects)).toEqual([]);
  });

  it("stays when it is no later than the primary's own disk", () => {
    const bench = readyPrimary();
    bench.diskHolds = true;
    const effects = runFor(bench, 2 * SETTINGS.slowReplicaTimeoutMs, () => 1);
    expect(requests(effects)).toEqual([]);
  });

  it("stays, though nothing was written for long before it has a new entry to confirm", () => {
    const bench = readyPrimary();
    bench.receive(B, 1, { kind: "replicateOk", confirmed: 1, globalCheckpoint: 1 });
    bench.nowMs += 100_000;
    expect(requests([...bench.step(WRITE), ...bench.step(TICK)])).toEqual([]);
  });
});

describe("a copy that says nothing", () => {
  it("leaves by the shorter time limit, with the other reason", () => {
    const bench = readyPrimary();
    bench.step(WRITE);
    bench.nowMs += SETTINGS.replicaTimeoutMs + 1;
    expect(requests(bench.step(TICK))).toEqual(["removeCopy b ReplicaTimeout"]);
  });
});

describe("a replica whose disk is slow", () => {
  it("repeats what it has confirmed, so that it is not taken for silent", () => {
    const bench = new Bench(emptyCopy(SHARD, B, HISTORY));
    bench.receive(A, 1, replicate(0, 0, [entry(1, 1)]));
    bench.diskHolds = true;
    bench.receive(A, 1, replicate(1, 1, [entry(2, 1)]));
    bench.nowMs += 1000;
    expect(answers(bench.step(TICK))).toEqual([{ kind: "replicateOk", confirmed: 1, globalCheckpoint: 0 }]);
  });

  it("confirms nothing of an earlier term, and nothing before the adopted term is on disk", () => {
    const bench = new Bench(emptyCopy(SHARD, B, HISTORY));
    bench.receive(A, 1, replicate(0, 0, [entry(1, 1)]));
    bench.diskHolds = true;
    bench.receive(C, 2, replicate(1, 1, [entry(2, 2)]));
    bench.nowMs += 1000;
    expect(answers(bench.step(TICK))).toEqual([]);
  });
});

describe("a node whose copy left as too slow", () => {
  const D = "d" as AllocationId;
  const copies = [A, B, C].map((id) => ({ id, node: `node-${id}` as NodeId, zone: id }));

  /** B left as too slow; D is being filled on B's node, or elsewhere. */
  function afterSlow(node: string): Bench {
    const bench = readyPrimary();
    runFor(bench, SETTINGS.slowReplicaTimeoutMs + 400, () => 1);
    const filled = [...copies, { id: D, node: node as NodeId, zone: "d" }];
    bench.step({ kind: "map", map: map({ version: 2, inSync: [A, C], copies: filled }) });
    const { lastSeq } = bench.view;
    bench.receive(C, 1, { kind: "replicateOk", confirmed: lastSeq, globalCheckpoint: 1 });
    bench.step({ kind: "map", map: map({ version: 3, inSync: [A, C], recovering: [D], copies: filled }) });
    return bench;
  }

  const level = (bench: Bench): string[] => {
    const confirmed = bench.view.lastSeq;
    const from = [C, D].flatMap((copy) =>
      bench.receive(copy, 1, { kind: "replicateOk", confirmed, globalCheckpoint: 1 }),
    );
    return requests([...from, ...bench.step(TICK)]);
  };

  it("gets its next copy into the set only after that has kept up for a while", () => {
    const bench = afterSlow("node-b");
    const seen: string[] = [];
    let tookMs = 0;
    for (; seen.length === 0 && tookMs < 20_000; tookMs += 100) {
      bench.nowMs += 100;
      seen.push(...level(bench));
    }
    expect(seen).toEqual(["addInSync d CaughtUp"]);
    expect(tookMs).toBeGreaterThan(SETTINGS.slowReplicaTimeoutMs);
  });

  it("does not hold up a copy on another node", () => {
    expect(level(afterSlow("node-d"))).toEqual(["addInSync d CaughtUp"]);
  });
});
