import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { decodeEntries } from "../adapters/lmdb/entry-codec.js";
import { ShardStore } from "../adapters/lmdb/shard-store.js";
import { numberKey } from "../adapters/lmdb/store-key.js";
import type { AllocationId } from "../domain/cluster-map.js";
import { TestCluster } from "./testing/test-cluster.js";
import { type CallFailed, until, type MapChange } from "./testing/worker-harness.js";

/** Flips a bit in a log entry of the shard, in a store that nobody has open. */
async function damageEntry(directory: string, seq: number): Promise<void> {
  const options = { sync: true, onDiskFull: () => undefined, onFailure: () => undefined };
  const store = new ShardStore(join(directory, "stores", "0"), options);
  const { slot } = store.records()[0]!;
  const { lastSeq, bytes } = store.entryRuns(slot, seq).next().value!;
  decodeEntries(bytes).find((entry) => entry.seq === seq)!.stored![20]! ^= 1;
  store.put("log", numberKey(slot, lastSeq), bytes);
  await store.close();
}

let cluster: TestCluster;

async function startCluster(nodes: number, change: MapChange = {}): Promise<TestCluster> {
  cluster = new TestCluster(nodes, change);
  await until("primary", () => cluster.node("n1").report()?.role === "primary");
  return cluster;
}

afterEach(async () => {
  await cluster.close();
});

test("an acknowledged write is on every in-sync copy, and read there with its sequence number", async () => {
  await startCluster(3);
  const { outcomes, copies, zones } = await cluster
    .node("n1")
    .write([{ id: "b1", document: { year: 1898 } }]);
  expect({ copies, zones }).toEqual({ copies: 3, zones: 3 });
  for (const node of cluster.nodes.values())
    expect(await node.get("b1", outcomes[0]!.seq)).toEqual({ year: 1898 });
});

test("a copy that is not the primary says where the primary is", async () => {
  await startCluster(2);
  await until("map", () => cluster.node("n2").report()?.mapVersion === 1);
  await expect(cluster.node("n2").put("b1", { year: 1 })).rejects.toMatchObject({
    error: { code: "noPrimary", executed: "no", primaryNode: "n1" },
  });
});

test("after a promotion the new primary has every acknowledged write and answers retries of the old one", async () => {
  await startCluster(3);
  const statements = Array.from({ length: 300 }, (_, i) => ({
    id: `b${i}`,
    document: { year: i },
    operationId: `op-${i}`,
  }));
  const first = await cluster.node("n1").write(statements);
  await cluster.stop("n1");
  cluster.promote("a2");
  await until("new primary", () => cluster.node("n2").report()?.role === "primary");
  const retried = await cluster.node("n2").write(statements);
  expect(retried.outcomes).toEqual(first.outcomes);
  expect((await cluster.node("n2").search({})).total).toBe(300);
});

test("writes without an answer from an in-sync copy end as unknown, not as failed, and a retry finds them", async () => {
  await startCluster(2);
  cluster.answersRequests = false;
  cluster.cut("n2");
  const statement = { id: "b1", document: { year: 1 }, operationId: "op-1" };
  const { outcomes } = await cluster.node("n1").write([statement], 200);
  expect(outcomes[0]!.error).toMatchObject({ code: "outcomeUnknown", executed: "unknown" });
  expect(await cluster.node("n1").get("b1")).toBeUndefined();
  cluster.heal("n2");
  expect((await cluster.node("n1").write([statement])).outcomes[0]).toMatchObject({
    result: "created",
    seq: 2,
  });
});

test("below the floor of in-sync copies nothing is executed", async () => {
  await startCluster(2);
  cluster.change({ inSync: ["a1" as AllocationId] });
  await until("map", () => cluster.node("n1").report()?.mapVersion === cluster.shard.version);
  await expect(cluster.node("n1").put("b1", { year: 1 })).rejects.toMatchObject({
    error: { code: "notEnoughCopies", executed: "no" },
  });
});

