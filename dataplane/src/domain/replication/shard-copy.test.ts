import { describe, expect, it } from "vitest";
import type { HistoryId, ShardMap } from "../cluster-map.js";
import type { CopyEffect } from "./event.js";
import type { LogEntry } from "./log-entry.js";
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
  commits,
  entry,
  map,
  readyPrimary,
  replicate,
  requests,
} from "./testing/copy-bench.js";
import { ShardWorld, type WorldCounts } from "./testing/shard-world.js";

describe("a primary", () => {
  it("commits nothing before every in-sync copy has confirmed it in this term", () => {
    const bench = new Bench(emptyCopy(SHARD, A, HISTORY));
    expect(commits(bench.step({ kind: "map", map: map({}) }))).toEqual([]);
    expect(commits(bench.step(WRITE))).toEqual([]);
    expect(commits(bench.receive(B, 1, { kind: "replicateOk", confirmed: 1, globalCheckpoint: 0 }))).toEqual([
      1,
    ]);
    expect(commits(bench.receive(B, 1, { kind: "replicateOk", confirmed: 2, globalCheckpoint: 1 }))).toEqual([
      2,
    ]);
  });

  it("does not count its own log before it is on its own disk", () => {
    const bench = readyPrimary();
    bench.diskHolds = true;
    bench.step(WRITE);
    expect(commits(bench.receive(B, 1, { kind: "replicateOk", confirmed: 2, globalCheckpoint: 1 }))).toEqual(
      [],
    );
    expect(commits(bench.releaseDisk())).toEqual([2]);
  });

  it("sends nothing of its term before its activation is on disk", () => {
    const bench = new Bench(emptyCopy(SHARD, A, HISTORY));
    bench.diskHolds = true;
    const effects = bench.step({ kind: "map", map: map({}) });
    expect(effects.filter((effect) => effect.kind === "send" || effect.kind === "sendEntries")).toEqual([]);
    expect(bench.releaseDisk().some((effect) => effect.kind === "sendEntries")).toBe(true);
  });

  it("refuses writes while the stored set is smaller than the floor", () => {
    const alone = new Bench(emptyCopy(SHARD, A, HISTORY));
    alone.step({ kind: "map", map: map({ inSync: [A] }) });
    expect(alone.copy.canWrite()).toBe("notEnoughCopies");
    expect(readyPrimary().copy.canWrite()).toBeUndefined();
  });

  it("asks for the removal of a silent copy, and still waits for it until a newer map shows it gone", () => {
    const bench = readyPrimary();
    bench.step(WRITE);
    bench.nowMs += 1500;
    expect(requests(bench.step({ kind: "tick", retainFromSeq: 0 }))).toEqual(["removeCopy b ReplicaTimeout"]);
    expect(bench.view.globalCheckpoint).toBe(1);
    const removed = map({ version: 2, inSync: [A], recovering: [] });
    expect(commits(bench.step({ kind: "map", map: removed }))).toEqual([2]);
  });

  it("takes a broken connection as evidence at once", () => {
    const bench = readyPrimary();
    expect(requests(bench.step({ kind: "disconnected", copy: B }))).toEqual([
      "removeCopy b ReplicaDisconnected",
    ]);
  });

  it("waits for a copy that joins before it asks to store it", () => {
    const bench = readyPrimary({ recovering: [C] });
    const effects = bench.receive(C, 1, { kind: "replicateOk", confirmed: 1, globalCheckpoint: 1 });
    expect(requests(effects)).toEqual(["addInSync c CaughtUp"]);
    bench.step(WRITE);
    expect(commits(bench.receive(B, 1, { kind: "replicateOk", confirmed: 2, globalCheckpoint: 1 }))).toEqual(
      [],
    );
    expect(commits(bench.receive(C, 1, { kind: "replicateOk", confirmed: 2, globalCheckpoint: 1 }))).toEqual([
      2,
    ]);
  });

  it("lets no copy join before its term's no-op is committed", () => {
    const bench = new Bench(emptyCopy(SHARD, A, HISTORY));
    bench.step({ kind: "map", map: map({ recovering: [C] }) });
    expect(requests(bench.receive(C, 1, { kind: "replicateOk", confirmed: 1, globalCheckpoint: 0 }))).toEqual(
      [],
    );
    expect(requests(bench.receive(B, 1, { kind: "replicateOk", confirmed: 1, globalCheckpoint: 0 }))).toEqual(
      ["addInSync c CaughtUp"],
    );
  });

  it("ignores answers of an earlier term", () => {
    const bench = readyPrimary();
    bench.step({ kind: "map", map: map({ version: 2, term: 2 }) });
    expect(commits(bench.receive(B, 1, { kind: "replicateOk", confirmed: 9, globalCheckpoint: 1 }))).toEqual(
      [],
    );
    expect(bench.view.globalCheckpoint).toBe(1);
  });

  it("steps down at any sign of a higher term", () => {
    const bench = readyPrimary();
    const effects = bench.receive(B, 7, { kind: "higherTerm" });
    expect(effects.some((effect) => effect.kind === "stepDown")).toBe(true);
    expect(bench.view).toMatchObject({ role: "replica", term: 7 });
  });

  it("ignores a map that is not newer than the one it has", () => {
    const bench = readyPrimary();
    bench.step({ kind: "map", map: map({ version: 3 }) });
    bench.step({ kind: "map", map: map({ version: 2, inSync: [A] }) });
    expect(bench.view.inSync).toEqual([A, B]);
  });

  it("does not go on in its term after a restart: it waits to be promoted again", () => {
    const durable = { ...emptyCopy(SHARD, A, HISTORY), term: 1, activatedTerm: 1 };
    const bench = new Bench(durable);
    bench.step({ kind: "map", map: map({ version: 5 }) });
    expect(bench.view.role).toBe("replica");
    bench.step({ kind: "map", map: map({ version: 6, term: 2 }) });
    expect(bench.view.role).toBe("primary");
  });

  it("hands its role over once everything is committed, and takes writes again when nobody answers", () => {
    const bench = readyPrimary();
    bench.step(WRITE);
    expect(requests(bench.step({ kind: "handOff", target: B }))).toEqual([]);
    expect(bench.copy.canWrite()).toBe("draining");
    const effects = bench.receive(B, 1, { kind: "replicateOk", confirmed: 2, globalCheckpoint: 1 });
    expect(requests(effects)).toEqual(["promote b HandOff"]);
    bench.nowMs += 5000;
    bench.step({ kind: "tick", retainFromSeq: 0 });
    expect(bench.copy.canWrite()).toBeUndefined();
  });

  it("does not start a hand-off before its term's no-op is committed, nor while the set is changing", () => {
    const bench = new Bench(emptyCopy(SHARD, A, HISTORY));
    bench.step({ kind: "map", map: map({ recovering: [C] }) });
    bench.receive(C, 1, { kind: "replicateOk", confirmed: 0, globalCheckpoint: 0 });
    const refused = { what: "handOffAborted", target: B };
    expect(bench.step({ kind: "handOff", target: B })).toEqual([{ kind: "note", note: refused }]);
    bench.receive(B, 1, { kind: "replicateOk", confirmed: 1, globalCheckpoint: 0 });
    bench.receive(C, 1, { kind: "replicateOk", confirmed: 1, globalCheckpoint: 1 });
    expect(bench.view.ready).toBe(true);
    // C is joining now: a promotion would leave it in doubt whether it is waited for.
    expect(bench.step({ kind: "handOff", target: B })).toEqual([{ kind: "note", note: refused }]);
    expect(bench.copy.canWrite()).toBeUndefined();
  });

  it("tells a copy that is not in sync of no more than it has confirmed", () => {
    const bench = readyPrimary();
    for (let seq = 2; seq <= 4; seq += 1) {
      bench.step(WRITE);
      bench.receive(B, 1, { kind: "replicateOk", confirmed: seq, globalCheckpoint: seq - 1 });
    }
    expect(bench.view.globalCheckpoint).toBe(4);
    const effects = bench.step({ kind: "map", map: map({ version: 2, recovering: [C] }) });
    effects.push(...bench.receive(C, 1, { kind: "mismatch", globalCheckpoint: 0, lastSeq: 0 }));
    const told = effects.flatMap((effect) =>
      (effect.kind === "send" || effect.kind === "sendEntries") && effect.message.to === C
        ? [(effect.message.body as { globalCheckpoint: number }).globalCheckpoint]
        : [],
    );
    expect(told.length).toBeGreaterThan(1);
    expect(Math.max(...told)).toBe(0);
  });

  it("goes on asking for the removal of a copy whose join it gave up, though that confirms again", () => {
    const bench = readyPrimary({ recovering: [C] });
    bench.receive(C, 1, { kind: "replicateOk", confirmed: 1, globalCheckpoint: 1 });
    expect(requests(bench.step({ kind: "disconnected", copy: C }))).toEqual(["removeCopy c JoinGivenUp"]);
    bench.receive(C, 1, { kind: "replicateOk", confirmed: 1, globalCheckpoint: 1 });
    bench.nowMs += 300;
    expect(requests(bench.step({ kind: "tick", retainFromSeq: 0 }))).toEqual(["removeCopy c JoinGivenUp"]);
  });

  describe("trims its log", () => {
    const trims = (effects: readonly CopyEffect[]): number[] =>
      effects.flatMap((effect) => (effect.kind === "persist" ? [effect.change.trimThrough?.seq ?? 0] : []));

    /** Ten entries committed; B has reported a checkpoint of its own. */
    function tenCommitted(reportedCheckpoint: number, change: Partial<ShardMap> = {}): Bench {
      const bench = readyPrimary(change);
      for (let seq = 2; seq <= 10; seq += 1) bench.step(WRITE);
      bench.receive(B, 1, { kind: "replicateOk", confirmed: 10, globalCheckpoint: reportedCheckpoint });
      return bench;
    }

    it("no further than an in-sync copy's own checkpoint", () => {
      const bench = tenCommitted(4);
      expect(trims(bench.step({ kind: "tick", retainFromSeq: 100 }))).toEqual([4]);
    });

    it("no further than what a copy that is being filled has confirmed", () => {
      const bench = tenCommitted(10, { recovering: [C] });
      bench.receive(C, 1, { kind: "replicateOk", confirmed: 6, globalCheckpoint: 0 });
      expect(trims(bench.step({ kind: "tick", retainFromSeq: 100 }))).toEqual([6]);
    });

    it("no further than its base while a snapshot is under way, which the log must reach back to", () => {
      const { bench, snapshotId } = sendingSnapshot();
      expect(trims(bench.step({ kind: "tick", retainFromSeq: 100 }))).toEqual([]);
      bench.step({ kind: "snapshotSent", to: C, snapshotId, ok: true });
      bench.receive(C, 1, { kind: "mismatch", globalCheckpoint: 10, lastSeq: 10 });
      expect(trims(bench.step({ kind: "tick", retainFromSeq: 100 }))).toEqual([10]);
    });

    it("for all that is being filled when the log would grow without bound", () => {
      const { bench } = sendingSnapshot();
      expect(trims(bench.step({ kind: "tick", retainFromSeq: 100, pinFromSeq: 9 }))).toEqual([8]);
    });

    it("from under an in-sync copy never, whatever the bound", () => {
      const bench = tenCommitted(4);
      expect(trims(bench.step({ kind: "tick", retainFromSeq: 100, pinFromSeq: 100 }))).toEqual([4]);
    });

    it("and in the same tick sends nothing of what it trims, which the store no longer has", () => {
      const bench = tenCommitted(10, { recovering: [C] });
      bench.receive(C, 1, { kind: "mismatch", globalCheckpoint: 0, lastSeq: 0 });
      bench.receive(C, 1, { kind: "replicateOk", confirmed: 2, globalCheckpoint: 0 });
      for (let i = 0; i < 3; i += 1) bench.step(WRITE);
      bench.receive(B, 1, { kind: "replicateOk", confirmed: 13, globalCheckpoint: 13 });
      bench.nowMs += 300;
      const effects = bench.step({ kind: "tick", retainFromSeq: 100, pinFromSeq: 100 });
      expect(trims(effects)).toContain(13);
      const sent = effects.flatMap((effect) => (effect.kind === "sendEntries" ? [effect.fromSeq] : []));
      expect(sent.filter((fromSeq) => fromSeq <= 13)).toEqual([]);
    });

    it("for a copy that is to be filled only so long as it comes nearer", () => {
      const bench = tenCommitted(10, { recovering: [C] });
      bench.receive(C, 1, { kind: "replicateOk", confirmed: 6, globalCheckpoint: 0 });
      for (const [confirmed, trimmed] of [
        [6, 6],
        [7, 7],
      ]) {
        bench.nowMs += 50_000;
        bench.receive(C, 1, { kind: "replicateOk", confirmed: confirmed!, globalCheckpoint: 0 });
        expect(trims(bench.step({ kind: "tick", retainFromSeq: 100 }))).toEqual([trimmed]);
      }
      bench.nowMs += 61_000;
      bench.receive(C, 1, { kind: "replicateOk", confirmed: 7, globalCheckpoint: 0 });
      expect(trims(bench.step({ kind: "tick", retainFromSeq: 100 }))).toEqual([10]);
    });

    it("not before a copy that is to be filled has said where it starts, for a while", () => {
      const bench = tenCommitted(10);
      bench.step({ kind: "map", map: map({ version: 2, recovering: [C] }) });
      expect(trims(bench.step({ kind: "tick", retainFromSeq: 100 }))).toEqual([]);
      bench.nowMs += 61_000;
      expect(trims(bench.step({ kind: "tick", retainFromSeq: 100 }))).toEqual([10]);
    });

    function sendingSnapshot(): { readonly bench: Bench; readonly snapshotId: string } {
      const bench = tenCommitted(10);
      bench.step({ kind: "tick", retainFromSeq: 6 });
      bench.step({ kind: "map", map: map({ version: 2, recovering: [C] }) });
      const filling = bench.receive(C, 1, { kind: "mismatch", globalCheckpoint: 0, lastSeq: 0 });
      const started = filling.find((effect) => effect.kind === "startSnapshot");
      expect(started).toMatchObject({ to: C });
      return { bench, snapshotId: started!.snapshotId };
    }
  });

  it("fills a copy from the log as far as it reaches, else by a snapshot", () => {
    const bench = readyPrimary({ recovering: [C] });
    const fromLog = bench.receive(C, 1, { kind: "mismatch", globalCheckpoint: 0, lastSeq: 0 });
    expect(fromLog.some((effect) => effect.kind === "sendEntries" && effect.fromSeq === 1)).toBe(true);

    const trimmed = readyPrimary();
    trimmed.receive(B, 1, { kind: "replicateOk", confirmed: 1, globalCheckpoint: 1 });
    trimmed.step({ kind: "tick", retainFromSeq: 100 });
    trimmed.step({ kind: "map", map: map({ version: 2, recovering: [C] }) });
    const bySnapshot = trimmed.receive(C, 1, { kind: "mismatch", globalCheckpoint: 0, lastSeq: 0 });
    expect(bySnapshot.some((effect) => effect.kind === "startSnapshot" && effect.to === C)).toBe(true);
  });
});

