import { describe, expect, it } from "vitest";
import type { CopyEffect } from "./event.js";
import { emptyCopy } from "./shard-copy.js";
import { A, B, Bench, HISTORY, SHARD, WRITE, entry, readyPrimary, replicate } from "./testing/copy-bench.js";

function sent(effects: readonly CopyEffect[]): string[] {
  return effects.flatMap((effect) => {
    if (effect.kind === "sendEntries") return [`entries ${effect.fromSeq}..${effect.throughSeq}`];
    return effect.kind === "send" ? [effect.message.body.kind] : [];
  });
}

describe("a primary", () => {
  it("sends again what a silent copy has not confirmed", () => {
    const bench = readyPrimary();
    bench.step(WRITE);
    bench.nowMs += 300;
    expect(sent(bench.step({ kind: "tick", retainFromSeq: 0, pinFromSeq: 0 }))).toEqual(["entries 2..2"]);
  });

  it("gives a sign of life after half of the timeout, and not before", () => {
    const bench = readyPrimary();
    bench.receive(B, 1, { kind: "replicateOk", confirmed: 1, globalCheckpoint: 1 });
    bench.nowMs += 300;
    expect(sent(bench.step({ kind: "tick", retainFromSeq: 0, pinFromSeq: 0 }))).toEqual([]);
    bench.nowMs += 300;
    expect(sent(bench.step({ kind: "tick", retainFromSeq: 0, pinFromSeq: 0 }))).toEqual(["replicate"]);
  });
});

describe("a replica", () => {
  function replica(): Bench {
    const bench = new Bench(emptyCopy(SHARD, B, HISTORY));
    bench.receive(A, 1, replicate(0, 0, [entry(1, 1), entry(2, 1), entry(3, 1)], 2));
    return bench;
  }

  it("puts on disk how far its log is committed, with the entries that came along and alone", () => {
    const bench = replica();
    const [alone] = bench.receive(A, 1, replicate(3, 1, [], 3));
    expect(alone).toMatchObject({ kind: "persist", vital: false, change: { globalCheckpoint: 3 } });
    const [along] = bench.receive(A, 1, replicate(3, 1, [entry(4, 1)], 4));
    expect(along).toMatchObject({ kind: "persist", vital: true, change: { globalCheckpoint: 4 } });
  });

  it("trims its log on disk, up to its checkpoint", () => {
    const effects = replica().step({ kind: "tick", retainFromSeq: 100, pinFromSeq: 0 });
    expect(effects).toMatchObject([{ kind: "persist", change: { trimThrough: { seq: 2, term: 1 } } }]);
  });

  it("is neither ready nor draining", () => {
    expect(replica().view).toMatchObject({ role: "replica", ready: false, draining: false });
  });
});
