import { describe, expect, it } from "vitest";
import type { CopyEffect } from "./event.js";
import { B, readyPrimary, SETTINGS, type Bench } from "./testing/copy-bench.js";

/** One operation with a document of so many bytes. */
function write(bench: Bench, bytes: number): CopyEffect[] {
  const body = { kind: "index", id: "d", record: new Uint8Array(bytes) } as const;
  const operationId = `w${bench.view.lastSeq}`;
  return bench.step({ kind: "write", entries: [{ operationId, body, result: "updated" }] });
}

function sent(effects: readonly CopyEffect[]): string[] {
  return effects.flatMap((effect) =>
    effect.kind === "sendEntries" ? [`${effect.fromSeq}-${effect.throughSeq}`] : [],
  );
}

function confirm(bench: Bench, confirmed: number): CopyEffect[] {
  return bench.receive(B, 1, { kind: "replicateOk", confirmed, globalCheckpoint: 1 });
}

describe("what was sent and not confirmed", () => {
  it("is bounded in bytes, and goes on with each confirmation", () => {
    const bench = readyPrimary();
    const bytes = SETTINGS.windowBytes * 0.4;
    expect([1, 2, 3, 4, 5].map(() => sent(write(bench, bytes)))).toEqual([["2-2"], ["3-3"], [], [], []]);
    expect(sent(confirm(bench, 2))).toEqual(["4-4"]);
    expect(sent(confirm(bench, 4))).toEqual(["5-6"]);
    expect(sent(confirm(bench, 6))).toEqual([]);
    expect(bench.view.globalCheckpoint).toBe(6);
  });

  it("may be one entry that is larger than the bound", () => {
    const bench = readyPrimary();
    const bytes = SETTINGS.windowBytes * 3;
    expect([1, 2].map(() => sent(write(bench, bytes)))).toEqual([["2-2"], []]);
    expect(sent(confirm(bench, 2))).toEqual(["3-3"]);
  });

  it("is bounded in entries when they are small", () => {
    const bench = readyPrimary();
    const entries = Array.from({ length: SETTINGS.windowEntries - 1 }, () => sent(write(bench, 1)));
    expect(entries.every((one) => one.length === 1)).toBe(true);
    expect(bench.copy.canWrite()).toBeUndefined();
    expect(sent(write(bench, 1))).toHaveLength(1);
    expect(bench.copy.canWrite()).toBe("tooManyPending");
    expect(sent(write(bench, 1))).toEqual([]);
  });
});
