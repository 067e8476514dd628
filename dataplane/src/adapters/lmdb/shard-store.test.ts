import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  decodeDocument,
  decodeEntries,
  decodeOperations,
  encodeDocument,
  encodeEntries,
  encodeOperations,
  DamagedValueError,
} from "./entry-codec.js";
import type { ShardRecord } from "./shard-record.js";
import { ShardStore } from "./shard-store.js";
import { idKey, numberKey } from "./store-key.js";
import type { LogEntry } from "../../domain/replication/log-entry.js";

let directory: string;
let open: ShardStore[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "prism-store-"));
  open = [];
});

afterEach(async () => {
  for (const store of open) await store.close();
  rmSync(directory, { recursive: true, force: true });
});

function openStore(name = "0"): ShardStore {
  const store = new ShardStore(join(directory, name), {
    sync: true,
    onDiskFull: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
  open.push(store);
  return store;
}

const entry = (seq: number): LogEntry => ({
  seq,
  term: 3,
  operationId: `op-${seq}`,
  body: { kind: "index", id: `b${seq}`, record: Buffer.of(1, 2, seq & 255) },
  result: "created",
  timeMs: 1_800_000_000_000 + seq,
});

const record = (change: Partial<ShardRecord>): ShardRecord => ({
  shardUid: "s1",
  collectionUid: "c1",
  allocationId: "a1",
  identityVersion: 1,
  historyId: "h1",
  term: 1,
  activatedTerm: 1,
  baseSeq: 0,
  baseTerm: 0,
  lastSeq: 10,
  globalCheckpoint: 5,
  appliedSeq: 5,
  nextDoc: 1,
  slot: 1,
  ...change,
});

test("entries, documents and operations come back as they were, and one flipped bit is noticed", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 20 });
  const bytes = fc.uint8Array({ maxLength: 40 });
  const number = fc.maxSafeNat();
  fc.assert(
    fc.property(text, text, bytes, number, number, fc.nat(), (id, operationId, data, seq, term, flip) => {
      const written: LogEntry = {
        seq,
        term,
        operationId,
        body: { kind: "index", id, record: Buffer.from(data) },
        result: "updated",
        timeMs: term,
      };
      const next = { ...written, seq: seq + 1, body: { kind: "noop" } } as const;
      const { bytes: value, ends } = encodeEntries([written, next]);
      const read = decodeEntries(value);
      expect(read).toMatchObject([written, next]);
      expect(read.map(({ stored }) => stored!.length)).toEqual([ends[0]!, ends[1]! - ends[0]!]);
      expect(encodeEntries(read).bytes).toEqual(value);
      const document = { id, seq, term, record: Buffer.from(data) };
      expect(decodeDocument(encodeDocument(document), 1)).toEqual(document);
      const asWritten = Buffer.from(read[0]!.stored!);
      expect(decodeDocument(asWritten, 1)).toEqual(document);
      asWritten[flip % asWritten.length]! ^= 1 << (flip & 7);
      expect(() => decodeDocument(asWritten, 1)).toThrow(DamagedValueError);
      // Whole and undamaged, and no document: the key that led to it was another's.
      expect(() => decodeDocument(read[1]!.stored!, 1)).toThrow(DamagedValueError);
      const operation = { operationId, seq, term, result: "deleted", timeMs: seq } as const;
      const operations = [operation, { ...operation, seq: seq + 9 }];
      expect(decodeOperations(encodeOperations(operations))).toEqual(operations);
      value[flip % value.length]! ^= 1 << (flip & 7);
      expect(() => decodeEntries(value)).toThrow(DamagedValueError);
    }),
  );
});

test("a run of entries with a gap, or cut off, is as good as damaged", () => {
  expect(() => decodeEntries(encodeEntries([entry(4), entry(6)]).bytes)).toThrow(DamagedValueError);
  const { bytes, ends } = encodeEntries([entry(4), entry(5)]);
  const cuts = Array.from({ length: bytes.length - 1 }, (_, i) => i + 1).filter((end) => end !== ends[0]);
  for (const end of cuts) expect(() => decodeEntries(bytes.subarray(0, end))).toThrow(DamagedValueError);
  const operations = encodeOperations([{ operationId: "op", seq: 1, term: 1, result: "created", timeMs: 1 }]);
  expect(() => decodeOperations(operations.subarray(0, 20))).toThrow(DamagedValueError);
});

test("what was durable is there after reopening, in order, and slots keep apart", async () => {
  const store = openStore();
  const [one, two] = [store.newSlot(), store.newSlot()];
  for (const slot of [one, two]) store.claimSlot(slot);
  const put = (slot: number, ...seqs: number[]): void =>
    store.put("log", numberKey(slot, seqs.at(-1)!), encodeEntries(seqs.map(entry)).bytes);
  put(one, 2, 3);
  put(one, 1);
  put(one, 300);
  put(two, 6, 7);
  store.putRecord(record({ slot: one }));
  await store.durable();
  await store.close();
  open = [];
  const again = openStore();
  expect([...again.entryRuns(one, 2)].map((run) => run.lastSeq)).toEqual([3, 300]);
  expect([...again.entryRuns(two, 0)].map((run) => decodeEntries(run.bytes).length)).toEqual([2]);
  expect(again.entry(two, 6)).toMatchObject(entry(6));
  expect(again.entry(one, 4)).toBeUndefined();
  expect(again.records()).toEqual([record({ slot: one })]);
});

