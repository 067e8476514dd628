/** What becomes of records that somebody deletes on a real API server, and of the cluster's certificates there. */
import { X509Certificate } from "node:crypto";
import type { KubeObject, Stored } from "@prism/kube-machinery/kube-object";
import { TlsCredentials } from "@prism/proto/internal-credentials";
import { describe, expect, test } from "vitest";
import { ensureClusterCertificates } from "../adapters/kubernetes/cluster-certificates.js";
import {
  PRISM_CLUSTERS,
  PRISM_COLLECTIONS,
  PRISM_SHARDS,
  SECRETS,
  type RawObject,
} from "../adapters/kubernetes/prism-resources.js";
import { connectToTestServer, makeNamespace } from "../adapters/testing/kube-home.js";
import { useTestServer } from "../adapters/testing/test-server.js";
import type { OperatorProcess } from "./operator-process.js";
import { FakeHome } from "./testing/fake-home.js";
import {
  collectionManifest,
  condition,
  createCluster,
  operate,
  until,
  ZONES,
} from "./testing/operator-world.js";

const { client, cleanups } = useTestServer();

interface Record {
  readonly term: number;
  readonly version: number;
  readonly inSync: readonly string[];
}

function recordOf(shard: Stored<RawObject>): Record {
  return shard.status as unknown as Record;
}

interface Led {
  readonly at: { readonly namespace: string; readonly name: string };
  readonly shard: Stored<RawObject>;
  readonly home: FakeHome;
  readonly stop: () => Promise<void>;
  readonly lead: () => Promise<OperatorProcess>;
}

/** A cluster with a collection whose copies are all in sync; resolves with its first shard. */
async function withShard(): Promise<Led> {
  const namespace = await makeNamespace(client);
  const home = new FakeHome();
  cleanups.push(() => home.close());
  await createCluster(client, namespace, "demo", ZONES);
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0)) await end();
  };
  cleanups.push(stop);
  const lead = async (): Promise<OperatorProcess> => {
    const operator = await operate({ namespace, client: connectToTestServer(), home });
    stops.push(() => operator.stop());
    return operator;
  };
  await lead();
  await condition(client, PRISM_CLUSTERS, { namespace, name: "demo" }, "Ready", "True");
  await client.create(PRISM_COLLECTIONS, collectionManifest(namespace, "books", {}));
  await condition(client, PRISM_COLLECTIONS, { namespace, name: "books" }, "Ready", "True");
  const at = { namespace, name: "demo.books.0" };
  const shard = await until("all copies in sync", async () => {
    const object = await client.get<RawObject>(PRISM_SHARDS, at);
    return object !== undefined && recordOf(object).inSync.length === 3 && object;
  });
  return { at, shard, home, stop, lead };
}

async function expectMadeAgain(
  at: { namespace: string; name: string },
  before: Stored<RawObject>,
): Promise<void> {
  const again = await until("the record to be made again", async () => {
    const object = await client.get<RawObject>(PRISM_SHARDS, at);
    return ((object?.status?.["version"] as number | undefined) ?? 0) > recordOf(before).version && object;
  });
  expect(again.metadata.uid).not.toBe(before.metadata.uid);
  expect(again.spec?.["shardUid"]).toBe(before.spec?.["shardUid"]);
  expect(again.status?.["historyId"]).toBe(before.status?.["historyId"]);
  expect(recordOf(again).term).toBeGreaterThan(recordOf(before).term);
  expect([...recordOf(again).inSync].sort()).toEqual([...recordOf(before).inSync].sort());
  await condition(client, PRISM_CLUSTERS, { namespace: at.namespace, name: "demo" }, "Ready", "True");
}

describe("a shard's record", () => {
  test("that somebody deletes is made again from what the nodes prove", async () => {
    const { at, shard } = await withShard();
    await client.delete(PRISM_SHARDS, at, { preconditions: { uid: shard.metadata.uid } });
    await expectMadeAgain(at, shard);
  });

  test("that somebody makes again from an old backup is replaced by what the nodes prove", async () => {
    const { at, shard, stop, lead } = await withShard();
    await stop();
    await client.delete(PRISM_SHARDS, at, { preconditions: { uid: shard.metadata.uid } });
    const { apiVersion, kind, spec, status } = shard;
    const metadata = { ...at, labels: shard.metadata.labels ?? {} };
    const backup = { apiVersion, kind, metadata, spec, status: { ...status, version: 1, term: 1 } };
    await client.create(PRISM_SHARDS, backup);
    await lead();
    await expectMadeAgain(at, shard);
  });
});

