import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { decodeEntries } from "../adapters/lmdb/entry-codec.js";
import { ShardStore } from "../adapters/lmdb/shard-store.js";
import { numberKey } from "../adapters/lmdb/store-key.js";
import type { LogEntry } from "../domain/replication/log-entry.js";
import { EntryLog } from "./entry-log.js";

const KiB = 1024;

let directory: string;
let store: ShardStore;
let slot: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "prism-log-"));
  const options = { sync: false, onDiskFull: () => undefined, onFailure: () => undefined };
  store = new ShardStore(directory, options);
  slot = store.newSlot();
  store.claimSlot(slot);
});

afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

function entry(seq: number, bytes = 10, term = 1): LogEntry {
  const body = { kind: "index", id: `b${seq}`, record: Buffer.alloc(bytes, seq) } as const;
  return { seq, term, operationId: `op-${seq}-${term}`, body, result: "created", timeMs: seq };
}

function entries(from: number, through: number, bytes = 10, term = 1): LogEntry[] {
  return Array.from({ length: through - from + 1 }, (_, i) => entry(from + i, bytes, term));
}

function open(baseSeq = 0, appliedSeq = baseSeq): EntryLog {
  return new EntryLog(store, slot, baseSeq, appliedSeq, DEFAULT_LIMITS);
}

function keys(): number[] {
  return [...store.entryRuns(slot, 0)].map(({ lastSeq }) => lastSeq);
}

function seqsAndTerms(log: EntryLog, from: number, through: number): string[] {
  return decodeEntries(log.stored(from, through)).map(({ seq, term }) => `${seq}.${term}`);
}

describe("an entry log", () => {
  test("stores what is appended together as one value, cut where it grows large", async () => {
    const log = open();
    log.append(entries(1, 5));
    log.append(entries(6, 10, 10 * KiB));
    await store.durable();
    expect(keys()).toEqual([5, 8, 10]);
    const again = open();
    again.load(10);
    for (let seq = 1; seq <= 10; seq += 1)
      expect(again.get(seq)).toMatchObject(entry(seq, seq > 5 ? 10 * KiB : 10));
  });

  test("sends what was appended together as one piece, whatever runs it is stored in", async () => {
    const log = open();
    const appended = entries(1, 100, KiB);
    log.append(appended);
    await store.durable();
    expect(keys().length).toBeGreaterThan(3);
    const sent = log.stored(1, 100);
    expect(decodeEntries(sent)).toMatchObject(appended);
    expect(log.stored(20, 80).buffer).toBe(sent.buffer);
    const other = open(0);
    other.append(decodeEntries(sent));
    expect(other.stored(1, 100).buffer).toBe(sent.buffer);
  });

  test("has applied entries as bytes alone, and tells a primary what is pending when it asks", () => {
    const log = open();
    log.append(entries(1, 6));
    log.applied(2);
    log.append(entries(7, 9));
    expect([log.pendingOf("b2"), log.seqOfOperation("op-2-1")]).toEqual([undefined, undefined]);
    expect(["b3", "b7"].map((id) => log.pendingOf(id)?.seq)).toEqual([3, 7]);
    log.append(entries(10, 10));
    log.applied(9);
    expect(["b3", "b9", "b10"].map((id) => log.pendingOf(id)?.seq)).toEqual([undefined, undefined, 10]);
    expect(log.get(2)).toMatchObject(entry(2));
    expect(seqsAndTerms(log, 1, 10)).toHaveLength(10);
    log.truncateAfter(9);
    expect([log.pendingOf("b10"), log.seqOfOperation("op-10-1")]).toEqual([undefined, undefined]);
  });

  test("hands on the bytes that entries came with, and stores those", async () => {
    const log = open();
    log.append(entries(1, 6));
    const sent = log.stored(2, 5);
    expect(decodeEntries(sent)).toMatchObject(entries(2, 5));
    const received = decodeEntries(sent);
    const other = open(1);
    other.append(received.slice(1));
    expect(other.stored(3, 4).buffer).toBe(sent.buffer);
    expect(other.stored(3, 5)).toEqual(log.stored(3, 5));
  });

  test("keeps the start of a run of which the rest is replaced", async () => {
    const log = open(0, 0);
    log.append(entries(1, 4));
    log.append(entries(5, 9));
    log.truncateAfter(6);
    expect(log.pendingOf("b7")).toBeUndefined();
    expect(log.seqOfOperation("op-6-1")).toBe(6);
    log.append(entries(7, 8, 10, 2));
    await store.durable();
    expect(keys()).toEqual([4, 6, 8]);
    const again = open();
    expect(again.load(8).termSpans).toEqual([
      { fromSeq: 1, term: 1 },
      { fromSeq: 7, term: 2 },
    ]);
    expect(seqsAndTerms(again, 5, 8)).toEqual(["5.1", "6.1", "7.2", "8.2"]);
  });

  test("drops runs that lie below the trimmed part whole, and starts in the middle of one", async () => {
    const log = open();
    log.append(entries(1, 4));
    log.append(entries(5, 9));
    log.applied(9);
    log.trimThrough(6);
    await store.durable();
    expect(keys()).toEqual([9]);
    expect(() => log.get(4)).toThrow("missing");
    const again = open(6, 9);
    expect(again.load(9).termSpans).toEqual([{ fromSeq: 7, term: 1 }]);
    expect(again.bytesOf(6)).toBe(0);
    expect(again.bytesOf(7)).toBe(log.bytesOf(7));
    again.trimThrough(9);
    await store.durable();
    expect(keys()).toEqual([]);
  });

  test("reads from the store what memory has let go, and keeps what is not applied", async () => {
    const log = open();
    for (let seq = 1; seq <= 100; seq += 1) log.append([entry(seq, 100 * KiB)]);
    log.applied(80);
    await store.durable();
    for (const seq of [1, 40, 39, 81, 100])
      expect(log.get(seq)).toMatchObject({ seq, operationId: `op-${seq}-1` });
    expect(seqsAndTerms(log, 1, 3)).toEqual(["1.1", "2.1", "3.1"]);
    expect(log.pendingOf("b81")).toMatchObject({ seq: 81 });
    expect(log.pendingOf("b80")).toBeUndefined();
    log.truncateAfter(85);
    expect(log.lastSeq).toBe(85);
    expect(() => log.truncateAfter(2)).toThrow("applied");
  });

  test("does not take a run under another one's key, or one that is missing, for its log", async () => {
    const log = open();
    log.append(entries(1, 4));
    log.append(entries(5, 6));
    log.append(entries(7, 9));
    await store.durable();
    store.put("log", numberKey(slot, 4), Buffer.from(log.stored(1, 3)));
    await store.durable();
    expect(() => open().load(9)).toThrow("the log ends at 0");
    store.remove("log", numberKey(slot, 6));
    await store.durable();
    expect(() => open(4).load(9)).toThrow("the log ends at 4");
  });
});
