import { cpSync } from "node:fs";
import { join } from "node:path";
import { ReadLevelKind, ShardCall } from "@prism/proto/frame-kind";
import { GetRequest } from "@prism/proto/gen/node";
import { open as openLmdb, type RootDatabaseOptionsWithPath } from "lmdb";
import { afterEach, describe, expect, test, vi } from "vitest";
import { decodeEntries } from "../adapters/lmdb/entry-codec.js";
import { ShardStore } from "../adapters/lmdb/shard-store.js";
import { numberKey } from "../adapters/lmdb/store-key.js";
import type { AllocationId, ClusterMap, CopyPlace, NodeId, ShardMap } from "../domain/cluster-map.js";
import { makeUuidV7 } from "../domain/uuid.js";
import { CallFailed, clusterMap, SPEC, until, WorkerHarness } from "./testing/worker-harness.js";

const open: WorkerHarness[] = [];

function start(options: ConstructorParameters<typeof WorkerHarness>[0] = {}): WorkerHarness {
  const harness = new WorkerHarness(options);
  open.push(harness);
  return harness;
}

/** A worker whose shard has one copy, which is its primary. */
async function startPrimary(
  options: ConstructorParameters<typeof WorkerHarness>[0] = {},
): Promise<WorkerHarness> {
  const harness = start(options);
  harness.applyMap(clusterMap(1));
  await until("primary", () => harness.report()?.role === "primary");
  return harness;
}

afterEach(async () => {
  for (const harness of open) await harness.closed();
  for (const harness of open.splice(0)) harness.remove();
});

const BOOK = {
  title: "The war of the worlds",
  year: 1898,
  genre: "novel",
  embedding: [0.6, 0.8],
  pages: 287,
};

async function restart(harness: WorkerHarness, term: number): Promise<WorkerHarness> {
  await harness.closed();
  open.splice(open.indexOf(harness), 1);
  const again = start({ directory: harness.directory });
  again.applyMap(clusterMap(1, { shard: { term, version: term, bootstrap: "" } }));
  await until("primary again", () => again.report()?.role === "primary");
  return again;
}

test("a written document is found at once by id, text, vector and filter", async () => {
  const worker = await startPrimary();
  const { outcomes, copies, zones } = await worker.write([{ id: "b1", document: BOOK }]);
  expect(outcomes[0]).toMatchObject({ result: "created", term: 1, seq: 2 });
  expect({ copies, zones }).toEqual({ copies: 1, zones: 1 });
  expect(await worker.get("b1")).toEqual(BOOK);
  expect(await worker.searchText("worlds")).toEqual(["b1"]);
  const near = {
    kind: "vector",
    field: "embedding",
    values: Float32Array.of(0.6, 0.8),
    candidates: 10,
  } as const;
  expect((await worker.search({ queries: [near] })).ids).toEqual(["b1"]);
  expect((await worker.search({ filter: { field: "year", gte: 1890 } })).total).toBe(1);
  expect((await worker.search({ filter: { field: "year", gte: 1900 } })).total).toBe(0);
});

test("what was acknowledged is found after a restart, and the numbers go on", async () => {
  const worker = await startPrimary();
  for (let i = 0; i < 50; i += 1) await worker.put(`b${i}`, { ...BOOK, year: 1850 + i });
  await worker.write([{ id: "b7", action: "delete" }]);
  const again = await restart(worker, 2);
  expect(await again.get("b7")).toBeUndefined();
  expect(await again.get("b8")).toEqual({ ...BOOK, year: 1858 });
  expect((await again.search({ filter: { field: "year", lt: 1860 } })).total).toBe(9);
  expect((await again.searchText("war")).length).toBe(10);
  // 1 no-op, 50 writes, 1 delete, 1 no-op of the new term.
  expect(await again.put("b7", BOOK)).toMatchObject({ result: "created", term: 2, seq: 54 });
});

