import type { ClusterObjectStatus } from "@prism/api/cluster-status";
import { collectionObjectName } from "@prism/api/object-names";
import { EVENTS } from "@prism/kube-machinery/event-recorder";
import type { KubeObject } from "@prism/kube-machinery/kube-object";
import { describe, expect, test } from "vitest";
import {
  CONFIG_MAPS,
  PRISM_CLUSTERS,
  PRISM_COLLECTIONS,
  PRISM_NODES,
  PRISM_SHARDS,
  type ConfigMap,
  type RawObject,
} from "../adapters/kubernetes/prism-resources.js";
import { connectToTestServer, makeNamespace } from "../adapters/testing/kube-home.js";
import { useTestServer } from "../adapters/testing/test-server.js";
import type { OperatorProcess } from "./operator-process.js";
import { FakeHome } from "./testing/fake-home.js";
import {
  collectionManifest,
  condition,
  conditionOf,
  createCluster,
  HEALTH,
  operate,
  until,
  WAIT_MS,
  ZONES,
} from "./testing/operator-world.js";

const { client, cleanups } = useTestServer();

interface Place {
  readonly namespace: string;
  readonly home: FakeHome;
  readonly operate: () => Promise<OperatorProcess>;
}

async function place(): Promise<Place> {
  const namespace = await makeNamespace(client);
  const home = new FakeHome();
  cleanups.push(() => home.close());
  const operateHere = async (): Promise<OperatorProcess> => {
    const own = connectToTestServer();
    const operator = await operate({ namespace, client: own, home });
    let stopped: Promise<void> | undefined;
    const stop = operator.stop.bind(operator);
    operator.stop = () => (stopped ??= stop());
    cleanups.push(() => operator.stop());
    return operator;
  };
  return { namespace, home, operate: operateHere };
}

