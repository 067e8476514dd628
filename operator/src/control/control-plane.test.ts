import { setTimeout as delay } from "node:timers/promises";
import { parseCluster } from "@prism/api/cluster";
import { dataLossSchema } from "@prism/api/data-loss";
import { statusResponseSchema, type StatusResponse } from "@prism/api/status";
import type { CollectionAnswer } from "@prism/proto/gen/node";
import { pino } from "pino";
import { afterEach, describe, expect, test, vi } from "vitest";
import { MemoryStore } from "../adapters/local/memory-store.js";
import type { Condition } from "../domain/condition.js";
import type { ApiObject, Kind, ObjectChange, Store } from "../ports/store.js";
import type { NodeWorkload } from "../ports/workloads.js";
import { ControlPlane } from "./control-plane.js";
import { FakeNodes, type FakeNode } from "./testing/fake-nodes.js";

class SlowStore extends MemoryStore {
  delayMs = 0;
  updating = 0;

  override async update<K extends Kind>(object: ApiObject<K>): Promise<ApiObject<K>> {
    this.updating += 1;
    try {
      if (this.delayMs > 0) await delay(this.delayMs);
      return await super.update(object);
    } finally {
      this.updating -= 1;
    }
  }
}

/** Tells of nodes late, as a watch over a network may. */
class LateNodeStore extends MemoryStore {
  override watch<K extends Kind>(
    kind: K,
    resourceVersion: string,
    listener: (change: ObjectChange<K>) => void,
  ): () => void {
    if (kind !== "PrismNode") return super.watch(kind, resourceVersion, listener);
    return super.watch(kind, resourceVersion, (change) => void setTimeout(() => listener(change), 400));
  }
}

/** One node's process comes up when it is released. */
class HeldBackNodes extends FakeNodes {
  readonly #name: string;
  #release: () => void = () => undefined;

  constructor(name: string) {
    super();
    this.#name = name;
  }

  override async ensure(workload: NodeWorkload): Promise<void> {
    if (workload.name !== this.#name) return super.ensure(workload);
    this.#release = () => void super.ensure(workload);
  }

  release(): void {
    this.#release();
  }
}

interface Running {
  readonly plane: ControlPlane;
  readonly nodes: FakeNodes;
  readonly store: Store;
}

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const HEALTH = { heartbeatIntervalMs: 50, failureThreshold: 4, suspectTimeoutMs: 300, replicaTimeoutMs: 100 };

async function start(
  options: {
    store?: Store;
    nodes?: FakeNodes;
    count?: number;
    health?: Partial<typeof HEALTH>;
    isWhole?: boolean;
  } = {},
): Promise<Running> {
  const { store = new MemoryStore(), nodes = new FakeNodes(), count = 3 } = options;
  const cluster = parseCluster({
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCluster",
    metadata: { name: "demo" },
    spec: { version: "0.1.0", nodes: count, health: { ...HEALTH, ...options.health } },
  });
  const plane = await ControlPlane.start({
    cluster,
    store,
    workloads: nodes,
    dialer: nodes,
    log: pino({ level: "silent" }),
    workersPerNode: 1,
    nodeEnv: {},
  });
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (!stopped) await plane.stop();
    stopped = true;
  };
  cleanups.push(stop);
  const wanted = options.isWhole === false ? count - 1 : count;
  const isUp = (): boolean => plane.status().nodes.filter((node) => node.ready).length >= wanted;
  expect(await plane.waitFor(isUp, 5000)).toBe(true);
  return { plane, nodes, store };
}

function create(node: FakeNode, name: string, spec: object = {}): Promise<CollectionAnswer> {
  return request(node, "create", name, spec);
}

function request(node: FakeNode, action: string, name: string, spec: object = {}): Promise<CollectionAnswer> {
  return node.requestCollection({ action, name, specJson: Buffer.from(JSON.stringify(spec)) });
}