test("a primary that restarted takes no writes in its old term", async () => {
  const worker = await startPrimary();
  await worker.put("b1", BOOK);
  await worker.closed();
  open.splice(open.indexOf(worker), 1);
  const again = start({ directory: worker.directory });
  again.applyMap(clusterMap(1));
  await until("serving", () => again.report()?.mapVersion === 1);
  await expect(again.put("b2", BOOK)).rejects.toMatchObject({ error: { code: "noPrimary", executed: "no" } });
  await until("readable", async () => (await again.get("b1").catch(() => undefined)) !== undefined);
});

test("a retry is answered with the first try's result, also after a restart", async () => {
  const worker = await startPrimary();
  const statement = { id: "b1", document: BOOK, operationId: "op-1" };
  const first = (await worker.write([statement])).outcomes[0]!;
  await worker.put("b1", { ...BOOK, year: 1900 });
  expect((await worker.write([statement])).outcomes[0]).toEqual(first);
  const again = await restart(worker, 2);
  expect((await again.write([statement])).outcomes[0]).toEqual(first);
  expect(await again.get("b1")).toEqual({ ...BOOK, year: 1900 });
});

test("an operation id that was used for another document or action names another operation", async () => {
  const worker = await startPrimary();
  await worker.write([{ id: "b1", document: BOOK, operationId: "x" }]);
  const { outcomes } = await worker.write([
    { id: "b2", document: BOOK, operationId: "x" },
    { id: "b1", action: "delete", operationId: "x" },
  ]);
  expect(outcomes.map(({ result }) => result)).toEqual(["created", "deleted"]);
});

test("new operation ids are taken after the wall clock was set back", async () => {
  const worker = await startPrimary();
  const hourAgoMs = Date.now() - 3_600_000;
  vi.spyOn(Date, "now").mockImplementation(() => hourAgoMs);
  const operationId = makeUuidV7(hourAgoMs, new Uint8Array(10));
  const { outcomes } = await worker.write([{ id: "b1", document: BOOK, operationId }]);
  vi.restoreAllMocks();
  expect(outcomes[0]).toMatchObject({ result: "created" });
});

test("operations of one call see those before them, and one that is refused leaves the others", async () => {
  const worker = await startPrimary();
  const { outcomes } = await worker.write([
    { id: "b1", action: "create", document: { year: 1 } },
    { id: "b1", action: "create", document: { year: 2 } },
    { id: "b1", action: "patch", document: { genre: "novel" } },
    { id: "b2", action: "patch", document: { genre: "novel" } },
    { id: "b3", document: { year: "no number" } },
    { id: "b4", action: "delete" },
    { id: "b5", document: { year: 5 }, operationId: "same" },
    { id: "b5", document: { year: 5 }, operationId: "same" },
  ]);
  expect(outcomes.map(({ result, error }) => error?.code ?? result)).toEqual([
    "created",
    "documentExists",
    "updated",
    "documentNotFound",
    "wrongFieldType",
    "unchanged",
    "created",
    "created",
  ]);
  expect(outcomes[7]!.seq).toBe(outcomes[6]!.seq);
  expect(await worker.get("b1")).toEqual({ year: 1, genre: "novel" });
});

test("conditions hold for committed and for pending versions", async () => {
  const worker = await startPrimary();
  const { term, seq } = await worker.put("b1", BOOK);
  const version = `${term}.${seq}`;
  // Both are in flight at once: the second is checked against the first, which is not committed yet.
  const [one, two] = await Promise.all([
    worker.write([{ id: "b1", document: BOOK, ifMatch: version }]),
    worker.write([{ id: "b1", document: BOOK, ifMatch: version }]),
  ]);
  expect(one.outcomes[0]!.result).toBe("updated");
  expect(two.outcomes[0]!.error?.code).toBe("versionConflict");
});

test("a scan goes through all ids in byte order", async () => {
  const worker = await startPrimary();
  const ids = ["b", "a", "\u{1F600}", "\uFFFD", "ä", "aa"];
  await worker.write(ids.map((id) => ({ id, document: { year: 1 } })));
  const ordered = ids.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
  expect(await worker.scan("", 100)).toEqual(ordered);
  expect(await worker.scan("aa", 2)).toEqual(ordered.slice(2, 4));
});

