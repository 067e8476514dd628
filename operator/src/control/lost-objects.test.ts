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

test("a shard record without its status is unknown: no copy of it is made, promoted or sent to nodes", async () => {
  const { store, nodes, plane } = await withCollection();
  const [shard] = (await store.list("PrismShard")).items;
  await store.update({ ...shard!, status: undefined as never });
  await vi.waitFor(() => expect(reasons(plane)).toContain("ShardRecordLost"), WAIT);
  await vi.waitFor(() => expect(mapOf(nodes)?.shards).toHaveLength(1), WAIT);
  expect((await store.get("PrismShard", shard!.metadata.name))?.status).toBeUndefined();
  expect(plane.status().problems.map(({ reason }) => reason)).toContain("ShardRecordLost");
});