function codeOf(answer: CollectionAnswer): string {
  return answer.error?.code ?? answer.result;
}

function isWhole(status: StatusResponse): boolean {
  if (status.status !== "ok" || status.shards.length === 0 || status.problems.length > 0) return false;
  return status.shards.every((shard) => shard.state === "ok" && shard.inSync === 3);
}

async function whole({ plane }: Running): Promise<void> {
  const reached = await plane.waitFor(() => isWhole(plane.status()), 5000);
  if (!reached) throw new Error(JSON.stringify({ status: plane.status(), events: plane.events.latest(30) }));
}

test("a node that is seen for the first time gets the copies that wait for it, however late the store tells of it", async () => {
  const nodes = new HeldBackNodes("node-c-0");
  const running = await start({ store: new LateNodeStore(), nodes, isWhole: false });
  const [first] = nodes.all() as [FakeNode];
  await create(first, "speeches", { shards: 2 });
  const { plane } = running;
  const waits = (): boolean => plane.status().shards.every((shard) => shard.unassigned.length === 1);
  expect(await plane.waitFor(() => plane.status().shards.length === 2 && waits(), 5000)).toBe(true);
  nodes.release();
  await whole(running);
});

describe("collections over a node's stream", () => {
  test("a collection is usable when it is answered, and all its copies come in sync", async () => {
    const running = await start();
    const [first] = running.nodes.all() as [FakeNode];
    const answer = await create(first, "speeches", { shards: 4 });
    expect(codeOf(answer)).toBe("created");
    expect(JSON.parse(Buffer.from(answer.specJson).toString())).toMatchObject({
      name: "speeches",
      shards: 4,
    });
    expect(first.map?.collections.map((collection) => collection.name)).toEqual(["speeches"]);
    for (const shard of running.plane.status().shards) expect(shard.primary).not.toBeNull();
    await whole(running);
    expect(running.plane.status()).toMatchObject({
      status: "ok",
      shardCount: 4,
      replicaCount: 12,
      problems: [],
    });
    expect(first.map?.shards.every((shard) => shard.bootstrap === "")).toBe(true);
  });

  test("the same definition again is unchanged, another one differs by path", async () => {
    const { nodes } = await start();
    const [first, second] = nodes.all() as [FakeNode, FakeNode];
    await create(first, "speeches", { shards: 1 });
    expect(codeOf(await create(second, "speeches", { shards: 1 }))).toBe("unchanged");
    const differs = await create(second, "speeches", { shards: 2 });
    expect(codeOf(differs)).toBe("collectionDiffers");
    expect(JSON.parse(Buffer.from(differs.error?.errorsJson ?? "").toString())).toMatchObject([
      { pointer: "/shards" },
    ]);
    expect(codeOf(await create(first, "bad", { shards: 0 }))).toBe("invalidRequest");
  });

  test("of two nodes that create one name at once, one creates it", async () => {
    const { nodes, plane } = await start();
    const answers = await Promise.all(nodes.all().map((node) => create(node, "speeches", { shards: 2 })));
    expect(answers.map(codeOf).sort()).toEqual(["created", "unchanged", "unchanged"]);
    expect(plane.status().shardCount).toBe(2);
  });

  test("a patch adds fields, deletion is protected until a patch allows it, and takes the records along", async () => {
    const { nodes, store, plane } = await start();
    const [first] = nodes.all() as [FakeNode];
    await create(first, "speeches", { shards: 2, deletionProtection: true });
    const patch = { fields: [{ name: "title", type: "text" }] };
    expect(codeOf(await request(first, "patch", "speeches", patch))).toBe("updated");
    expect(codeOf(await request(first, "patch", "speeches", patch))).toBe("unchanged");
    expect(codeOf(await request(first, "delete", "speeches"))).toBe("deletionProtected");
    expect(codeOf(await request(first, "patch", "speeches", { deletionProtection: false }))).toBe("updated");
    expect(codeOf(await request(first, "delete", "speeches"))).toBe("deleted");
    expect((await store.list("PrismShard")).items).toEqual([]);
    expect(first.map?.collections).toEqual([]);
    expect(codeOf(await request(first, "delete", "speeches"))).toBe("collectionNotFound");
    expect(codeOf(await create(first, "speeches", { shards: 3 }))).toBe("created");
    expect(plane.status().shardCount).toBe(3);
  });

  test("a collection of another manager is not changed over HTTP", async () => {
    const { nodes, store } = await start();
    const [first] = nodes.all() as [FakeNode];
    await create(first, "speeches", { shards: 1 });
    const object = await store.get("PrismCollection", "speeches");
    if (!object) throw new Error("no collection");
    await store.update({ ...object, metadata: { ...object.metadata, labels: { managedBy: "kubectl" } } });
    expect(codeOf(await request(first, "delete", "speeches"))).toBe("managedElsewhere");
  });
});

