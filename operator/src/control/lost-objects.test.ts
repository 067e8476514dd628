import { parseCluster } from "@prism/api/cluster";
import type { ClusterMap } from "@prism/proto/gen/node";
import { pino } from "pino";
import { afterEach, expect, test, vi } from "vitest";
import { MemoryStore } from "../adapters/local/memory-store.js";
import { ControlPlane } from "./control-plane.js";
import { FakeNodes } from "./testing/fake-nodes.js";

const HEALTH = { heartbeatIntervalMs: 50, failureThreshold: 4, suspectTimeoutMs: 300, replicaTimeoutMs: 100 };
const WAIT = { timeout: 5000, interval: 10 };

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(store: MemoryStore, nodes: FakeNodes): Promise<ControlPlane> {
  const cluster = parseCluster({
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCluster",
    metadata: { name: "demo" },
    spec: { version: "0.1.0", nodes: 3, health: HEALTH },
  });
  const log = pino({ level: "silent" });
  const rest = { workloads: nodes, dialer: nodes, workersPerNode: 1, nodeEnv: {} };
  const plane = await ControlPlane.start({ cluster, store, log, ...rest });
  cleanups.push(() => plane.stop());
  expect(await plane.waitFor(() => plane.isReady(), 5000)).toBe(true);
  return plane;
}

/** A cluster with one collection of two shards. */
async function withCollection(): Promise<{ store: MemoryStore; nodes: FakeNodes; plane: ControlPlane }> {
  const [store, nodes] = [new MemoryStore(), new FakeNodes()];
  const plane = await start(store, nodes);
  await ask(nodes, "create");
  await plane.waitFor(() => plane.status().status === "ok", 5000);
  return { store, nodes, plane };
}

function ask(nodes: FakeNodes, action: "create" | "delete"): Promise<unknown> {
  const specJson = Buffer.from(JSON.stringify(action === "create" ? { shards: 2 } : {}));
  return nodes.all()[0]!.requestCollection({ action, name: "speeches", specJson });
}

function mapOf(nodes: FakeNodes): ClusterMap | undefined {
  return nodes.all()[0]!.map;
}

const reasons = (plane: ControlPlane): string[] => plane.events.latest(50).map(({ reason }) => reason);

test("the deletion of a collection is on record before its object goes, and every map carries it", async () => {
  const { store, nodes } = await withCollection();
  const { uid } = (await store.get("PrismCollection", "speeches"))!.metadata;
  const recorded: unknown[] = [];
  vi.spyOn(store, "delete").mockImplementation(async (kind, ...rest) => {
    const cluster = await store.get("PrismCluster", "demo");
    if (kind === "PrismCollection") recorded.push(...(cluster?.status.deletedCollections ?? []));
    return MemoryStore.prototype.delete.call(store, kind, ...rest);
  });
  await ask(nodes, "delete");
  expect(recorded).toMatchObject([{ uid }]);
  await vi.waitFor(() => expect(mapOf(nodes)?.shards).toEqual([]), WAIT);
  expect(mapOf(nodes)?.deletedCollections).toEqual([uid]);
});

test("a store that knows a collection's shards but not the collection is left alone", async () => {
  const { store, nodes, plane } = await withCollection();
  await plane.stop();
  const { metadata } = (await store.get("PrismCollection", "speeches"))!;
  await store.delete("PrismCollection", "speeches", { uid: metadata.uid });
  const next = await start(store, nodes);
  await vi.waitFor(() => expect(reasons(next)).toContain("ShardRecordLost"), WAIT);
  expect((await store.list("PrismShard")).items).toHaveLength(2);
  expect(mapOf(nodes)?.deletedCollections).toEqual([]);
});

test("an object that somebody deletes while the control plane runs takes its shards along", async () => {
  const { store, nodes } = await withCollection();
  const { metadata } = (await store.get("PrismCollection", "speeches"))!;
  await store.delete("PrismCollection", "speeches", { uid: metadata.uid });
  await vi.waitFor(async () => expect((await store.list("PrismShard")).items).toEqual([]), WAIT);
  await vi.waitFor(() => expect(mapOf(nodes)?.deletedCollections).toEqual([metadata.uid]), WAIT);
});

const records = async (store: MemoryStore) => (await store.list("PrismShard")).items;