test("a copy that was cut off leaves, comes back under a new id and is sent what it lacks", async () => {
  await startCluster(3);
  await cluster.node("n1").put("b1", { year: 1 });
  cluster.cut("n3");
  const { copies } = await cluster.node("n1").write([{ id: "b2", document: { year: 2 } }]);
  expect(copies).toBe(2);
  cluster.heal("n3");
  cluster.addRecovering("a4", "n3");
  await until("joined", () => cluster.shard.inSync.includes("a4" as AllocationId));
  await until("serving", () => cluster.node("n3").report()?.role === "replica");
  const { seq } = await cluster.node("n1").put("b3", { year: 3 });
  expect(await cluster.node("n3").get("b2", seq)).toEqual({ year: 2 });
  expect(cluster.node("n3").report()?.allocationId).toBe("a4");
});

test("a copy that a newer map gave another id does not go back to one of an older map after a restart", async () => {
  await startCluster(2);
  await cluster.node("n1").put("b1", { year: 1 });
  cluster.change({ inSync: ["a1" as AllocationId] });
  cluster.answersRequests = false;
  cluster.addRecovering("a3", "n2");
  const older = cluster.map;
  await until("a3", () => cluster.node("n2").report()?.allocationId === "a3");
  cluster.change({ recovering: [] });
  cluster.addRecovering("a4", "n2");
  await until("a4", () => cluster.node("n2").report()?.lastSeq === 2);
  const directory = await cluster.stop("n2");
  const again = cluster.start("n2", directory);
  const before = again.messages.length;
  // As of a map file that could not be written any more.
  again.applyMap(older);
  await until("report", () => again.messages.slice(before).some(({ kind }) => kind === "reports"));
  expect(again.report()?.allocationId).toBe("a4");
  cluster.answersRequests = true;
  again.applyMap(cluster.map);
  await until("joined", () => cluster.shard.inSync.includes("a4" as AllocationId));
});

test("a copy that failed is emptied for a new id, and filled again", async () => {
  await startCluster(2, { minReplicasForWrite: 1 });
  await cluster.node("n1").put("b1", { year: 1 });
  const directory = await cluster.stop("n2");
  await damageEntry(directory, 2);
  cluster.change({ inSync: ["a1" as AllocationId] });
  cluster.start("n2", directory).applyMap(cluster.map);
  await until("failed", () => cluster.node("n2").report()?.role === "failed");
  cluster.addRecovering("a3", "n2");
  await until("joined", () => cluster.shard.inSync.includes("a3" as AllocationId));
  const { seq } = await cluster.node("n1").put("b2", { year: 2 });
  expect(await cluster.node("n2").get("b1", seq)).toEqual({ year: 1 });
});

test("a write that is committed when too few copies are left is not called a success", async () => {
  await startCluster(2);
  cluster.answersRequests = false;
  cluster.cut("n2");
  const writing = cluster.node("n1").write([{ id: "b1", document: { year: 1 } }], 60_000);
  await until("logged", () => cluster.node("n1").report()?.lastSeq === 2);
  cluster.change({ inSync: ["a1" as AllocationId] });
  expect((await writing).outcomes[0]!.error).toMatchObject({ code: "outcomeUnknown", executed: "unknown" });
  expect(await cluster.node("n1").get("b1")).toEqual({ year: 1 });
});

test("a primary that is replaced answers what waits at once, as unknown", async () => {
  await startCluster(2);
  cluster.answersRequests = false;
  cluster.cut("n2");
  const writing = cluster.node("n1").write([{ id: "b1", document: { year: 1 } }], 60_000);
  await until("logged", () => cluster.node("n1").report()?.lastSeq === 2);
  cluster.promote("a2");
  expect((await writing).outcomes[0]!.error).toMatchObject({ code: "outcomeUnknown", executed: "unknown" });
});