describe("failover", () => {
  async function withShards(count = 6, health: Partial<typeof HEALTH> = {}): Promise<Running> {
    const running = await start({ health });
    await create(running.nodes.all()[0] as FakeNode, "speeches", { shards: count });
    await whole(running);
    return running;
  }

  test("when a node's process ends its primaries move at once, and it takes part again when it is back", async () => {
    // With these times no missed heartbeat can bring it about within the test.
    const running = await withShards(6, { heartbeatIntervalMs: 30_000, suspectTimeoutMs: 60_000 });
    const { plane, nodes } = running;
    const [victim] = nodes.all() as [FakeNode];
    expect(plane.status().shards.some((shard) => shard.primary === victim.name)).toBe(true);
    victim.kill();
    const moved = (): boolean =>
      plane.status().shards.every((shard) => shard.primary !== null && shard.primary !== victim.name);
    expect(await plane.waitFor(moved, 5000)).toBe(true);
    victim.start();
    await whole(running);
    expect(plane.status().status).toBe("ok");
  });

  test("a node that stands still is suspect by its missed heartbeats, and its primaries move", async () => {
    const { plane, nodes } = await withShards();
    const [victim] = nodes.all() as [FakeNode];
    victim.frozen = true;
    const moved = (): boolean =>
      plane.status().shards.every((shard) => shard.primary !== null && shard.primary !== victim.name);
    expect(await plane.waitFor(moved, 3000)).toBe(true);
    expect(plane.events.latest().map((event) => event.reason)).toContain("NodeSuspect");
  });

  test("a wall clock that is set back keeps neither a dead node from being noticed nor maps from being sent", async () => {
    const { plane, nodes } = await withShards();
    const [victim] = nodes.all() as [FakeNode];
    const wallClock = Date.now.bind(Date);
    vi.spyOn(Date, "now").mockImplementation(() => wallClock() - 3_600_000);
    cleanups.push(async () => void vi.restoreAllMocks());
    victim.frozen = true;
    const moved = (): boolean =>
      plane.status().shards.every((shard) => shard.primary !== null && shard.primary !== victim.name);
    expect(await plane.waitFor(moved, 3000)).toBe(true);
  });

  test("a node that connects again while its identity is being stored stays connected", async () => {
    const store = new SlowStore();
    const { plane, nodes } = await start({ store });
    const [victim] = nodes.all() as [FakeNode];
    store.delayMs = 100;
    for (let connection = 0; connection < 2; connection += 1) {
      const hellos = victim.leaderEpochs.length;
      victim.bootId = `boot-${connection}`;
      victim.breakConnections();
      await vi.waitFor(() => expect(victim.leaderEpochs.length).toBe(hellos + 1));
    }
    await vi.waitFor(async () => {
      const object = await store.get("PrismNode", victim.name);
      expect(object?.status.bootId).toBe("boot-1");
      expect(store.updating).toBe(0);
    });
    expect(await plane.waitFor(() => plane.isReady(), 2000)).toBe(true);
  });

  test("a leaving node hands its primaries over and is not treated as crashed", async () => {
    const { plane, nodes } = await withShards();
    const [victim] = nodes.all() as [FakeNode];
    victim.draining = true;
    victim.report();
    const moved = (): boolean => plane.status().shards.every((shard) => shard.primary !== victim.name);
    expect(await plane.waitFor(moved, 3000)).toBe(true);
    const reasons = new Set(plane.events.latest().map((event) => event.reason));
    expect(reasons).toContain("HandOff");
    expect(reasons).not.toContain("PrimarySuspect");
  });

  test("a node that comes back with an empty volume is another node, and its copies are made anew", async () => {
    const running = await withShards(2);
    const { plane, nodes } = running;
    const [victim] = nodes.all() as [FakeNode];
    const before = victim.volume.nodeId;
    victim.kill();
    victim.wipe();
    victim.start();
    await whole(running);
    const ids = plane.status().nodes.map((node) => node.id);
    expect(ids).not.toContain(before);
    expect(ids).toContain(victim.volume.nodeId);
  });

  test("all nodes restart at once: every shard is led again, in a higher term, with no copy lost", async () => {
    const running = await withShards(3);
    const { plane, nodes } = running;
    const terms = plane.status().shards.map((shard) => shard.term);
    for (const node of nodes.all()) node.kill();
    for (const node of nodes.all()) node.start();
    await whole(running);
    plane.status().shards.forEach((shard, i) => expect(shard.term).toBeGreaterThan(terms[i] ?? 0));
  });

  test("a new control plane goes on from the records, with a higher epoch and newer maps", async () => {
    const running = await withShards(3);
    const { plane, nodes, store } = running;
    const [node] = nodes.all() as [FakeNode];
    const before = node.map?.revision ?? 0;
    const clusterId = plane.clusterId;
    await plane.stop();
    const next = await start({ store, nodes });
    await whole(next);
    expect(next.plane.status().problems).toEqual([]);
    expect(next.plane.clusterId).toBe(clusterId);
    expect(new Set(node.leaderEpochs)).toEqual(new Set([1, 2]));
    expect(node.map?.revision).toBeGreaterThan(before);
  });

  test("a grown cluster says that existing shards do not move, and puts new ones on the new nodes", async () => {
    const first = await start();
    await create(first.nodes.all()[0]!, "before", { shards: 2 });
    await whole(first);
    await first.plane.stop();

    const grown = await start({ store: first.store, nodes: first.nodes, count: 6 });
    const event = grown.plane.events.latest().find(({ reason }) => reason === "ExistingShardsDoNotMove");
    expect(event?.evidence).toEqual({ nodes: ["node-a-1", "node-b-1", "node-c-1"] });
    await create(grown.nodes.all()[0]!, "after", { shards: 2 });
    await whole(grown);
    const placed = grown.plane.status().shards.map(({ collection, copies }) => ({ collection, copies }));
    const onNew = placed.filter(({ copies }) => copies.some(({ node }) => node.endsWith("-1")));
    expect(new Set(onNew.map(({ collection }) => collection))).toEqual(new Set(["after"]));
  });

  test("a lost record is not made anew while nodes hold its data", async () => {
    const { plane, store } = await withShards(2);
    const [shard] = (await store.list("PrismShard")).items;
    if (!shard) throw new Error("no shard");
    await store.delete("PrismShard", shard.metadata.name, { uid: shard.metadata.uid });
    const collection = await store.get("PrismCollection", "speeches");
    if (!collection) throw new Error("no collection");
    await store.update({ ...collection, metadata: { ...collection.metadata, labels: { managedBy: "x" } } });
    const told = (): boolean =>
      plane.status().problems.some((problem) => problem.reason === "ShardRecordLost");
    expect(await plane.waitFor(told, 3000)).toBe(true);
    expect((await store.list("PrismShard")).items).toHaveLength(1);
    expect(plane.status().status).toBe("unavailable");
  });

  test("records are read before any of them can pass for lost", async () => {
    const { plane, nodes, store } = await withShards(1);
    await plane.stop();
    const slow = new Proxy(store, {
      get: (target, key) => {
        if (key !== "list") return (Reflect.get(target, key) as (...args: unknown[]) => unknown).bind(target);
        return async (kind: "PrismShard") => {
          const turns = kind === "PrismShard" ? 20 : 0;
          for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
          return target.list(kind);
        };
      },
    });
    const next = await start({ store: slow, nodes });
    await whole(next);
    expect(next.plane.events.latest().map((event) => event.reason)).not.toContain("ShardRecordLost");
  });
});

