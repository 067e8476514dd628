import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_LIMITS } from "@prism/api/limits";
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
  for (let applied = 0; applied < 2; applied += 1) data.applyNext();
  data.documents.durable(1);
  expect(data.documents.get("b2")).toMatchObject({ seq: 2 });
  expect(data.findDone("op-2")).toMatchObject({ seq: 2 });
});

test("what is committed and not applied yet stays in the log, however far it is to be trimmed", async () => {
  const data = create();
  data.persist({ append: [1, 2, 3, 4, 5].map(entry), globalCheckpoint: 5 }, undefined);
  for (let applied = 0; applied < 2; applied += 1) data.applyNext();
  data.putApplied();
  data.persist({ trimThrough: { seq: 5, term: 1 } }, undefined);
  expect(data.record).toMatchObject({ baseSeq: 2, baseTerm: 1, appliedSeq: 2, lastSeq: 5 });
  await store.durable();
  const again = new CopyData(store, store.records()[0]!, DEFAULT_LIMITS);
  expect(again.load()).toMatchObject({ baseSeq: 2, lastSeq: 5, globalCheckpoint: 5 });
  for (let applied = 2; applied < 5; applied += 1) again.applyNext();
  expect(again.documents.get("b5")).toMatchObject({ seq: 5 });
});

test("a document that is not under its number in the store is damage, and not absent", async () => {
  const data = create();
  data.persist({ append: [1, 2].map(entry), globalCheckpoint: 2 }, undefined);
  for (let applied = 0; applied < 2; applied += 1) data.applyNext();
  data.putApplied();
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