test("a read waits for the sequence number it asks for, until its time is up", async () => {
  const worker = await startPrimary();
  const reading = worker.get("b1", 2);
  await worker.put("b1", BOOK);
  expect(await reading).toEqual(BOOK);
});

test("a copy that is closed answers no reads: its indexes are gone, and all would seem to be", async () => {
  const worker = await startPrimary();
  await worker.put("b1", BOOK);
  await worker.closed();
  await expect(worker.get("b1")).rejects.toMatchObject({ error: { code: "shardUnavailable" } });
  await expect(worker.search({})).rejects.toMatchObject({ error: { code: "shardUnavailable" } });
});

test("a member without data is reported, not made anew", async () => {
  const worker = start();
  worker.applyMap(clusterMap(1, { shard: { version: 3, term: 2, bootstrap: "" } }));
  await until("reported", () => worker.report() !== undefined);
  expect(worker.report()).toMatchObject({ role: "failed", reason: "CopyFailed", allocationId: "a1" });
  await expect(worker.get("b1")).rejects.toBeInstanceOf(CallFailed);
});

test("data goes when two maps in a row have the deletion of its collection on record, and not before", async () => {
  const worker = await startPrimary();
  await worker.put("b1", BOOK);
  let revision = 1;
  const apply = (change: Parameters<typeof clusterMap>[1]): void => {
    revision += 1;
    worker.applyMap(clusterMap(1, { revision, ...change }));
  };
  // A store that was put back from a backup knows neither, or has lost the record alone.
  for (let i = 0; i < 3; i += 1) apply({ without: "collection" });
  for (let i = 0; i < 3; i += 1) apply({ without: "shard" });
  for (let i = 0; i < 3; i += 1) apply({ without: "shard", deletionOnRecord: true });
  apply({ without: "collection", deletionOnRecord: true });
  worker.applyMap(clusterMap(1, { revision, without: "collection", deletionOnRecord: true }));
  expect(await worker.get("b1")).toEqual(BOOK);
  apply({ without: "collection", deletionOnRecord: true });
  await expect(worker.get("b1")).rejects.toMatchObject({ error: { code: "shardUnavailable" } });
});

describe("data without a place", () => {
  const [, second, third] = clusterMap(3).shards[0]!.copies as [CopyPlace, CopyPlace, CopyPlace];

  /** A map of two copies elsewhere, of which `inSync` are in the set. */
  function elsewhere(
    version: number,
    inSync: readonly CopyPlace[],
    change: Partial<ShardMap> = {},
  ): ClusterMap {
    const shard = {
      primary: second.id,
      inSync: inSync.map(({ id }) => id),
      recovering: [second, third].filter((place) => !inSync.includes(place)).map(({ id }) => id),
      copies: [second, third],
      bootstrap: "",
      term: 2,
      version,
      ...change,
    };
    return clusterMap(2, { shard, revision: version });
  }

  test("is kept while the set is not complete, and is used when a place comes", async () => {
    const worker = await startPrimary();
    await worker.put("b1", BOOK);
    for (const version of [2, 3, 4]) worker.applyMap(elsewhere(version, [second]));
    const fresh = { id: "a9" as AllocationId, node: worker.nodeId as NodeId, zone: "z1" };
    worker.applyMap(elsewhere(5, [second], { recovering: [fresh.id], copies: [second, fresh] }));
    await until("taken up", () => worker.report()?.allocationId === "a9");
    expect(worker.report()).toMatchObject({ lastSeq: 2, globalCheckpoint: 2 });
  });

  test("goes with the second map whose set is complete without it", async () => {
    const worker = await startPrimary();
    await worker.put("b1", BOOK);
    worker.applyMap(elsewhere(2, [second, third]));
    worker.applyMap(elsewhere(2, [second, third]));
    await until("reported", () => worker.report()?.mapVersion === 2);
    expect(worker.report()).toMatchObject({ lastSeq: 2 });
    worker.applyMap(elsewhere(3, [second, third]));
    await until("deleted", () => worker.report() === undefined);
  });

  test("is kept when the record is older than what the copy has seen", async () => {
    const worker = await startPrimary();
    await worker.put("b1", BOOK);
    worker.applyMap(clusterMap(1, { shard: { version: 9, bootstrap: "" } }));
    await until("applied", () => worker.report()?.mapVersion === 9);
    for (const revision of [10, 11, 12]) {
      worker.applyMap({ ...elsewhere(4, [second, third]), revision, leaderEpoch: 2 });
    }
    expect(await worker.get("b1")).toEqual(BOOK);
  });
});