describe("the loss of a shard's data", () => {
  test("is described, and refused while a copy in sync lives or the shard's name is not confirmed", async () => {
    const running = await start();
    const [first] = running.nodes.all() as [FakeNode];
    await create(first, "speeches", { shards: 1 });
    await whole(running);
    const described = await request(first, "describeDataLoss", "speeches/0");
    const loss = dataLossSchema.parse(JSON.parse(Buffer.from(described.specJson).toString()));
    expect(loss).toMatchObject({ shard: "speeches/0", acceptable: false, chosen: null, knownLost: null });
    expect(loss.copies.map(({ inSync, reachable }) => [inSync, reachable])).toEqual(
      Array.from({ length: 3 }, () => [true, true]),
    );
    const accept = (confirm: string, name = "speeches/0"): Promise<CollectionAnswer> =>
      request(first, "acceptDataLoss", name, { confirm });
    expect(codeOf(await accept("speeches"))).toBe("invalidRequest");
    const refused = await accept("speeches/0");
    expect(codeOf(refused)).toBe("dataLossRefused");
    expect(refused.error?.detail).toContain("nothing is lost");
    expect(codeOf(await accept("speeches/1", "speeches/1"))).toBe("notFound");
    expect(codeOf(await accept("none/0", "none/0"))).toBe("collectionNotFound");
    expect(running.plane.status().shards[0]).toMatchObject({ term: 1, inSync: 3 });
  });
});

