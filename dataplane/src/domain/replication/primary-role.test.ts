import { describe, expect, it } from "vitest";
import type { HistoryId, NodeId } from "../cluster-map.js";
import type { CopyEffect } from "./event.js";
import { emptyCopy } from "./shard-copy.js";
import {
  A,
  answers,
  B,
  Bench,
  C,
  HISTORY,
  map,
  readyPrimary,
  requests,
  SETTINGS,
  SHARD,
  WRITE,
} from "./testing/copy-bench.js";

/** What a copy that is being filled still needs is kept for so long after its last step forward. */
const PIN_LEASE_MS = 60_000;

function notes(effects: readonly CopyEffect[]): string[] {
  return effects.flatMap((effect) => (effect.kind === "note" ? [effect.note.what] : []));
}

function trimmed(effects: readonly CopyEffect[]): (number | undefined)[] {
  return effects.flatMap((effect) =>
    effect.kind === "persist" && effect.change.trimThrough !== undefined
      ? [effect.change.trimThrough.seq]
      : [],
  );
}

/** So many operations, which B confirms and has told that it knows to be committed. */
function writeAll(bench: Bench, count: number): void {
  for (let i = 0; i < count; i += 1) bench.step(WRITE);
  const confirmed = bench.view.lastSeq;
  bench.receive(B, 1, { kind: "replicateOk", confirmed, globalCheckpoint: 0 });
  bench.receive(B, 1, { kind: "replicateOk", confirmed, globalCheckpoint: confirmed });
  expect(bench.view.globalCheckpoint).toBe(confirmed);
}

describe("a primary", () => {
  it("tells when the entry that starts its term is committed", () => {
    const bench = new Bench(emptyCopy(SHARD, A, HISTORY));
    expect(notes(bench.step({ kind: "map", map: map({}) }))).not.toContain("ready");
    const effects = bench.receive(B, 1, { kind: "replicateOk", confirmed: 1, globalCheckpoint: 0 });
    expect(notes(effects)).toContain("ready");
  });

  it("asks for a copy to leave whose connection was lost before it became primary", () => {
    const bench = new Bench(emptyCopy(SHARD, A, HISTORY));
    bench.step({ kind: "disconnected", copy: B });
    expect(requests(bench.step({ kind: "map", map: map({}) }))).toEqual(["removeCopy b ReplicaDisconnected"]);
  });

  it("has no ear for copies that its record does not name", () => {
    const bench = readyPrimary();
    expect(bench.receive(C, 1, { kind: "replicateOk", confirmed: 9, globalCheckpoint: 9 })).toEqual([]);
    expect(bench.receive(C, 1, { kind: "mismatch", globalCheckpoint: 0, lastSeq: 0 })).toEqual([]);
    expect(bench.step({ kind: "snapshotSent", to: C, snapshotId: "x.1", ok: true })).toEqual([]);
    expect(bench.step({ kind: "disconnected", copy: C })).toEqual([]);
    expect(bench.step({ kind: "connected", copy: C })).toEqual([]);
  });

  it("discards a snapshot of its own term, and confirms nothing to whoever sent it", () => {
    const snapshot = { snapshotId: "y.1", from: B, term: 1, historyId: HISTORY, lastSeq: 1, lastTerm: 1 };
    const effects = readyPrimary().step({ kind: "snapshotArrived", ...snapshot });
    expect(effects).toEqual([{ kind: "discardSnapshot", snapshotId: "y.1" }]);
  });

  it("checks once that it leads for a question that a copy repeats", () => {
    const bench = readyPrimary({ recovering: [C] });
    const ask = { kind: "freshnessAsk", nonce: "n", maxAgeMs: 100 } as const;
    const [check] = answers(bench.receive(C, 1, ask)).filter((body) => body.kind === "termCheck");
    expect(answers(bench.receive(C, 1, ask))).toEqual([]);
    const told = answers(bench.receive(B, 1, { kind: "termCheckOk", nonce: check!.nonce }));
    expect(told.map(({ kind }) => kind)).toEqual(["freshness"]);
  });
});

describe("the log of a primary", () => {
  it("is trimmed to just before the first entry that is to be kept", () => {
    const bench = readyPrimary();
    writeAll(bench, 5);
    expect(trimmed(bench.step({ kind: "tick", retainFromSeq: 4, pinFromSeq: 0 }))).toEqual([3]);
  });

  it("keeps what a copy that is being filled lacks, as long as that goes forward now and then", () => {
    const bench = readyPrimary({ recovering: [C] });
    writeAll(bench, 5);
    bench.nowMs += PIN_LEASE_MS - 100;
    bench.receive(C, 1, { kind: "replicateOk", confirmed: 2, globalCheckpoint: 0 });
    bench.nowMs += 200;
    expect(trimmed(bench.step({ kind: "tick", retainFromSeq: 100, pinFromSeq: 0 }))).toEqual([2]);
    bench.nowMs += PIN_LEASE_MS;
    expect(trimmed(bench.step({ kind: "tick", retainFromSeq: 100, pinFromSeq: 0 }))).toEqual([6]);
  });

  it("is kept for as long again after a snapshot has arrived", () => {
    const bench = readyPrimary({ recovering: [C] });
    writeAll(bench, 5);
    const other = {
      shardUid: SHARD,
      historyId: "other" as HistoryId,
      from: C,
      to: A,
      term: 1,
      body: { kind: "mismatch", globalCheckpoint: 0, lastSeq: 0 },
    } as const;
    const started = bench.step({ kind: "message", message: other });
    expect(notes(started)).toEqual(["snapshotStarted"]);
    bench.nowMs += 2 * PIN_LEASE_MS;
    bench.step({ kind: "snapshotSent", to: C, snapshotId: "x.1", ok: true });
    bench.nowMs += PIN_LEASE_MS - 100;
    expect(trimmed(bench.step({ kind: "tick", retainFromSeq: 100, pinFromSeq: 0 }))).toEqual([]);
    bench.nowMs += 200;
    expect(trimmed(bench.step({ kind: "tick", retainFromSeq: 100, pinFromSeq: 0 }))).toEqual([6]);
  });
});

describe("entries on their way", () => {
  const sent = (effects: readonly CopyEffect[]): string[] =>
    effects.flatMap((effect) =>
      effect.kind === "sendEntries" ? [`${effect.fromSeq}..${effect.throughSeq}`] : [],
    );

  it("are not sent again with what follows the first few that a silent copy was sent again", () => {
    const bench = readyPrimary();
    for (let i = 0; i < 40; i += 1) bench.step(WRITE);
    bench.nowMs += 300;
    expect(sent(bench.step({ kind: "tick", retainFromSeq: 0, pinFromSeq: 0 }))).toEqual(["2..17"]);
    const effects = bench.receive(B, 1, { kind: "replicateOk", confirmed: 16, globalCheckpoint: 0 });
    expect(sent(effects)).toEqual(["18..41"]);
  });

  it("are no more than the window, counted from where the copy says it is", () => {
    const bench = readyPrimary();
    for (let i = 0; i < 3; i += 1) writeAll(bench, SETTINGS.windowEntries / 2);
    const copies = [A, B, C].map((id) => ({ id, node: `node-${id}` as NodeId, zone: id }));
    bench.step({ kind: "map", map: map({ version: 2, recovering: [C], copies }) });
    const effects = bench.receive(C, 1, { kind: "mismatch", globalCheckpoint: 0, lastSeq: 0 });
    expect(sent(effects)).toEqual([`1..${SETTINGS.windowEntries}`]);
  });
});