test("what was acknowledged survives a crash at that moment", async () => {
  const worker = await startPrimary();
  for (let i = 0; i < 30; i += 1) await worker.put(`b${i}`, { ...BOOK, year: i });
  const crashed = `${worker.directory}-crashed`;
  cpSync(worker.directory, crashed, { recursive: true });
  const again = start({ directory: crashed });
  again.applyMap(clusterMap(1, { shard: { term: 2, version: 2, bootstrap: "" } }));
  await until("primary again", () => again.report()?.role === "primary");
  expect((await again.search({ filter: { field: "year", gte: 0 } })).total).toBe(30);
  expect(await again.put("b30", BOOK)).toMatchObject({ result: "created", seq: 33 });
});

test("a damaged log stops the copy, which keeps its data and says so", async () => {
  const worker = await startPrimary();
  await worker.put("b1", BOOK);
  await worker.closed();
  open.splice(open.indexOf(worker), 1);
  const options = { sync: true, onDiskFull: () => undefined, onFailure: () => undefined };
  const store = new ShardStore(join(worker.directory, "stores", "0"), options);
  const { slot } = store.records()[0]!;
  const { lastSeq, bytes } = store.entryRuns(slot, 2).next().value!;
  decodeEntries(bytes).find((entry) => entry.seq === 2)!.stored![20]! ^= 1;
  store.put("log", numberKey(slot, lastSeq), bytes);
  await store.close();
  const again = start({ directory: worker.directory });
  again.applyMap(clusterMap(1));
  await until("reported", () => again.report()?.mapVersion !== undefined);
  expect(again.report()).toMatchObject({ role: "failed", reason: "CopyFailed", allocationId: "a1" });
  await expect(again.get("b1")).rejects.toMatchObject({ error: { code: "shardUnavailable" } });
  const failure = again.messages.find((message) => message.kind === "log" && message.level === "error");
  expect(failure).toMatchObject({ fields: { detail: expect.stringContaining("checksum") } });
});

test("a session of a history that was given up is told so", async () => {
  const worker = await startPrimary();
  await worker.put("b1", BOOK);
  const read = { minimumSeq: 2, historyId: "history-0", kind: ReadLevelKind.applied, maxStalenessMs: 0 };
  const payload = GetRequest.encode({ id: "b1", include: [], hasInclude: false, read });
  await expect(worker.call(ShardCall.get, payload)).rejects.toMatchObject({ error: { code: "historyLost" } });
});

test("a read that asks for more than there is ends with its time, and says why", async () => {
  const worker = await startPrimary();
  const payload = GetRequest.encode({
    id: "b1",
    include: [],
    hasInclude: false,
    read: { minimumSeq: 99, historyId: "", kind: ReadLevelKind.applied, maxStalenessMs: 0 },
  });
  const asked = worker.call(ShardCall.get, payload, 50);
  await expect(asked).rejects.toMatchObject({ error: { code: "consistencyNotMet" } });
});

test("a field that is added later is soon indexed for older documents too, and they leave without a trace", async () => {
  const worker = await startPrimary();
  await worker.put("old", { title: "war", subtitle: "peace" });
  await worker.put("gone", { title: "war", subtitle: "peace" });
  const fields = [...SPEC.fields, { name: "subtitle", type: "text", analyzer: "standard" }] as const;
  worker.applyMap(clusterMap(1, { revision: 2, generation: 2, spec: { ...SPEC, fields } }));
  await worker.put("new", { title: "war", subtitle: "peace" });
  await worker.write([{ id: "gone", action: "delete" }]);
  const query = { kind: "text", query: "peace", fields: { subtitle: 1 }, operator: "or" } as const;
  const found = async (): Promise<readonly string[]> => (await worker.search({ queries: [query] })).ids;
  await expect.poll(found, { timeout: 10_000 }).toEqual(["new", "old"]);
  await worker.write([{ id: "old", action: "delete" }]);
  expect(await found()).toEqual(["new"]);
  const again = await restart(worker, 2);
  expect((await again.search({})).ids).toEqual(["new"]);
});

