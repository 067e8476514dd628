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
let table: OperationTable;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "prism-operations-"));
  const options = { sync: false, onDiskFull: () => undefined, onFailure: () => undefined };
  store = new ShardStore(directory, options);
  const slot = store.newSlot();
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