/** Deletes what stands there and makes it again as it was. */
async function putBack({ apiVersion, kind, metadata, spec, status }: Stored<RawObject>): Promise<void> {
  const { namespace = "", name, labels = {} } = metadata;
  const present = await client.get(PRISM_SHARDS, { namespace, name });
  await client.delete(PRISM_SHARDS, { namespace, name }, { preconditions: { uid: present!.metadata.uid } });
  await client.create(PRISM_SHARDS, {
    apiVersion,
    kind,
    metadata: { namespace, name, labels },
    spec,
    status,
  });
}

describe("a shard's record that is put back while no node that knows better is heard", () => {
  /** Two copies went on without the third; then all three and the operator ended. */
  async function withOldBackup() {
    const led = await withShard();
    const { at, shard, home, stop } = led;
    const nodes = home.nodesOf({ namespace: at.namespace, name: "demo" });
    const { copies, primary } = shard.status as unknown as {
      copies: readonly { id: string; node: string }[];
      primary: string;
    };
    const nodeOf = (node: string) => nodes.all().find(({ volume }) => volume.nodeId === node)!;
    const first = nodeOf(copies.find(({ id }) => id === primary)!.node);
    const others = copies.filter(({ id }) => id !== primary).map(({ node }) => nodeOf(node));
    const [second, third] = [others[0]!, others[1]!];
    third.kill();
    const newest = await until("the third copy to have left", async () => {
      const object = await client.get<RawObject>(PRISM_SHARDS, at);
      return object !== undefined && recordOf(object).inSync.length === 2 && object;
    });
    await stop();
    for (const node of [first, second]) node.kill();
    await putBack(shard);
    return { ...led, newest, first, second, third };
  }

  test("is not acted upon by a leader that starts then, says which version it was of, and is made again later", async () => {
    const { at, newest, first, second, third, lead } = await withOldBackup();
    third.start();
    const operator = await lead();
    const plane = await until("a control plane", async () => operator.planes().get(`${at.namespace}/demo`));
    await until("the others to count as dead", async () => {
      return plane.status().nodes.filter(({ state }) => state === "dead").length === 2;
    });
    const problem = await until("the loss to be said", async () =>
      plane
        .status()
        .problems.find(
          ({ object, message }) => object === "shard/demo.books.0" && message.includes("version"),
        ),
    );
    expect(problem.reason).toBe("ShardRecordLost");
    expect(problem.message).toContain(`the record was of version ${recordOf(newest).version}`);
    expect(third.map?.shards.map(({ number }) => number)).not.toContain(0);
    const standing = await client.get<RawObject>(PRISM_SHARDS, at);
    expect(recordOf(standing!).version).toBeLessThan(recordOf(newest).version);
    for (const node of [first, second]) node.start();
    const again = await until("the record to be made again", async () => {
      const object = await client.get<RawObject>(PRISM_SHARDS, at);
      return recordOf(object!).version > recordOf(newest).version && object;
    });
    expect(again.status?.["historyId"]).toBe(newest.status?.["historyId"]);
    await condition(client, PRISM_CLUSTERS, { namespace: at.namespace, name: "demo" }, "Ready", "True");
  });
});

describe("a cluster's certificates", () => {
  test("are Secrets that an API server takes, made once", async () => {
    const namespace = await makeNamespace(client);
    const owner = await createCluster(client, namespace, "demo");
    const cluster = { namespace, name: "demo", uid: owner.metadata.uid, clusterId: "c-1" };
    const { made, operator } = await ensureClusterCertificates(client, cluster);
    expect(made.map(({ name }) => name)).toEqual(["demo-ca", "demo-node-tls", "demo-operator-tls"]);
    expect(new TlsCredentials(operator).identity).toEqual({ clusterId: "c-1", role: "operator" });
    expect((await ensureClusterCertificates(client, cluster)).made).toEqual([]);
    const at = { namespace, name: "demo-node-tls" };
    type Secret = KubeObject & { readonly type: string; readonly data: Readonly<{ [key: string]: string }> };
    const secret = await client.get<Secret>(SECRETS, at);
    expect(secret?.type).toBe("kubernetes.io/tls");
    const certificate = Buffer.from(secret?.data["tls.crt"] ?? "", "base64").toString();
    expect(new X509Certificate(certificate).subjectAltName).toBe(
      `DNS:*.demo-nodes.${namespace}.svc, URI:prism://c-1/node`,
    );
    await client.delete(SECRETS, at, { preconditions: { uid: secret!.metadata.uid } });
    expect((await ensureClusterCertificates(client, cluster)).made).toMatchObject([
      { name: "demo-node-tls" },
    ]);
  });
});