test("a copy of the directory taken at any moment holds a whole transaction or none of it", async () => {
  const store = openStore();
  const slot = store.newSlot();
  store.claimSlot(slot);
  await store.durable();
  // Each transaction: 40 entries of 30 kB and the record that counts them.
  for (let round = 1; round <= 10; round += 1) {
    const lastSeq = round * 40;
    for (let seq = lastSeq - 39; seq <= lastSeq; seq += 1) {
      const large: LogEntry = {
        ...entry(seq),
        body: { kind: "index", id: "b", record: Buffer.alloc(30_000, seq) },
      };
      store.put("log", numberKey(slot, seq), encodeEntries([large]).bytes);
    }
    store.putRecord(record({ slot, lastSeq }));
    const committed = store.durable();
    if (round === 5) await committed;
  }
  cpSync(join(directory, "0"), join(directory, "crashed"), { recursive: true });
  const crashed = openStore("crashed");
  const { lastSeq } = crashed.records()[0]!;
  const runs = [...crashed.entryRuns(slot, 1)];
  expect(lastSeq).toBeGreaterThanOrEqual(200);
  expect(runs.map((run) => run.lastSeq)).toEqual(Array.from({ length: lastSeq }, (_, i) => i + 1));
});

test("a slot that nothing claimed is empty after a restart, and so is a dropped one", async () => {
  const store = openStore();
  const [kept, filling, dropped] = [store.newSlot(), store.newSlot(), store.newSlot()];
  store.claimSlot(kept);
  store.claimSlot(dropped);
  for (const slot of [kept, filling, dropped]) {
    for (let i = 0; i < 3000; i += 1) store.put("ids", idKey(slot, `b${i}`), Buffer.alloc(4));
  }
  await store.durable();
  store.dropSlot(dropped);
  expect([...store.ids(filling, "")].length).toBe(3000);
  await store.close();
  open = [];
  const again = openStore();
  const count = (slot: number): number => [...again.ids(slot, "")].length;
  for (let turns = 0; turns < 20 && count(filling) + count(dropped) > 0; turns += 1) await again.durable();
  expect([count(kept), count(filling), count(dropped)]).toEqual([3000, 0, 0]);
  expect(again.newSlot()).toBeGreaterThan(dropped);
});

test("callbacks come in order, after what was added before them", async () => {
  const store = openStore();
  const slot = store.newSlot();
  const seen: string[] = [];
  for (const name of ["a", "b", "c"]) {
    store.put("ids", idKey(slot, name), Buffer.from([1, 0, 0, 0]));
    store.onDurable(() => seen.push(`${name}:${store.docOfId(slot, name)}`));
  }
  await store.durable();
  expect(seen).toEqual(["a:1", "b:1", "c:1"]);
});

test("a record that says more is applied than committed is never written", () => {
  const store = openStore();
  expect(() => store.putRecord(record({ appliedSeq: 6, globalCheckpoint: 5 }))).toThrow(
    "AppliedBelowCheckpoint",
  );
  expect(() => store.putRecord(record({ globalCheckpoint: 11 }))).toThrow("AppliedBelowCheckpoint");
});

test("a snapshot shows one moment however the store goes on", async () => {
  const store = openStore();
  const slot = store.newSlot();
  store.claimSlot(slot);
  store.putRecord(record({ slot, appliedSeq: 1 }));
  store.put("ids", idKey(slot, "a"), Buffer.from([1, 0, 0, 0]));
  await store.durable();
  const snapshot = store.snapshot();
  store.putRecord(record({ slot, appliedSeq: 2 }));
  store.put("ids", idKey(slot, "b"), Buffer.from([2, 0, 0, 0]));
  await store.durable();
  expect(store.record("s1", snapshot)?.appliedSeq).toBe(1);
  expect([...store.ids(slot, "", snapshot)]).toEqual([{ id: "a", doc: 1 }]);
  expect([...store.ids(slot, "")].length).toBe(2);
  snapshot.done();
});

test("what nobody waits for goes along with the next commit, or comes alone after a while", async () => {
  const store = openStore();
  const seen: string[] = [];
  store.putRecordLater(record({ shardUid: "later" }));
  store.onDurableLater(() => seen.push("later"));
  store.putRecord(record({ shardUid: "soon" }));
  store.onDurable(() => seen.push("soon"));
  await store.durable();
  expect([seen, store.records().map(({ shardUid }) => shardUid)]).toEqual([
    ["later", "soon"],
    ["later", "soon"],
  ]);
  const startMs = performance.now();
  await new Promise<void>((resolve) => {
    store.putRecordLater(record({ shardUid: "alone" }));
    store.onDurableLater(resolve);
  });
  expect(performance.now() - startMs).toBeGreaterThan(450);
  expect(store.record("alone")).toBeDefined();
});

test("what nobody waits for is on disk when a store is closed", async () => {
  const store = openStore();
  store.putRecordLater(record({ lastSeq: 99 }));
  await store.close();
  open.splice(0);
  expect(openStore().record("s1")).toMatchObject({ lastSeq: 99 });
});