describe("a control plane that is cut off after any write", () => {
  /** Passes the first writes on and then none. */
  function cutAfter(store: Store, writes: number): Store {
    let left = writes;
    return new Proxy(store, {
      get: (target, key) => {
        const method = (Reflect.get(target, key) as (...args: unknown[]) => unknown).bind(target);
        if (key !== "create" && key !== "update" && key !== "delete") return method;
        return async (...args: unknown[]) => {
          if (left === 0) throw new Error("cut off");
          left -= 1;
          return method(...args);
        };
      },
    });
  }

  // Taking the lead and storing the nodes' identities and the first conditions takes 8 writes; making the collection and its
  // two shards, filling their copies, moving a primary and keeping the conditions takes the others.
  const points = Array.from({ length: 20 }, (_, i) => 8 + i);
  test.each(points)(
    "is followed by one that brings everything to its end: after write %i",
    async (writes) => {
      const store = new MemoryStore();
      const nodes = new FakeNodes();
      const first = await start({ store: cutAfter(store, writes), nodes });
      const [node, victim] = nodes.all() as [FakeNode, FakeNode];
      void create(node, "speeches", { shards: 2 });
      await first.plane.waitFor(() => isWhole(first.plane.status()), 100);
      victim.kill();
      await first.plane.waitFor(() => false, 30);
      await first.plane.stop();

      const next = await start({ store, nodes });
      expect(["created", "unchanged"]).toContain(codeOf(await create(node, "speeches", { shards: 2 })));
      await whole(next);
      expect(next.plane.status()).toMatchObject({ status: "ok", shardCount: 2, problems: [] });
    },
  );
});

