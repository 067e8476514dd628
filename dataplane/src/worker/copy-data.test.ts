import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DamagedValueError } from "../adapters/lmdb/entry-codec.js";
import { ShardStore } from "../adapters/lmdb/shard-store.js";
import { numberKey } from "../adapters/lmdb/store-key.js";
import type { LogEntry } from "../domain/replication/log-entry.js";
import { CopyData } from "./copy-data.js";

let directory: string;
let store: ShardStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "prism-copy-"));
  const options = { sync: false, onDiskFull: () => undefined, onFailure: () => undefined };
  store = new ShardStore(directory, options);
});

afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

function entry(seq: number): LogEntry {
  const body = { kind: "index", id: `b${seq}`, record: Buffer.of(2, 0, 0, 0, 123, 125) } as const;
  return { seq, term: 1, operationId: `op-${seq}`, body, result: "created", timeMs: seq };
}

function apply(data: CopyData, entries: number): void {
  for (let applied = 0; applied < entries; applied += 1) data.applyNext();
}

function stored(slot: number): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { id, doc } of store.ids(slot, "")) found[id] = store.document(slot, doc)!.seq;
  return found;
}

function create(): CopyData {
  const identity = { shardUid: "s1", collectionUid: "c1", allocationId: "a1", historyId: "h1" };
  return CopyData.create(store, { ...identity, identityVersion: 1 }, DEFAULT_LIMITS);
}

test("an entry that is replaced takes its operation and its version of the document along", () => {
  const data = create();
  const replaced: LogEntry = { ...entry(3), body: { kind: "delete", id: "b2" }, operationId: "op-3" };
  data.persist({ append: [entry(1), entry(2), replaced], globalCheckpoint: 1 }, undefined);
  expect([data.current("b2"), data.knows("op-3")]).toEqual([undefined, true]);
  data.persist({ truncateAfter: 2, append: [{ ...entry(3), term: 2, operationId: "op-4" }] }, undefined);
  expect(data.current("b2")).toMatchObject({ version: "1.2" });
  expect([data.knows("op-3"), data.findPending("op-4")]).toEqual([false, 3]);
});

test("what was applied is read before it is on disk, whatever became durable meanwhile", () => {
  const data = create();
  data.persist({ append: [1, 2].map(entry), globalCheckpoint: 2 }, undefined);
  apply(data, 1);
  data.flush();
  apply(data, 1);
  data.documents.durable(1);
  expect(data.documents.get("b2")).toMatchObject({ seq: 2 });
  expect(data.findDone("op-2")).toMatchObject({ seq: 2 });
});

test("what is committed and not applied yet stays in the log, however far it is to be trimmed", async () => {
  const data = create();
  data.persist({ append: [1, 2, 3, 4, 5].map(entry), globalCheckpoint: 5 }, undefined);
  apply(data, 2);
  data.flush();
  data.persist({ trimThrough: { seq: 5, term: 1 } }, undefined);
  expect(data.record).toMatchObject({ baseSeq: 2, baseTerm: 1, appliedSeq: 2, lastSeq: 5 });
  await store.durable();
  const again = new CopyData(store, store.records()[0]!, DEFAULT_LIMITS);
  expect(again.load()).toMatchObject({ baseSeq: 2, lastSeq: 5, globalCheckpoint: 5 });
  apply(again, 3);
  expect(again.documents.get("b5")).toMatchObject({ seq: 5 });
});

test("a document that is not under its number in the store is damage, and not absent", async () => {
  const data = create();
  data.persist({ append: [1, 2].map(entry), globalCheckpoint: 2 }, undefined);
  apply(data, 2);
  data.flush();
  await store.durable();
  data.documents.durable(2);
  // As when the key of one was damaged: the B-tree finds nothing, or another one's value.
  const { doc } = data.documents.get("b1")!;
  store.remove("documents", numberKey(data.record.slot, doc));
  await store.durable();
  expect(() => data.documents.get("b1")).toThrow(DamagedValueError);
  expect(data.documents.get("b2")).toMatchObject({ seq: 2 });
  expect(data.documents.get("never written")).toBeUndefined();
});

test("what is applied goes to disk when it is much or has waited, and is applied again by a restart before that", async () => {
  const data = create();
  data.persist({ append: [1, 2, 3].map(entry), globalCheckpoint: 3 }, undefined);
  apply(data, 2);
  data.applied(5000);
  data.flushIfDue(5999);
  await store.durable();
  expect([data.appliedSeq, data.durableSeq, store.records()[0]!.appliedSeq]).toEqual([2, 0, 0]);
  expect(stored(data.record.slot)).toEqual({});
  const again = new CopyData(store, store.records()[0]!, DEFAULT_LIMITS);
  again.load();
  apply(again, 2);
  expect(again.documents.get("b2")).toEqual(data.documents.get("b2"));
  data.flushIfDue(6000);
  await store.durable();
  expect([data.durableSeq, store.records()[0]!.appliedSeq]).toEqual([2, 2]);
  expect(stored(data.record.slot)).toEqual({ b1: 1, b2: 2 });
});

test("two thousand entries, or two megabytes of documents, do not wait", async () => {
  const data = create();
  const large = { kind: "index", id: "large", record: Buffer.alloc(2 * 1024 * 1024) } as const;
  const entries = Array.from({ length: 2000 }, (_, i) => entry(i + 1));
  data.persist({ append: [...entries, { ...entry(2001), body: large }], globalCheckpoint: 2001 }, undefined);
  apply(data, 1999);
  data.applied(0);
  expect(data.record.appliedSeq).toBe(0);
  apply(data, 1);
  data.applied(0);
  expect(data.record.appliedSeq).toBe(2000);
  apply(data, 1);
  data.applied(0);
  expect(data.record.appliedSeq).toBe(2001);
  await store.durable();
});

test("the store has the last version of each document, however changes and flushes follow each other", async () => {
  const change = fc.record({
    id: fc.constantFrom("a", "b", "c"),
    action: fc.constantFrom("index", "delete", "flush", "durable"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 30 }), async (changes) => {
      const data = create();
      const wanted: Record<string, number> = {};
      const seen: boolean[] = [];
      let seq = 0;
      for (const { id, action } of changes) {
        if (action === "flush") data.flush();
        else if (action === "durable") await store.durable();
        else {
          seq += 1;
          const body = action === "index" ? { ...entry(seq).body, id } : { kind: "delete", id };
          data.persist({ append: [{ ...entry(seq), body } as LogEntry], globalCheckpoint: seq }, undefined);
          apply(data, 1);
          if (action === "index") wanted[id] = seq;
          else delete wanted[id];
          seen.push(data.documents.get(id)?.seq === wanted[id]);
        }
      }
      expect(seen).not.toContain(false);
      data.flush();
      await store.durable();
      expect(stored(data.record.slot)).toEqual(wanted);
      expect([...store.documentNumbers(data.record.slot)]).toHaveLength(Object.keys(wanted).length);
      expect([...store.operations(data.record.slot, 0)].map((one) => one.seq)).toEqual(
        Array.from({ length: seq }, (_, i) => i + 1),
      );
      data.remove();
    }),
    { numRuns: 60 },
  );
});
