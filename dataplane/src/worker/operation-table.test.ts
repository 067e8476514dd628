import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ShardStore } from "../adapters/lmdb/shard-store.js";
import type { LogEntry } from "../domain/replication/log-entry.js";
import { OPERATION_WINDOW_MS, OperationTable } from "./operation-table.js";

const START_MS = 1_800_000_000_000;
const MOST = 200_000;

let directory: string;
let store: ShardStore;
let slot: number;
let table: OperationTable;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "prism-operations-"));
  const options = { sync: false, onDiskFull: () => undefined, onFailure: () => undefined };
  store = new ShardStore(directory, options);
  slot = store.newSlot();
  store.claimSlot(slot);
  table = new OperationTable(store, slot);
});

afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

function entry(seq: number, timeMs: number): LogEntry {
  const body = { kind: "delete", id: "b1" } as const;
  return { seq, term: 1, operationId: `op-${seq}`, body, result: "deleted", timeMs };
}

test("operations leave by the log's own time", () => {
  table.apply(entry(1, START_MS));
  table.apply(entry(2, START_MS + 1));
  expect(table.sinceMs).toBe(0);
  table.apply(entry(3, START_MS + OPERATION_WINDOW_MS + 1));
  expect(["op-1", "op-2", "op-3"].map((id) => table.has(id))).toEqual([false, true, true]);
});

test("when there are more than it remembers, it tells since when it knows them all", () => {
  for (let seq = 1; seq <= MOST + 5; seq += 1) table.apply(entry(seq, START_MS + seq));
  expect(table.size).toBe(MOST);
  expect([table.has("op-5"), table.has("op-6")]).toEqual([false, true]);
  expect(table.sinceMs).toBe(START_MS + 6);
});

test("what the disk has is what memory has, run by run, also when the oldest run has left in part", async () => {
  for (let seq = 1; seq <= 12; seq += 1) {
    table.apply(entry(seq, seq < 7 ? START_MS : START_MS + 1000));
    if (seq % 4 === 0) table.put();
  }
  await store.durable();
  expect(stored()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  table.apply(entry(13, START_MS + OPERATION_WINDOW_MS + 500));
  table.put();
  expect(["op-6", "op-7", "op-13"].map((id) => table.find(id)?.seq)).toEqual([undefined, 7, 13]);
  await store.durable();
  table.durable(13);
  expect(stored()).toEqual([7, 8, 9, 10, 11, 12, 13]);
  expect(table.find("op-7")).toMatchObject({ seq: 7, result: "deleted", term: 1 });
  const again = new OperationTable(store, slot);
  again.load(slot);
  expect(again.size).toBe(7);
  expect(["op-6", "op-8", "op-13"].map((id) => again.find(id)?.seq)).toEqual([undefined, 8, 13]);
  table.apply(entry(14, START_MS + 3 * OPERATION_WINDOW_MS));
  table.put();
  await store.durable();
  expect(stored()).toEqual([14]);
});

test("a record is found before it is put, before it is on disk, and after", async () => {
  table.apply(entry(1, START_MS));
  expect(table.find("op-1")).toMatchObject({ seq: 1 });
  table.put();
  expect(table.find("op-1")).toMatchObject({ seq: 1 });
  table.apply(entry(2, START_MS));
  expect([table.find("op-1")?.seq, table.find("op-2")?.seq]).toEqual([1, 2]);
  table.put();
  await store.durable();
  table.durable(1);
  table.durable(2);
  expect([table.find("op-1")?.seq, table.find("op-2")?.seq, table.find("op-3")]).toEqual([1, 2, undefined]);
});

function stored(): number[] {
  return [...store.operations(slot, 0)].map(({ seq }) => seq);
}
