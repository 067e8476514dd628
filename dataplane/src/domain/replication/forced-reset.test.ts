import { describe, expect, it } from "vitest";
import type { HistoryId } from "../cluster-map.js";
import type { CopyEffect, MessageBody } from "./event.js";
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
  replicate,
} from "./testing/copy-bench.js";

const NEXT = "next" as HistoryId;

/** A replica of the old history that becomes the one copy of the new one. */
function reset(): { readonly bench: Bench; readonly effects: CopyEffect[] } {
  const bench = new Bench(emptyCopy(SHARD, A, HISTORY));
  bench.receive(B, 1, replicate(0, 0, [entry(1, 1), entry(2, 1)], 1));
  const effects = bench.step({
    kind: "map",
    map: map({ version: 5, term: 2, historyId: NEXT, primary: A, inSync: [A], recovering: [C] }),
  });
  return { bench, effects };
}

describe("a forced reset", () => {
  it("makes the named copy the first of the new history, in the same durable change as its activation", () => {
    const { bench, effects } = reset();
    const change = effects.find((effect) => effect.kind === "persist")?.change;
    expect(change).toMatchObject({ term: 2, activatedTerm: 2, historyId: NEXT });
    expect(change?.append?.map(({ seq }) => seq)).toEqual([3]);
    expect(bench.view).toMatchObject({ role: "primary", historyId: NEXT, lastSeq: 3 });
    expect(commits(effects)).toEqual([3]);
  });

  it("lets the copy lead on in its new history after a restart", () => {
    const durable = { ...emptyCopy(SHARD, A, NEXT), term: 2, activatedTerm: 2 };
    const bench = new Bench(durable);
    bench.step({ kind: "map", map: map({ version: 6, term: 3, historyId: NEXT, inSync: [A] }) });
    expect(bench.view).toMatchObject({ role: "primary", historyId: NEXT });
  });

  it("gives a copy of the old history a snapshot, though the log reaches back far enough", () => {
    const { bench } = reset();
    const effects = bench.receive(C, 2, { kind: "mismatch", globalCheckpoint: 0, lastSeq: 0 });
    expect(effects.some((effect) => effect.kind === "startSnapshot" && effect.to === C)).toBe(true);
    expect(effects.some((effect) => effect.kind === "sendEntries" && effect.message.to === C)).toBe(false);
  });

  it("counts no confirmation of the old history", () => {
    const bench = new Bench(emptyCopy(SHARD, A, HISTORY));
    bench.step({ kind: "map", map: map({ version: 5, term: 2, historyId: NEXT, inSync: [A, B] }) });
    bench.step(WRITE);
    const confirmed: MessageBody = { kind: "replicateOk", confirmed: 2, globalCheckpoint: 0 };
    expect(commits(bench.receive(B, 2, confirmed))).toEqual([]);
    const message = { shardUid: SHARD, historyId: NEXT, from: B, to: A, term: 2, body: confirmed };
    expect(commits(bench.step({ kind: "message", message }))).toEqual([2]);
  });

  it("leaves other copies in the history they have: a map alone changes nothing of their data", () => {
    const bench = new Bench(emptyCopy(SHARD, B, HISTORY));
    bench.receive(A, 1, replicate(0, 0, [entry(1, 1)], 1));
    bench.step({
      kind: "map",
      map: map({ version: 5, term: 2, historyId: NEXT, primary: A, inSync: [A], recovering: [B] }),
    });
    expect(bench.view).toMatchObject({ role: "replica", historyId: HISTORY, term: 2 });
    const message = {
      shardUid: SHARD,
      historyId: NEXT,
      from: A,
      to: B,
      term: 2,
      body: replicate(1, 1, [entry(2, 2)], 2),
    };
    expect(answers(bench.step({ kind: "message", message }))).toEqual([
      { kind: "mismatch", globalCheckpoint: 0, lastSeq: 0 },
    ]);
    expect(bench.view.lastSeq).toBe(1);
  });
});