describe("status", () => {
  test("fits its schema in every state, and names what is wrong, since when and what happens next", async () => {
    const { plane, nodes } = await start();
    expect(() => statusResponseSchema.parse(plane.status())).not.toThrow();
    await create(nodes.all()[0] as FakeNode, "speeches", { shards: 2 });
    (nodes.all()[0] as FakeNode).kill();
    const noticed = (): boolean =>
      plane.status().problems.some((problem) => problem.object.startsWith("node/"));
    expect(await plane.waitFor(noticed, 3000)).toBe(true);
    const status = statusResponseSchema.parse(plane.status());
    expect(status.activeNodes).toBe(2);
    for (const problem of status.problems) expect(problem.next).not.toBe("");
  });

  test("the loss of one zone is tolerated exactly while every shard keeps enough copies elsewhere", async () => {
    const running = await start();
    await create(running.nodes.all()[0] as FakeNode, "speeches", { shards: 2 });
    await whole(running);
    expect(running.plane.status().zoneLossTolerated).toBe(true);
    expect(running.plane.status().topology).toMatchObject([
      { zone: "a", survivesLoss: true },
      { zone: "b", survivesLoss: true },
      { zone: "c", survivesLoss: true },
    ]);
    (running.nodes.all()[2] as FakeNode).kill();
    expect(await running.plane.waitFor(() => !running.plane.status().zoneLossTolerated, 3000)).toBe(true);
  });

  test("all conditions are there from the first pass", async () => {
    const { plane } = await start();
    expect(await plane.waitFor(() => plane.conditions().length > 0, 3000)).toBe(true);
    expect(plane.conditions().map((condition) => condition.type)).toEqual([
      "Ready",
      "Available",
      "Progressing",
      "Degraded",
      "Stalled",
      "ZoneLossTolerated",
    ]);
  });

  test("conditions are kept in the cluster's object, with the times at which they turned", async () => {
    const { plane, nodes, store } = await start();
    const stored = async (): Promise<Map<string, Condition>> => {
      const object = await store.get("PrismCluster", "demo");
      expect(object?.status.observedGeneration).toBe(object?.metadata.generation);
      return new Map(object?.status.conditions.map((condition) => [condition.type, condition]));
    };
    const until = async (type: string, status: string): Promise<Map<string, Condition>> =>
      vi.waitFor(
        async () => {
          const conditions = await stored();
          expect(conditions.get(type)?.status).toBe(status);
          return conditions;
        },
        { timeout: 5000, interval: 10 },
      );
    const before = await until("Ready", "True");
    expect(before.size).toBe(6);
    expect([...before.values()].every((condition) => condition.observedGeneration === 1)).toBe(true);
    (nodes.all()[2] as FakeNode).kill();
    const after = await until("Ready", "False");
    expect(after.get("Degraded")).toMatchObject({ status: "True" });
    expect(after.get("Available")?.lastTransitionTime).toBe(before.get("Available")?.lastTransitionTime);
    const turned = (conditions: typeof before): number =>
      Date.parse(conditions.get("Ready")!.lastTransitionTime);
    expect(turned(after)).toBeGreaterThan(turned(before));
    expect([...after.values()]).toEqual(plane.conditions());
  });

  test("a control plane that takes over goes on with the conditions' times", async () => {
    const first = await start();
    await vi.waitFor(
      async () => expect((await first.store.get("PrismCluster", "demo"))?.status.conditions).toHaveLength(6),
      { timeout: 5000, interval: 10 },
    );
    const before = (await first.store.get("PrismCluster", "demo"))!.status.conditions;
    await first.plane.stop();
    const next = await start({ store: first.store, nodes: first.nodes });
    const stalled = (conditions: readonly Condition[]): string | undefined =>
      conditions.find(({ type }) => type === "Stalled")?.lastTransitionTime;
    expect(stalled(next.plane.conditions())).toBe(stalled(before));
  });
});
