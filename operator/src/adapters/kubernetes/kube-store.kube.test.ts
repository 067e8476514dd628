import type { ApiClient } from "@prism/kube-machinery/api-client";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ApiObject, NewObject, ObjectChange } from "../../ports/store.js";
import { connectToTestServer, installKinds, makeNamespace } from "../testing/kube-home.js";
import { describeStoreContract, failure, nodeObject, withNodeId } from "../testing/store-contract.js";
import { KubeStore, type RawCaches } from "./kube-store.js";
import { PRISM_COLLECTIONS, PRISM_SHARDS, type RawObject } from "./prism-resources.js";
import { RecordWatches } from "./record-watches.js";

let client: ApiClient;
const cleanups: (() => Promise<void>)[] = [];

beforeAll(async () => {
  client = connectToTestServer();
  await installKinds(client);
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
afterAll(() => client.close());

interface Home {
  readonly namespace: string;
  readonly caches: RawCaches;
  /** The watches from now on say nothing. */
  readonly cutWatches: () => Promise<void>;
}

async function home(): Promise<Home> {
  const namespace = await makeNamespace(client);
  const watches = new RecordWatches({ client, namespaces: [namespace], onError: () => undefined });
  const cutWatches = (): Promise<void> => watches.stop();
  cleanups.push(cutWatches);
  await watches.start();
  return { namespace, caches: watches.cachesOf(namespace), cutWatches };
}

const REMEMBERED = 200;

function storeOf({ namespace, caches }: Home, cluster = "demo"): KubeStore {
  const store = new KubeStore({ client, caches, namespace, cluster, remembered: REMEMBERED });
  cleanups.push(() => store.close());
  return store;
}

describeStoreContract("API server", {
  open: async () => storeOf(await home()),
  generationCountsStatus: true,
  remembered: REMEMBERED,
});

function shardObject(collection: string, number: number): NewObject<"PrismShard"> {
  return {
    kind: "PrismShard",
    name: `demo.${collection}.${number}`,
    spec: {
      clusterRef: { name: "demo" },
      collection,
      collectionUid: "c",
      number,
      clusterId: "id",
      bootstrap: "nonce",
    },
    status: {
      term: 1,
      version: 1,
      historyId: "h",
      primary: "a",
      inSync: ["a"],
      recovering: [],
      copies: [{ id: "a", node: "n", zone: "a" }],
      departed: [],
      lastChange: { reason: "ShardCreated", at: 1 },
    },
  };
}

function collectionObject(name: string): NewObject<"PrismCollection"> {
  return {
    kind: "PrismCollection",
    name,
    labels: { managedBy: "prism-http" },
    spec: {
      clusterRef: { name: "demo" },
      name,
      shards: 1,
      replication: { factor: 3, minReplicasForWrite: 2 },
      unknownFields: "Store",
      fields: [],
      deletionProtection: false,
    },
    status: { shardsCreated: false },
  };
}

describe("the store of a cluster on the API server", () => {
  test("a writer hears its own write while the watch is silent, and decides again from what others wrote", async () => {
    const place = await home();
    const [one, other] = [storeOf(place), storeOf({ ...(await home()), namespace: place.namespace })];
    await place.cutWatches();
    const heard: string[] = [];
    one.watch("PrismNode", (await one.list("PrismNode")).resourceVersion, ({ object }) =>
      heard.push(object.status.nodeId),
    );
    const made = await one.create(nodeObject("n1"));
    await one.update(withNodeId(made, "first"));
    expect(heard).toEqual(["", "first"]);
    const theirs = await other.get("PrismNode", "n1");
    expect(theirs?.status.nodeId).toBe("first");
    await other.update(withNodeId(theirs as ApiObject<"PrismNode">, "second"));
    const stale = await one.list("PrismNode");
    expect(await failure(one.update(withNodeId(stale.items[0]!, "third")))).toBe("conflict");
    expect(heard).toEqual(["", "first", "second"]);
  });

  test("events from before a write do not take it back, nor bring back what was deleted", async () => {
    const place = await home();
    const store = storeOf(place);
    await place.cutWatches();
    const seen: ObjectChange<"PrismNode">[] = [];
    store.watch("PrismNode", (await store.list("PrismNode")).resourceVersion, (change) => seen.push(change));
    const made = await store.create(nodeObject("n1"));
    const cache = place.caches.PrismNode;
    const old = cache.get(`${place.namespace}/n1`)!;
    const changed = await store.update(withNodeId(made, "one"));
    cache.take(old);
    await store.delete("PrismNode", "n1", { uid: changed.metadata.uid });
    cache.take(old);
    expect(seen.map(({ type, object }) => [type, object.status.nodeId])).toEqual([
      ["put", ""],
      ["put", "one"],
      ["deleted", "one"],
    ]);
  });

  test("two clusters in one namespace have collections and records of the same name, each its own", async () => {
    const place = await home();
    const [demo, shop] = [storeOf(place, "demo"), storeOf(place, "shop")];
    await demo.create(collectionObject("Notes_1"));
    await shop.create(collectionObject("Notes_1"));
    await demo.create(shardObject("Notes_1", 0));
    await shop.create({ ...shardObject("Notes_1", 0), name: "shop.Notes_1.0" });
    expect((await demo.list("PrismCollection")).items).toHaveLength(1);
    const [record] = (await shop.list("PrismShard")).items;
    expect(record?.metadata.name).toBe("shop.Notes_1.0");
    expect(record?.spec.clusterRef.name).toBe("shop");
    expect(await failure(demo.create(collectionObject("Notes_1")))).toBe("alreadyExists");
  });

  test("a collection of HTTP is changed by HTTP until somebody else owns a part of it", async () => {
    const place = await home();
    const store = storeOf(place);
    const made = await store.create(collectionObject("notes"));
    expect(made.metadata.labels["managedBy"]).toBe("prism-http");
    const grown = await store.update({
      ...made,
      spec: { ...made.spec, fields: [{ name: "title", type: "text", analyzer: "english" }] as never },
    });
    expect(grown.spec.fields).toHaveLength(1);
    expect(grown.metadata.generation).toBeGreaterThan(made.metadata.generation);
    const created = await store.update({ ...grown, status: { shardsCreated: true } });
    expect(created).toMatchObject({ status: { shardsCreated: true }, spec: { fields: [{ name: "title" }] } });
    const [raw] = [...place.caches.PrismCollection.values()];
    await client.patch(
      PRISM_COLLECTIONS,
      { namespace: place.namespace, name: raw!.metadata.name },
      { type: "merge", body: { spec: { deletionProtection: true } } },
      { fieldManager: "kubectl-edit" },
    );
    const taken = await store.get("PrismCollection", "notes");
    expect(taken?.metadata.labels["managedBy"]).toBe("kubectl-edit");
  });

  test("a record that was put back without its status is shown without one, under its name", async () => {
    const place = await home();
    const store = storeOf(place);
    const made = await store.create(shardObject("notes", 0));
    await store.delete("PrismShard", made.metadata.name, { uid: made.metadata.uid });
    await client.create<RawObject>(PRISM_SHARDS, {
      apiVersion: "prism.dev/v1alpha1",
      kind: "PrismShard",
      metadata: { name: "demo.notes.0", namespace: place.namespace },
      spec: { ...shardObject("notes", 0).spec },
    });
    const emptied = await store.get("PrismShard", "demo.notes.0");
    expect(emptied?.metadata.name).toBe("demo.notes.0");
    expect(emptied?.status).toEqual({});
    expect(await failure(store.create(shardObject("notes", 0)))).toBe("alreadyExists");
  });

  test("what outlives the cluster keeps identity, epoch and settings in one record", async () => {
    const store = storeOf(await home());
    const spec = { version: "0.1.0", nodes: 3 } as unknown as ApiObject<"PrismCluster">["spec"];
    const status = {
      clusterId: "id",
      leaderEpoch: 1,
      observedGeneration: 1,
      conditions: [],
      deletedCollections: [],
    };
    const made = await store.create({ kind: "PrismCluster", name: "demo", spec, status });
    const led = await store.update({ ...made, status: { ...made.status, leaderEpoch: 2 } });
    expect(await failure(store.update({ ...made, status: { ...made.status, leaderEpoch: 3 } }))).toBe(
      "conflict",
    );
    const grown = await store.update({ ...led, spec: { ...spec, nodes: 4 } });
    expect(grown).toMatchObject({ spec: { nodes: 4 }, status: { leaderEpoch: 2, clusterId: "id" } });
    expect([led.metadata.generation, grown.metadata.generation]).toEqual([1, 2]);
    expect(await store.get("PrismCluster", "demo")).toEqual(grown);
  });
});