/** The first shard's object, once all its copies are in sync, and the newest record is known to all. */
async function settled({ store, plane, nodes }: Awaited<ReturnType<typeof withCollection>>) {
  await vi.waitFor(() => expect(plane.status().shards.every((shard) => shard.inSync === 3)).toBe(true), WAIT);
  const versions = async () =>
    new Map((await records(store)).map((one) => [one.spec.shardUid, one.status.version]));
  for (const node of nodes.all()) {
    await vi.waitFor(async () => {
      const known = node.copies().map(({ shardUid, mapVersion }) => [shardUid, mapVersion] as const);
      expect(new Map(known)).toEqual(await versions());
    }, WAIT);
    node.report();
    // The answer comes after the report was heard: what a node has not told proves nothing of a record.
    await node.requestCollection({
      action: "describeDataLoss",
      name: "speeches/0",
      specJson: Buffer.from("{}"),
    });
  }
  return (await records(store))[0]!;
}

type Shard = Awaited<ReturnType<typeof settled>>;

const LOSSES: readonly [string, (store: MemoryStore, shard: Shard) => Promise<unknown>][] = [
  ["deleted", (store, { metadata }) => store.delete("PrismShard", metadata.name, { uid: metadata.uid })],
  ["emptied", (store, shard) => store.update({ ...shard, status: {} as never })],
  [
    "emptied together with its spec",
    (store, shard) =>
      store.update({ ...shard, spec: { ...shard.spec, shardUid: "other" }, status: {} as never }),
  ],
  [
    "put back to how it was made",
    (store, shard) =>
      store.update({
        ...shard,
        spec: { ...shard.spec, bootstrap: "nonce" },
        status: {
          ...shard.status,
          term: 1,
          version: 1,
          inSync: [shard.status.inSync[0]!],
          recovering: shard.status.inSync.slice(1),
          primary: shard.status.inSync[0]!,
        },
      }),
  ],
  [
    "deleted, and made again from a backup",
    async (store, shard) => {
      const { metadata, kind, spec, status } = shard;
      await store.delete("PrismShard", metadata.name, { uid: metadata.uid });
      await store.create({ kind, name: metadata.name, spec, status: { ...status, version: 1 } });
    },
  ],
];

test.each(LOSSES)("a record that is %s is made again from what its copies prove", async (_how, lose) => {
  const cluster = await withCollection();
  const { store, plane } = cluster;
  const shard = await settled(cluster);
  await lose(store, shard);
  await vi.waitFor(() => expect(reasons(plane)).toContain("ShardRecordRebuilt"), WAIT);
  await vi.waitFor(() => expect(plane.status()).toMatchObject({ status: "ok", problems: [] }), WAIT);
  const again = (await store.get("PrismShard", shard.metadata.name))!;
  expect(again.spec).toMatchObject({ shardUid: shard.spec.shardUid, bootstrap: "" });
  expect(again.status.historyId).toBe(shard.status.historyId);
  expect([...again.status.inSync].sort()).toEqual([...shard.status.inSync].sort());
  expect(again.status.term).toBeGreaterThan(shard.status.term);
  expect(again.status.version).toBeGreaterThan(shard.status.version + 1000);
});

test("a record is not made again while a copy that it named is silent, and it is said which", async () => {
  const { store, nodes, plane } = await withCollection();
  const shard = await settled({ store, nodes, plane });
  const { node } = shard.status.copies.find(({ id }) => id === shard.status.primary)!;
  const silent = nodes.all().find(({ volume }) => volume.nodeId === node)!;
  silent.frozen = true;
  const { name, uid } = shard.metadata;
  await store.delete("PrismShard", name, { uid });
  await vi.waitFor(() => {
    const problem = plane.status().problems.find(({ object }) => object === `shard/${name}`);
    expect(problem?.reason).toBe("ShardRecordLost");
    expect(problem?.message).toMatch(
      new RegExp(`copy .* on ${silent.name} (is not heard of|has not confirmed)`),
    );
  }, WAIT);
  expect(await store.get("PrismShard", name)).toBeUndefined();
  silent.frozen = false;
  await vi.waitFor(() => expect(plane.status().status).toBe("ok"), WAIT);
  expect((await store.get("PrismShard", name))?.spec.shardUid).toBe(shard.spec.shardUid);
});

test("a record of a history that a person gave up is not made again", async () => {
  const { store, nodes, plane } = await withCollection();
  const shard = await settled({ store, nodes, plane });
  await plane.stop();
  const cluster = (await store.get("PrismCluster", "demo"))!;
  const { name, uid } = shard.metadata;
  const givenUpHistories = [{ shard: shard.spec.shardUid!, historyId: shard.status.historyId, at: 1 }];
  await store.update({ ...cluster, status: { ...cluster.status, givenUpHistories } });
  await store.delete("PrismShard", name, { uid });
  const next = await start(store, nodes);
  await vi.waitFor(() => {
    const problem = next.status().problems.find(({ object }) => object === `shard/${name}`);
    expect(problem?.message).toMatch(/was given up by a forced reset/);
  }, WAIT);
  expect(await store.get("PrismShard", name)).toBeUndefined();
});