test("writes wait while too many vectors are unindexed, and go on when they are", async () => {
  const worker = await startPrimary({ limits: { unindexedTail: 100 } });
  for (let round = 0; round < 6; round += 1) {
    const statements = Array.from({ length: 100 }, (_, i) => ({
      id: `b${round}.${i}`,
      document: { embedding: [Math.cos(round * 100 + i), Math.sin(round * 100 + i)] },
    }));
    const { outcomes } = await worker.write(statements);
    expect(outcomes.every(({ result }) => result === "created")).toBe(true);
  }
  expect((await worker.search({})).total).toBe(600);
});

test("below its reserve of free disk space nothing is added, and deletes go on", async () => {
  const worker = await startPrimary();
  await worker.put("b1", BOOK);
  await worker.closed();
  open.splice(open.indexOf(worker), 1);
  const full = start({ directory: worker.directory, limits: { diskReserveBytes: Number.MAX_SAFE_INTEGER } });
  full.applyMap(clusterMap(1, { shard: { term: 2, version: 2, bootstrap: "" } }));
  await until("primary again", () => full.report()?.role === "primary");
  const { outcomes } = await full.write([
    { id: "b2", document: BOOK },
    { id: "b1", action: "delete" },
  ]);
  expect(outcomes[0]?.error?.code).toBe("diskFull");
  expect(outcomes[0]?.error?.detail).toContain("limits.diskReserveBytes");
  expect(outcomes[1]?.result).toBe("deleted");
});

test("what becomes of a copy is told as protocol events, and logged", async () => {
  const worker = await startPrimary();
  const events = worker.messages.flatMap((message) =>
    message.kind === "protocolEvent" ? [message.event] : [],
  );
  expect(events.map(({ what }) => what)).toEqual(["takenUp", "activated", "ready"]);
  expect(events[1]).toMatchObject({ allocation: "a1", details: { term: 1, startSeq: 1 } });
  const logged = worker.messages.filter(
    (message) => message.kind === "log" && message.message === "copy ready",
  );
  expect(logged).toHaveLength(1);
});

test("a store that fails ends its copies, and the node is told so", async () => {
  let fails = false;
  const worker = start({
    openDatabase: (options) => {
      const root = openLmdb<Buffer, Buffer>(options as RootDatabaseOptionsWithPath);
      const batch = root.batch.bind(root);
      const inputOutput = Object.assign(new Error("Input/output error"), { code: 5 });
      root.batch = (action) => (fails ? Promise.reject(inputOutput) : batch(action));
      return root as never;
    },
  });
  worker.applyMap(clusterMap(1));
  await until("primary", () => worker.report()?.role === "primary");
  await worker.put("b1", BOOK);
  fails = true;
  const { error } = await worker.put("b2", BOOK);
  expect(error).toMatchObject({ executed: "unknown" });
  await until("reported", () => worker.report()?.role === "failed");
  const failures = worker.messages.filter(({ kind }) => kind === "storeFailed");
  expect(failures).toMatchObject([{ detail: "Input/output error" }]);
  // A fresh id is no way out: nothing would ever be durable under it.
  const fresh = { id: "a9" as AllocationId, node: worker.nodeId as NodeId, zone: "z1" };
  const primary = clusterMap(2).shards[0]!.copies[1]!;
  worker.applyMap(
    clusterMap(2, {
      shard: {
        version: 3,
        primary: primary.id,
        inSync: [primary.id],
        recovering: [fresh.id],
        copies: [primary, fresh],
        bootstrap: "",
      },
    }),
  );
  await until("reported again", () => worker.report()?.allocationId === "a9");
  expect(worker.report()).toMatchObject({ role: "failed" });
});