describe("the operator", () => {
  test("makes an applied cluster ready, and says in its status what it found", async () => {
    const { namespace, operate } = await place();
    await createCluster(client, namespace, "demo", ZONES);
    await operate();
    const at = { namespace, name: "demo" };
    const object = await condition(client, PRISM_CLUSTERS, at, "Ready", "True");
    const status = object.status as unknown as ClusterObjectStatus;
    expect(status).toMatchObject({ nodes: 3, readyNodes: 3, version: "0.1.0", topology: { domain: "Zone" } });
    expect(status.topology?.zones.map((zone) => zone.name)).toEqual(["a", "b", "c"]);
    expect(status.conditions.map((one) => one.type)).toHaveLength(6);
    const nodes = await client.list<RawObject>(PRISM_NODES, { namespace });
    expect(nodes.items.map((node) => node.metadata.name)).toEqual(["demo-a-0", "demo-b-0", "demo-c-0"]);
    const identity = await client.get<ConfigMap>(CONFIG_MAPS, { namespace, name: "demo-identity" });
    expect(identity?.data?.["clusterId"]).toBe(status.clusterId);
    await until("events", async () => {
      const { items } = await client.list<KubeObject & { readonly reason: string }>(EVENTS, { namespace });
      return items.some((event) => event.reason === "LeadTaken");
    });
  });

  test("is taken over within 5 s by one that stands by, in a higher epoch and without a node being suspected", async () => {
    const { namespace, home, operate: operateHere } = await place();
    const at = { namespace, name: "demo" };
    await createCluster(client, namespace, "demo", ZONES);
    const first = await operateHere();
    await condition(client, PRISM_CLUSTERS, at, "Ready", "True");
    await client.create(PRISM_COLLECTIONS, collectionManifest(namespace, "notes", {}));
    await condition(client, PRISM_COLLECTIONS, { namespace, name: "notes" }, "Ready", "True");
    const second = await operateHere();
    expect(second.isLeading()).toBe(false);
    const before = await client.list<RawObject>(PRISM_SHARDS, { namespace });
    const began = performance.now();
    await first.stop();
    const key = `${namespace}/demo`;
    const plane = await until("another leader", async () => second.planes().get(key));
    expect(performance.now() - began).toBeLessThan(5000);
    expect(await plane.waitFor(() => plane.status().status === "ok", WAIT_MS)).toBe(true);
    const reasons = plane.events.latest().map((event) => event.reason);
    expect(reasons).not.toContain("NodeSuspect");
    expect(reasons).not.toContain("PrimarySuspect");
    const [node] = home.nodesOf(at).all();
    expect(node!.leaderEpochs.at(-1)).toBeGreaterThan(node!.leaderEpochs[0]!);
    const after = await client.list<RawObject>(PRISM_SHARDS, { namespace });
    const terms = (list: typeof before): unknown[] => list.items.map((item) => item.status?.["term"]);
    expect(terms(after)).toEqual(terms(before));
  });

  test("takes collections from files and over HTTP as the same objects, and says of each how it is", async () => {
    const { namespace, home, operate } = await place();
    await createCluster(client, namespace, "demo", ZONES);
    await operate();
    await condition(client, PRISM_CLUSTERS, { namespace, name: "demo" }, "Ready", "True");
    const [node] = home.nodesOf({ namespace, name: "demo" }).all();

    await client.create(PRISM_COLLECTIONS, collectionManifest(namespace, "notes", { name: "Notes" }));
    const notes = await condition(client, PRISM_COLLECTIONS, { namespace, name: "notes" }, "Ready", "True");
    expect(JSON.parse(String(notes.status?.["acceptedSpec"]))).toMatchObject({
      name: "Notes",
      replication: { factor: 3, minReplicasForWrite: 2 },
    });
    const seen = node!.map?.collections.map((collection) => collection.name);
    expect(seen).toEqual(["Notes"]);
    const patch = await node!.requestCollection({
      action: "delete",
      name: "Notes",
      specJson: new Uint8Array(),
    });
    expect(patch.error?.code).toBe("managedElsewhere");

    const body = Buffer.from(JSON.stringify({ shards: 1 }));
    const made = await node!.requestCollection({ action: "create", name: "Posts", specJson: body });
    expect(made).toMatchObject({ result: "created" });
    const { items } = await client.list<RawObject>(PRISM_COLLECTIONS, { namespace });
    const posts = items.find((item) => item.spec?.["name"] === "Posts");
    expect(posts?.metadata.name).toMatch(/^demo-posts-[0-9a-f]{8}$/);
    await condition(client, PRISM_COLLECTIONS, { namespace, name: posts!.metadata.name }, "Ready", "True");
    const gone = await node!.requestCollection({
      action: "delete",
      name: "Posts",
      specJson: new Uint8Array(),
    });
    expect(gone).toMatchObject({ result: "deleted" });
  });

  test("refuses what a collection can't be, says so in a condition, and goes on as before", async () => {
    const { namespace, home, operate } = await place();
    await client.create(PRISM_COLLECTIONS, collectionManifest(namespace, "early", { name: "taken" }));
    await operate();
    const early = { namespace, name: "early" };
    await condition(client, PRISM_COLLECTIONS, early, "Accepted", "False", "ClusterNotFound");
    await createCluster(client, namespace, "demo", ZONES);
    await condition(client, PRISM_COLLECTIONS, early, "Ready", "True");
    await client.create(PRISM_COLLECTIONS, collectionManifest(namespace, "late", { name: "taken" }));
    await condition(client, PRISM_COLLECTIONS, { namespace, name: "late" }, "Accepted", "False", "NameTaken");
    const [node] = home.nodesOf({ namespace, name: "demo" }).all();
    expect(node!.map?.collections).toHaveLength(1);
    const fields = [{ name: "title", type: "text" }];
    await client.patch(PRISM_COLLECTIONS, early, { type: "merge", body: { spec: { fields } } });
    await condition(client, PRISM_COLLECTIONS, early, "Accepted", "True");
    const tooMany = collectionManifest(namespace, "broken", { replication: { minReplicasForWrite: 4 } });
    await client.create(PRISM_COLLECTIONS, tooMany);
    const broken = { namespace, name: "broken" };
    const refused = await condition(client, PRISM_COLLECTIONS, broken, "Accepted", "False", "SpecInvalid");
    expect(conditionOf(refused, "Accepted")?.message).toContain("minReplicasForWrite");
    expect(node!.map?.collections).toHaveLength(1);
    const { uid } = (await client.get<RawObject>(PRISM_COLLECTIONS, early))!.metadata;
    await client.delete(PRISM_COLLECTIONS, early, { preconditions: { uid } });
    await condition(client, PRISM_COLLECTIONS, { namespace, name: "late" }, "Ready", "True");
  });

  test("answers a collection whose object is another's with a conflict that names it, and changes nothing", async () => {
    const { namespace, home, operate } = await place();
    await createCluster(client, namespace, "demo", ZONES);
    await operate();
    await condition(client, PRISM_CLUSTERS, { namespace, name: "demo" }, "Ready", "True");
    const [node] = home.nodesOf({ namespace, name: "demo" }).all();
    const create = (name: string) =>
      node!.requestCollection({
        action: "create",
        name,
        specJson: Buffer.from(JSON.stringify({ shards: 1 })),
      });
    // Found by trying: both have one slug and one hash.
    const [first, second] = ["A_collection_with_a_long_name_91754", "A_collection_with_a_long_name_1250000"];
    const object = collectionObjectName("demo", first);
    expect(collectionObjectName("demo", second)).toBe(object);
    expect(await create(first)).toMatchObject({ result: "created" });
    const { error } = await create(second);
    expect(error?.code).toBe("nameTaken");
    expect(error?.detail).toBe(
      `collection ${second} would be PrismCollection ${object}, which is collection ${first} of cluster demo`,
    );
    expect(await create(first)).toMatchObject({ result: "unchanged" });

    // Made by kubectl it is another object, but the records of its shards would be the same.
    await client.create(PRISM_COLLECTIONS, collectionManifest(namespace, "second", { name: second }));
    const at = { namespace, name: "second" };
    const refused = await condition(client, PRISM_COLLECTIONS, at, "Accepted", "False", "NameTaken");
    expect(conditionOf(refused, "Accepted")?.message).toContain(`as those of ${first}`);

    const taken = collectionObjectName("demo", "Posts");
    await client.create(PRISM_COLLECTIONS, collectionManifest(namespace, taken, { name: "other" }));
    await condition(client, PRISM_COLLECTIONS, { namespace, name: taken }, "Ready", "True");
    expect((await create("Posts")).error?.code).toBe("nameTaken");
    expect(node!.map?.collections.map(({ name }) => name).sort()).toEqual([first, "other"]);
  });

  test("says of one zone and three copies that no write can be acknowledged, and what to set", async () => {
    const { namespace, operate } = await place();
    await createCluster(client, namespace, "demo", { topology: { zones: [{ name: "a" }] }, nodes: 3 });
    await operate();
    const at = { namespace, name: "demo" };
    const object = await condition(client, PRISM_CLUSTERS, at, "Stalled", "True", "WritesNeedMoreDomains");
    expect(conditionOf(object, "Stalled")?.message).toContain("Set topology.domain to Host");
    const { operation } = object.status as unknown as ClusterObjectStatus;
    expect(operation?.blockers).toMatchObject([{ rule: "WritesNeedMoreDomains" }]);
    await client.create(PRISM_COLLECTIONS, collectionManifest(namespace, "notes", { shards: 1 }));
    const notes = { namespace, name: "notes" };
    await condition(client, PRISM_COLLECTIONS, notes, "Ready", "False");
    const domain = { spec: { topology: { domain: "Host" } } };
    await client.patch(PRISM_CLUSTERS, at, { type: "merge", body: domain });
    await condition(client, PRISM_CLUSTERS, at, "Stalled", "False");
    await condition(client, PRISM_COLLECTIONS, notes, "Ready", "True");
    await until("three copies in sync", async () => {
      const shard = await client.get<RawObject>(PRISM_SHARDS, { namespace, name: "demo.notes.0" });
      return (shard?.status?.["inSync"] as readonly string[] | undefined)?.length === 3;
    });
  });

  test("grows a cluster, and refuses to shrink it, to change its mode or to go by what is not valid", async () => {
    const { namespace, home, operate } = await place();
    await createCluster(client, namespace, "demo", ZONES);
    const operator = await operate();
    const at = { namespace, name: "demo" };
    await condition(client, PRISM_CLUSTERS, at, "Ready", "True");
    await client.create(PRISM_COLLECTIONS, collectionManifest(namespace, "notes", {}));
    await condition(client, PRISM_COLLECTIONS, { namespace, name: "notes" }, "Ready", "True");
    const patch = (spec: object): Promise<unknown> =>
      client.patch(PRISM_CLUSTERS, at, { type: "merge", body: { spec } });

    await patch({ nodes: 4 });
    const grown = await condition(client, PRISM_CLUSTERS, at, "Ready", "True");
    expect(grown.status).toMatchObject({ nodes: 4, readyNodes: 4 });
    const plane = operator.planes().get(`${namespace}/demo`)!;
    expect(plane.events.latest().map((event) => event.reason)).toContain("ExistingShardsDoNotMove");
    await patch({ search: { timeoutMs: 777 } });
    const node = home.nodesOf(at).node("demo-a-1");
    await until("settings on nodes", async () =>
      Buffer.from(node.map?.settingsJson ?? [])
        .toString()
        .includes("777"),
    );
    expect(plane).toBe(operator.planes().get(`${namespace}/demo`));

    await patch({ version: "0.2.0" });
    const refused = await condition(client, PRISM_CLUSTERS, at, "Stalled", "True", "ChangeRefused");
    expect(refused.status?.["operation"]).toMatchObject({ blockers: [{ rule: "ChangeRefused" }] });
    expect(conditionOf(refused, "Ready")?.status).toBe("True");
    await patch({ version: "0.1.0" });
    await condition(client, PRISM_CLUSTERS, at, "Stalled", "False");
  });

  test("a deleted cluster leaves records, volumes and identity, and one made again under its name has its data", async () => {
    const { namespace, home, operate } = await place();
    const at = { namespace, name: "demo" };
    const made = await createCluster(client, namespace, "demo", ZONES);
    const operator = await operate();
    await condition(client, PRISM_CLUSTERS, at, "Ready", "True");
    await client.create(PRISM_COLLECTIONS, collectionManifest(namespace, "notes", {}));
    await condition(client, PRISM_COLLECTIONS, { namespace, name: "notes" }, "Ready", "True");
    const clusterId = operator.planes().get(`${namespace}/demo`)!.clusterId;
    const before = await client.list<RawObject>(PRISM_SHARDS, { namespace });
    await client.delete(PRISM_CLUSTERS, at, { preconditions: { uid: made.metadata.uid } });
    await until("the control plane's end", async () => operator.planes().size === 0);
    expect((await client.list(PRISM_SHARDS, { namespace })).items).toEqual(before.items);
    for (const node of home.nodesOf(at).all()) node.kill();
    await createCluster(client, namespace, "demo", ZONES);
    await condition(client, PRISM_CLUSTERS, at, "Ready", "True");
    const plane = operator.planes().get(`${namespace}/demo`)!;
    expect(plane.clusterId).toBe(clusterId);
    expect(plane.events.latest().map((event) => event.reason)).not.toContain("ShardCreated");
    const after = await client.list<RawObject>(PRISM_SHARDS, { namespace });
    expect(after.items.map((item) => item.metadata.uid)).toEqual(
      before.items.map((item) => item.metadata.uid),
    );
  });

  test("refuses nodes and records of other data, and leads the other clusters all the same", async () => {
    const { namespace, home, operate } = await place();
    const operator = await operate();
    const nodes = home.nodesOf({ namespace, name: "demo" });
    await nodes.ensure({ name: "demo-b-0", clusterName: "demo", workers: 1, env: {} });
    nodes.node("demo-b-0").volume.clusterId = "another";
    await createCluster(client, namespace, "demo", ZONES);
    const at = { namespace, name: "demo" };
    await condition(client, PRISM_CLUSTERS, at, "Stalled", "True", "ForeignData");
    await until("two nodes", async () => {
      return (await client.get<RawObject>(PRISM_CLUSTERS, at))?.status?.["readyNodes"] === 2;
    });
    await client.create(PRISM_SHARDS, foreignShard(namespace));
    await createCluster(client, namespace, "shop", ZONES);
    await condition(client, PRISM_CLUSTERS, { namespace, name: "shop" }, "Ready", "True");
    await createCluster(client, namespace, "stray", ZONES);
    const stray = { namespace, name: "stray" };
    await condition(client, PRISM_CLUSTERS, stray, "Stalled", "True", "ShardRecordLost");
    expect(operator.planes().get(`${namespace}/stray`)?.clusterId).toBe("recorded");
  });

  test("a paused cluster fails over and makes nothing new until it goes on", async () => {
    const { namespace, home, operate } = await place();
    const at = { namespace, name: "demo" };
    await createCluster(client, namespace, "demo", {
      ...ZONES,
      nodes: 4,
      health: { ...HEALTH, rebuildDelaySeconds: 0 },
    });
    const operator = await operate();
    await condition(client, PRISM_CLUSTERS, at, "Ready", "True");
    const collection = collectionManifest(namespace, "notes", { replication: { factor: 2 } });
    await client.create(PRISM_COLLECTIONS, collection);
    await condition(client, PRISM_COLLECTIONS, { namespace, name: "notes" }, "Ready", "True");
    const plane = operator.planes().get(`${namespace}/demo`)!;
    await plane.waitFor(() => plane.status().shards.every((shard) => shard.inSync === 2), WAIT_MS);
    const pause = (paused: boolean): Promise<unknown> =>
      client.patch(PRISM_CLUSTERS, at, { type: "merge", body: { spec: { paused } } });
    await pause(true);
    await until("the pause", async () => plane.status().problems.some(({ reason }) => reason === "Paused"));
    const lost = plane.status().shards[0]!.primary!;
    home.nodesOf(at).node(lost).kill();
    const promoted = await plane.waitFor(() => {
      const [shard] = plane.status().shards;
      return shard!.primary !== null && shard!.primary !== lost;
    }, WAIT_MS);
    expect(promoted).toBe(true);
    const waits = (): boolean =>
      plane
        .status()
        .problems.some(({ reason, object }) => reason === "Paused" && object.startsWith("shard/"));
    expect(await plane.waitFor(waits, WAIT_MS)).toBe(true);
    await pause(false);
    const healed = (): boolean => plane.status().shards.every((shard) => shard.inSync === 2);
    expect(await plane.waitFor(healed, WAIT_MS)).toBe(true);
  });
});

function foreignShard(namespace: string): RawObject {
  return {
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismShard",
    metadata: { name: "stray.notes.0", namespace },
    spec: {
      clusterRef: { name: "stray" },
      collection: "notes",
      collectionUid: "gone",
      number: 0,
      clusterId: "recorded",
      bootstrap: "",
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