describe("a replica", () => {
  function replicaWith(entries: LogEntry[], globalCheckpoint = 0, term = 1): Bench {
    const bench = new Bench(emptyCopy(SHARD, B, HISTORY));
    bench.receive(A, term, replicate(0, 0, entries, globalCheckpoint));
    return bench;
  }

  it("confirms only what is on its disk", () => {
    const bench = new Bench(emptyCopy(SHARD, B, HISTORY));
    bench.diskHolds = true;
    expect(answers(bench.receive(A, 1, replicate(0, 0, [entry(1, 1)])))).toEqual([]);
    expect(answers(bench.releaseDisk())).toEqual([
      { kind: "replicateOk", confirmed: 1, globalCheckpoint: 0 },
    ]);
  });

  it("refuses what does not follow what it holds, and says where it stands", () => {
    const bench = replicaWith([entry(1, 1)], 1);
    expect(answers(bench.receive(A, 1, replicate(5, 1, [entry(6, 1)])))).toEqual([
      { kind: "mismatch", globalCheckpoint: 1, lastSeq: 1 },
    ]);
  });

  it("replaces a differing suffix whole", () => {
    const bench = replicaWith([entry(1, 1), entry(2, 1), entry(3, 1)], 1);
    const effects = bench.receive(C, 2, replicate(1, 1, [entry(2, 2)]));
    expect(effects).toContainEqual({ kind: "truncated", afterSeq: 1 });
    expect(bench.view.lastSeq).toBe(2);
  });

  it("stops rather than overwrite what is committed", () => {
    const bench = replicaWith([entry(1, 1), entry(2, 1)], 2);
    const effects = bench.receive(C, 2, replicate(0, 0, [entry(1, 2)]));
    expect(
      effects.some((effect) => effect.kind === "stop" && effect.reason === "committedEntryConflict"),
    ).toBe(true);
    expect(bench.view.role).toBe("stopped");
  });

  it("refuses a lower term and truncates nothing when it learns a higher one", () => {
    const bench = replicaWith([entry(1, 1), entry(2, 1)], 1, 3);
    expect(answers(bench.receive(A, 2, replicate(2, 1, [entry(3, 2)])))).toEqual([{ kind: "higherTerm" }]);
    bench.receive(C, 9, { kind: "higherTerm" });
    expect(bench.view).toMatchObject({ term: 9, lastSeq: 2 });
  });

  it("keeps its log when a late snapshot holds less than it does", () => {
    const bench = replicaWith([entry(1, 1), entry(2, 1), entry(3, 1)], 1);
    const snapshot = {
      kind: "snapshotArrived",
      snapshotId: "x",
      from: A,
      historyId: HISTORY,
      term: 1,
    } as const;
    const effects = bench.step({ ...snapshot, lastSeq: 2, lastTerm: 1 });
    expect(effects).toContainEqual({ kind: "discardSnapshot", snapshotId: "x" });
    expect(bench.view).toMatchObject({ lastSeq: 3, globalCheckpoint: 2 });
  });

  it("lets no snapshot delete what it holds as a member of the in-sync set", () => {
    const bench = replicaWith([entry(1, 1), entry(2, 1)], 1);
    bench.step({ kind: "map", map: map({ version: 4 }) });
    const effects = bench.step({
      kind: "snapshotArrived",
      snapshotId: "x",
      from: A,
      historyId: HISTORY,
      term: 1,
      lastSeq: 9,
      lastTerm: 1,
    });
    expect(effects).toContainEqual({ kind: "discardSnapshot", snapshotId: "x" });
    expect(bench.view).toMatchObject({ lastSeq: 2, globalCheckpoint: 1 });
  });

  it("takes nothing of another history: only a snapshot may replace what it has", () => {
    const bench = replicaWith([entry(1, 1), entry(2, 1)], 2);
    const effects = bench.step({
      kind: "message",
      message: {
        shardUid: SHARD,
        historyId: "another" as HistoryId,
        from: A,
        to: B,
        term: 1,
        body: replicate(2, 1, [entry(3, 1)], 3),
      },
    });
    expect(answers(effects)).toEqual([{ kind: "mismatch", globalCheckpoint: 0, lastSeq: 0 }]);
    expect(bench.view).toMatchObject({ lastSeq: 2, historyId: HISTORY });
  });

  it("never counts on a checkpoint above what it has confirmed", () => {
    const bench = replicaWith([entry(1, 1)], 9);
    expect(bench.view.globalCheckpoint).toBe(1);
  });
});

/** Schedules per run; raise it for a longer search. */
const SEEDS = Number(process.env["PRISM_WORLD_SEEDS"] ?? "300");

function run(seed: number): WorldCounts {
  const world = new ShardWorld(seed, 2 + (seed % 3));
  for (let i = 0; i < 1200; i += 1) world.act();
  world.quietDown();
  return world.counts;
}

describe("a shard in a hostile world", () => {
  it("keeps every invariant over random schedules and is equal everywhere once quiet", () => {
    const total: Record<string, number> = {};
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      let counts: WorldCounts;
      try {
        counts = run(seed);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
    }
    // Clean but empty schedules would prove nothing.
    for (const [name, count] of Object.entries(total)) expect(count, name).toBeGreaterThan(SEEDS / 10);
  }, 600_000);
});
