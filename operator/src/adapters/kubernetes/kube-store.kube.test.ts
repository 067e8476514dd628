import type { ApiClient } from "@prism/kube-machinery/api-client";
import { ApiError } from "@prism/kube-machinery/api-error";
import type { Resource } from "@prism/kube-machinery/resource";
import { describe, expect, test } from "vitest";
import type { ApiObject, NewObject, ObjectChange } from "../../ports/store.js";
import { makeNamespace } from "../testing/kube-home.js";
import { useTestServer } from "../testing/test-server.js";
import { describeStoreContract, failure, nodeObject, withNodeId } from "../testing/store-contract.js";
import { KubeStore, type RawCaches } from "./kube-store.js";
import {
  CONFIG_MAPS,
  PRISM_COLLECTIONS,
  PRISM_SHARDS,
  type ConfigMap,
  type RawObject,
} from "./prism-resources.js";
import { RecordWatches } from "./record-watches.js";

const { client, cleanups } = useTestServer();

interface Home {
  readonly namespace: string;
  readonly caches: RawCaches;
  /** The watches from now on say nothing. */
  readonly cutWatches: () => Promise<void>;
}

async function home(existing?: string): Promise<Home> {
  const namespace = existing ?? (await makeNamespace(client));
  const watches = new RecordWatches({ client, namespaces: [namespace], onError: () => undefined });
  const cutWatches = (): Promise<void> => watches.stop();
  cleanups.push(cutWatches);
  await watches.start();
  return { namespace, caches: watches.cachesOf(namespace), cutWatches };
}

const REMEMBERED = 200;

function storeOf({ namespace, caches }: Home, cluster = "demo", through = client): KubeStore {
  const store = new KubeStore({ client: through, caches, namespace, cluster, remembered: REMEMBERED });
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

/** A client whose writes of ConfigMaps are counted, and refused while they are. */
function watchedClient(): { client: ApiClient; writes: () => number; refuse: (yes: boolean) => void } {
  let [writes, refused] = [0, false];
  const watched = new Proxy(client, {
    get: (target, name) => {
      const method = Reflect.get(target, name) as unknown;
      if (typeof method !== "function") return method;
      const call = method.bind(target) as (...args: unknown[]) => Promise<unknown>;
      if (name !== "create" && name !== "replace") return call;
      return (resource: Resource, ...rest: unknown[]) => {
        if (resource.kind !== "ConfigMap") return call(resource, ...rest);
        writes += 1;
        if (refused) throw new ApiError({ status: 500, reason: "InternalError", message: "no space" });
        return call(resource, ...rest);
      };
    },
  });
  return { client: watched, writes: () => writes, refuse: (yes) => (refused = yes) };
}

function changedRecord(shard: ApiObject<"PrismShard">): ApiObject<"PrismShard"> {
  return { ...shard, status: { ...shard.status, version: shard.status.version + 1 } };
}

describe("the versions that records have come to", () => {
  const records = (place: Home) => ({ namespace: place.namespace, name: "demo-records" });
  const versions = async (place: Home) => (await client.get<ConfigMap>(CONFIG_MAPS, records(place)))?.data;

  test("are on record before a record is shown, and a change waits until they are", async () => {
    const [place, watched] = [await home(), watchedClient()];
    const store = storeOf(place, "demo", watched.client);
    const made = await store.create(shardObject("notes", 0));
    expect(await versions(place)).toEqual({ c: "1" });
    watched.refuse(true);
    await expect(store.update(changedRecord(made))).rejects.toThrow("no space");
    const name = made.metadata.name;
    const [raw] = [...place.caches.PrismShard.values()];
    expect(raw?.status?.["version"]).toBe(2);
    expect(store.find("PrismShard", name)?.metadata.resourceVersion).toBe(raw?.metadata.resourceVersion);
    await expect(store.get("PrismShard", name)).rejects.toThrow("no space");
    const shown: number[] = [];
    const from = String(Number((await store.list("PrismNode")).resourceVersion));
    store.watch("PrismShard", from, ({ object }) => shown.push(object.status.version));
    expect(shown).toEqual([]);
    watched.refuse(false);
    expect((await store.get("PrismShard", name))?.status.version).toBe(2);
    expect(shown).toEqual([2]);
    expect(await versions(place)).toEqual({ c: "2" });
  });

  test("of many records that change at once go into few writes", async () => {
    const [place, watched] = [await home(), watchedClient()];
    const store = storeOf(place, "demo", watched.client);
    const made = await Promise.all(
      Array.from({ length: 64 }, (_, i) => store.create(shardObject("notes", i))),
    );
    await Promise.all(made.map((shard) => store.update(changedRecord(shard))));
    expect(watched.writes()).toBeLessThan(40);
    expect((await versions(place))?.["c"]?.split(",")).toEqual(Array.from({ length: 64 }, () => "2"));
  });

  test("show a record that was put back without its content, also to who begins then", async () => {
    const place = await home();
    const store = storeOf(place);
    const made = await store.create(shardObject("notes", 0));
    await store.update(changedRecord(made));
    const { namespace, name } = [...place.caches.PrismShard.values()][0]!.metadata;
    const at = { namespace: namespace!, name };
    await client.delete(PRISM_SHARDS, at, { preconditions: { uid: made.metadata.uid } });
    const { spec, status } = shardObject("notes", 0);
    const manifest = { apiVersion: "prism.dev/v1alpha1", kind: "PrismShard", metadata: at, spec, status };
    await client.create(PRISM_SHARDS, manifest);
    for (const one of [store, storeOf({ ...(await home(place.namespace)) })]) {
      expect((await one.get("PrismShard", made.metadata.name))?.status).toEqual({});
      expect((await one.list("PrismShard")).items.map((item) => item.status)).toEqual([{}]);
      expect(one.highestVersion("c", 0)).toBe(2);
    }
  });

  test("of two writers are kept, whoever wrote first, and are made again when somebody deletes them", async () => {
    const place = await home();
    const [one, other] = [storeOf(place), storeOf(await home(place.namespace))];
    await Promise.all([one.create(shardObject("notes", 0)), other.create(shardObject("notes", 1))]);
    expect(await versions(place)).toEqual({ c: "1,1" });
    const present = await client.get(CONFIG_MAPS, records(place));
    await client.delete(CONFIG_MAPS, records(place), { preconditions: { uid: present!.metadata.uid } });
    expect(await one.restoreLedger()).toBe(true);
    expect(await one.restoreLedger()).toBe(false);
    expect((await versions(place))?.["c"]).toMatch(/^1,1?$/);
    await other.update(changedRecord((await other.get("PrismShard", "demo.notes.1"))!));
    expect(await versions(place)).toEqual({ c: "1,2" });
  });

  test("that are damaged are not guessed at", async () => {
    const place = await home();
    const metadata = { ...records(place) };
    const damaged: ConfigMap = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { c: "1;2" } };
    await client.create(CONFIG_MAPS, damaged);
    await expect(storeOf(place).list("PrismShard")).rejects.toThrow(/demo-records is damaged.*restore it/);
  });
});

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
