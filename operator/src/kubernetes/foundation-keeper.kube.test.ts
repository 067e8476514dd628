/** What somebody does to the objects that a cluster can't be led without, while it is led. */
import { EVENTS } from "@prism/kube-machinery/event-recorder";
import type { KubeObject, Stored } from "@prism/kube-machinery/kube-object";
import { expect, test } from "vitest";
import { KeptCertificates } from "../adapters/kubernetes/kept-certificates.js";
import {
  CONFIG_MAPS,
  PRISM_CLUSTERS,
  PRISM_COLLECTIONS,
  SECRETS,
  type ConfigMap,
} from "../adapters/kubernetes/prism-resources.js";
import { connectToTestServer, makeNamespace } from "../adapters/testing/kube-home.js";
import { useTestServer } from "../adapters/testing/test-server.js";
import { FakeHome } from "./testing/fake-home.js";
import {
  collectionManifest,
  condition,
  createCluster,
  operate,
  until,
  ZONES,
} from "./testing/operator-world.js";

type Event = KubeObject & { readonly reason?: string; readonly note?: string };
type Secret = KubeObject & { readonly data: Readonly<Record<string, string>> };

const { client, cleanups } = useTestServer();

async function led(): Promise<string> {
  const namespace = await makeNamespace(client);
  const home = new FakeHome();
  cleanups.push(() => home.close());
  await createCluster(client, namespace, "demo", ZONES);
  const operator = await operate({ namespace, client: connectToTestServer(), home });
  cleanups.push(() => operator.stop());
  await condition(client, PRISM_CLUSTERS, { namespace, name: "demo" }, "Ready", "True");
  await client.create(PRISM_COLLECTIONS, collectionManifest(namespace, "books", { shards: 1 }));
  await condition(client, PRISM_COLLECTIONS, { namespace, name: "books" }, "Ready", "True");
  return namespace;
}

async function read(namespace: string, name: string): Promise<Stored<ConfigMap> | undefined> {
  return client.get<ConfigMap>(CONFIG_MAPS, { namespace, name });
}

/** Deletes it, and resolves with what is made in its place. */
async function deleted(namespace: string, name: string): Promise<Stored<ConfigMap>> {
  const before = await read(namespace, name);
  const preconditions = { uid: before!.metadata.uid };
  await client.delete(CONFIG_MAPS, { namespace, name }, { preconditions });
  return until(`${name} again`, () => read(namespace, name));
}

test("identity and versions of records that somebody deletes are made again, and the cluster takes changes as before", async () => {
  const namespace = await led();
  const identity = await read(namespace, "demo-identity");
  expect((await deleted(namespace, "demo-identity")).data).toEqual(identity?.data);
  const records = await read(namespace, "demo-records");
  const again = await deleted(namespace, "demo-records");
  expect(Object.keys(again.data ?? {})).toEqual(Object.keys(records?.data ?? {}));
  await until("an event for each", async () => {
    const { items } = await client.list<Event>(EVENTS, { namespace });
    const notes = items.filter(({ reason }) => reason === "WorkloadRestored").map(({ note = "" }) => note);
    return ["ConfigMap/demo-identity", "ConfigMap/demo-records"].every((name) =>
      notes.some((note) => note.includes(name)),
    );
  });
  const at = { namespace, name: "demo" };
  await client.patch(PRISM_CLUSTERS, at, { type: "merge", body: { spec: { nodes: 4 } } });
  await condition(client, PRISM_CLUSTERS, at, "Ready", "True");
  expect(JSON.parse((await read(namespace, "demo-identity"))?.data?.["spec.json"] ?? "")).toMatchObject({
    nodes: 4,
  });
});

test.each([
  ["another data", { clusterId: "other" }],
  ["an earlier epoch", { leaderEpoch: "1" }],
  ["nonsense", { "spec.json": "{" }],
])("an identity that somebody makes say %s is set back before it is gone by", async (_what, data) => {
  const namespace = await led();
  const identity = await read(namespace, "demo-identity");
  await client.patch(CONFIG_MAPS, { namespace, name: "demo-identity" }, { type: "merge", body: { data } });
  const at = { namespace, name: "demo" };
  await client.patch(PRISM_CLUSTERS, at, { type: "merge", body: { spec: { search: { timeoutMs: 777 } } } });
  await until("the change to be taken", async () =>
    (await read(namespace, "demo-identity"))?.data?.["spec.json"]?.includes("777"),
  );
  const { clusterId, leaderEpoch } = (await read(namespace, "demo-identity"))?.data ?? {};
  expect({ clusterId, leaderEpoch }).toEqual({
    clusterId: identity?.data?.["clusterId"],
    leaderEpoch: identity?.data?.["leaderEpoch"],
  });
});

test("Secrets that somebody deletes or changes are made again by the same authority, and connections go on", async () => {
  const namespace = await makeNamespace(client);
  const { metadata } = await createCluster(client, namespace, "demo");
  const cluster = { namespace, name: "demo", uid: metadata.uid, clusterId: "c-1" };
  const kept = await KeptCertificates.open(client, cluster);
  const secret = (name: string): Promise<Stored<Secret> | undefined> =>
    client.get<Secret>(SECRETS, { namespace, name });
  const authority = await secret("demo-ca");
  expect(await kept.look()).toEqual([]);
  for (const name of ["demo-ca", "demo-node-tls", "demo-operator-tls"]) {
    const { uid } = (await secret(name))!.metadata;
    await client.delete(SECRETS, { namespace, name }, { preconditions: { uid } });
    expect(await kept.look()).toEqual([{ name, reason: "missing" }]);
    expect((await secret("demo-ca"))?.data).toEqual(authority?.data);
    expect((await secret(name))?.data["ca.crt"]).toBe(authority?.data["tls.crt"]);
  }
  const other = await KeptCertificates.open(client, { ...cluster, name: "other" });
  expect(other.made).toHaveLength(3);
  const foreign = (await secret("other-ca"))!.data;
  const at = { namespace, name: "demo-ca" };
  await client.patch(SECRETS, at, { type: "merge", body: { data: foreign } });
  expect(await kept.look()).toEqual([{ name: "demo-ca", reason: "changed" }]);
  expect((await secret("demo-ca"))?.data).toEqual(authority?.data);
  expect(kept.credentials.identity).toEqual({ clusterId: "c-1", role: "operator" });
});
