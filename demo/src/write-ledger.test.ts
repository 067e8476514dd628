import { describe, expect, test } from "vitest";
import { WriteLedger } from "./write-ledger.js";

function ledgerOf(...writes: readonly (readonly [id: string, value: number, shard: number, atMs: number])[]) {
  const ledger = new WriteLedger();
  for (const [id, value, shard, atMs] of writes) {
    ledger.ask(id, value);
    ledger.acknowledge({ id, value, shard, atMs });
  }
  return ledger;
}

describe("WriteLedger", () => {
  test("finds every acknowledged write kept that has its last value", () => {
    const ledger = ledgerOf(["a", 1, 0, 10], ["b", 2, 1, 20], ["a", 3, 0, 30]);
    const verdict = ledger.check(
      new Map([
        ["a", 3],
        ["b", 2],
      ]),
    );
    expect(verdict).toEqual({ acknowledgedIds: 2, kept: 2, lost: [], unansweredFound: 0 });
  });

  test("counts a missing document and an older value as lost", () => {
    const ledger = ledgerOf(["a", 1, 0, 10], ["a", 2, 0, 20], ["b", 3, 0, 30]);
    const verdict = ledger.check(new Map([["a", 1]]));
    expect(verdict.lost).toEqual(["a", "b"]);
    expect(verdict.kept).toBe(0);
  });

  test("takes a write without an answer as found or not, but no other value", () => {
    const ledger = ledgerOf(["a", 1, 0, 10]);
    ledger.ask("a", 2);
    ledger.ask("new", 3);
    ledger.noteFailure();
    const check = (a: number | undefined, fresh: number | undefined) =>
      ledger.check(
        new Map([
          ["a", a],
          ["new", fresh],
        ]),
      );
    expect(check(1, undefined).lost).toEqual([]);
    expect(check(2, 3)).toMatchObject({ lost: [], unansweredFound: 1 });
    expect(check(undefined, undefined).lost).toEqual(["a"]);
    expect(check(7, undefined).lost).toEqual(["a"]);
    expect(ledger.failed).toBe(1);
  });

  test("measures each shard's longest pauses that ended before and after the event", () => {
    const ledger = ledgerOf(
      ["a", 1, 0, 0],
      ["b", 1, 1, 5],
      ["c", 1, 0, 900],
      ["d", 1, 0, 1000],
      ["e", 1, 1, 1400],
      ["f", 1, 0, 1010],
    );
    expect(ledger.pausesAround(950)).toEqual([
      { shard: 0, longestBeforeMs: 900, longestAfterMs: 100 },
      { shard: 1, longestBeforeMs: 0, longestAfterMs: 1395 },
    ]);
    expect(ledger.countByShardAfter(1005)).toEqual(
      new Map([
        [0, 1],
        [1, 1],
      ]),
    );
  });
});