test("below the floor, a retry of what may have been executed is not told that it was not", async () => {
  await startCluster(2);
  const statement = { id: "b1", document: { year: 1 }, operationId: "op-1" };
  const first = await cluster.node("n1").write([statement]);
  cluster.change({ inSync: ["a1" as AllocationId] });
  await until("map", () => cluster.node("n1").report()?.mapVersion === cluster.shard.version);
  const { outcomes } = await cluster
    .node("n1")
    .write([statement, { id: "b2", document: { year: 2 }, operationId: "op-2" }]);
  expect(outcomes.map(({ error }) => [error?.code, error?.executed])).toEqual([
    ["outcomeUnknown", "unknown"],
    ["notEnoughCopies", "no"],
  ]);
  cluster.addRecovering("a3", "n2");
  await until("joined", () => cluster.shard.inSync.includes("a3" as AllocationId));
  await until("map", () => cluster.node("n1").report()?.mapVersion === cluster.shard.version);
  expect((await cluster.node("n1").write([statement])).outcomes).toEqual(first.outcomes);
});

test("a new copy whose primary has no log left is filled by a snapshot, with operations of before", async () => {
  await startCluster(1, { minReplicasForWrite: 1 });
  const big = "x".repeat(40_000);
  const statements = Array.from({ length: 1000 }, (_, i) => ({
    id: `b${i}`,
    document: { title: `book ${i}`, year: i, text: big },
    operationId: `op-${i}`,
  }));
  for (let i = 0; i < 1000; i += 100) await cluster.node("n1").write(statements.slice(i, i + 100));
  const kinds = new Set<string>();
  cluster.passes = (_from, _to, message) => {
    kinds.add(Object.keys(message).find((key) => key.startsWith("snapshot")) ?? "other");
    return true;
  };
  cluster.start("n2");
  cluster.addRecovering("a2", "n2");
  await until("joined", () => cluster.shard.inSync.includes("a2" as AllocationId), 30_000);
  expect(kinds).toContain("snapshotChunk");
  await until(
    "readable",
    async () =>
      (
        await cluster
          .node("n2")
          .search({})
          .catch(() => undefined)
      )?.total === 1000,
  );
  cluster.promote("a2");
  await until("new primary", () => cluster.node("n2").report()?.role === "primary");
  const { outcomes } = await cluster.node("n2").write([statements[3]!]);
  expect(outcomes[0]).toMatchObject({ result: "created", seq: 5 });
});

test("a snapshot that breaks off leaves no trace, and the next one fills the copy", async () => {
  await startCluster(1, { minReplicasForWrite: 1 });
  const text = "x".repeat(40_000);
  for (let i = 0; i < 10; i += 1) {
    await cluster
      .node("n1")
      .write(Array.from({ length: 100 }, (_, j) => ({ id: `b${i}.${j}`, document: { year: i, text } })));
  }
  let chunks = 0;
  cluster.passes = (_from, _to, message) => message.snapshotChunk === undefined || (chunks += 1) <= 3;
  cluster.start("n2");
  cluster.addRecovering("a2", "n2");
  await until("chunks", () => chunks > 3);
  const directory = await cluster.stop("n2");
  cluster.passes = () => true;
  cluster.start("n2", directory).applyMap(cluster.map);
  await until("joined", () => cluster.shard.inSync.includes("a2" as AllocationId), 30_000);
  await until("readable", () =>
    cluster
      .node("n2")
      .get("b0.0")
      .then(Boolean, () => false),
  );
  expect((await cluster.node("n2").search({})).total).toBe(1000);
});

test("a hand-off loses no write, and those that came meanwhile are told where to go", async () => {
  await startCluster(3);
  const before = Array.from({ length: 20 }, (_, i) => cluster.node("n1").put(`b${i}`, { year: i }));
  const drained = cluster.node("n1").drained(5000);
  const meanwhile = Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => cluster.node("n1").put(`c${i}`, { year: i })),
  );
  await drained;
  const primary = cluster.shard.copies.find(({ id }) => id === cluster.shard.primary)!.node;
  expect(primary).not.toBe("n1");
  await Promise.all(before);
  const results = await meanwhile;
  const refusals = results.flatMap((result) =>
    result.status === "rejected" ? [result.reason as CallFailed] : [],
  );
  const places = refusals.map(({ error }) => [error.code, error.executed, error.primaryNode]);
  expect(places).toEqual(refusals.map(() => ["noPrimary", "no", primary]));
  const acknowledged = 40 - refusals.length;
  await until("new primary", () => cluster.node(primary).report()?.role === "primary");
  expect((await cluster.node(primary).search({})).total).toBe(acknowledged);
});
