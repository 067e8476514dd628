import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { helm, Kubectl, serviceAccount } from "./kubectl.js";
import { removeDefinitions } from "./release.js";
import { readSamples } from "./samples.js";

const RELEASE = "prism";
const OPERATOR = serviceAccount("policy-system", "prism-operator");
const SOMEBODY = { user: "somebody", groups: ["system:masters"] };

const kubectl = new Kubectl("policy");
const operator = kubectl.as(OPERATOR);
const somebody = kubectl.as(SOMEBODY);

function sample(name: string): string {
  return readSamples("good").find((one) => one.name === name)!.documents[0]!;
}

const CLUSTER = sample("cluster.yaml");
const COLLECTION = sample("collection.yaml");
const SHARD = sample("shard.yaml");
const NODE = sample("node.yaml");

const IDENTITY = `apiVersion: v1
kind: ConfigMap
metadata:
  name: demo-identity
  labels: { app.kubernetes.io/managed-by: prism-operator }
`;

/** The first words of what the policies say. */
const RECORDS = "records of shards and nodes say where data is: the operator alone";
const WHOSE_DATA = "this ConfigMap says which data belongs to a cluster";

describe("the policy", () => {
  beforeAll(async () => {
    await removeDefinitions();
    await kubectl.run(["create", "namespace", "policy-system"]);
    await kubectl.run(["create", "namespace", "policy"]);
    await helm("install", RELEASE, "charts/prism", "--namespace", "policy-system", "--set", "replicas=1");
    await until(async () => (await dryRun(somebody)).includes(RECORDS));
  });

  afterAll(async () => {
    await helm("uninstall", RELEASE, "--namespace", "policy-system", "--ignore-not-found");
    await kubectl.run(["delete", "namespace", "policy-system", "policy", "--ignore-not-found"]);
    await removeDefinitions();
  });

  it.each([
    ["cluster", CLUSTER, "prismcluster/demo"],
    ["collection", COLLECTION, "prismcollection/speeches"],
  ])("keeps a protected %s, says how to delete it, and lets it go then", async (_, yaml, name) => {
    await kubectl.apply(yaml);
    const said = await somebody.refusal(["delete", name]);
    expect(said).toContain("has deletionProtection; to delete it, first run: kubectl patch");
    const command = /first run: kubectl (patch .*)/.exec(said)![1]!.trim();
    const [patch = "", ...words] = command.replaceAll("'", "").split(" ");
    await somebody.run([patch, ...words]);
    await somebody.run(["delete", name]);
    expect(await kubectl.run(["get", name, "--ignore-not-found"])).toBe("");
  });

  it("keeps a protected collection from the operator as well", async () => {
    await kubectl.apply(COLLECTION);
    expect(await operator.refusal(["delete", "prismcollection", "speeches"])).toContain(
      "has deletionProtection",
    );
    await unprotect("prismcollection/speeches");
    await operator.run(["delete", "prismcollection", "speeches"]);
  });

  it.each([
    ["a shard", SHARD, "prismshard/demo.speeches.0"],
    ["a node", NODE, "prismnode/demo-a-0"],
  ])("lets nobody but the operator make, change or delete the record of %s", async (_, yaml, name) => {
    expect(await somebody.refusal(["create", "-f", "-"], yaml)).toContain(RECORDS);
    await operator.run(["create", "-f", "-"], yaml);
    const label = ["label", name, "changed=yes"];
    expect(await somebody.refusal(label)).toContain(RECORDS);
    expect(await somebody.refusal(["delete", name])).toContain(RECORDS);
    await operator.run(["replace", "-f", "-"], yaml);
    await operator.run(["delete", name]);
  });

  it("lets nobody but the operator change or delete the ConfigMap that says which data is a cluster's", async () => {
    await operator.run(["create", "-f", "-"], IDENTITY);
    expect(await somebody.refusal(["label", "configmap", "demo-identity", "changed=yes"])).toContain(
      WHOSE_DATA,
    );
    expect(await somebody.refusal(["delete", "configmap", "demo-identity"])).toContain(WHOSE_DATA);
    await operator.run(["replace", "-f", "-"], IDENTITY);
    await operator.run(["create", "-f", "-"], IDENTITY.replace("demo-identity", "demo-records"));
    expect(await somebody.refusal(["delete", "configmap", "demo-records"])).toContain(WHOSE_DATA);
    // Neither another ConfigMap of the operator, nor one of somebody else, whatever it is called.
    await somebody.run(["create", "-f", "-"], IDENTITY.replace("demo-identity", "demo-settings"));
    await somebody.run(["create", "configmap", "other-identity"]);
    await somebody.run(["delete", "configmap", "demo-settings", "other-identity"]);
  });

  it("lets those write records that the release names", async () => {
    const restorer = { user: "restorer", groups: ["system:masters"] };
    const chart = ["upgrade", RELEASE, "charts/prism", "--namespace", "policy-system", "--set", "replicas=1"];
    await helm(...chart, "--set", "policy.recordWriters={restorer}");
    await until(async () => (await dryRun(kubectl.as(restorer))) === "");
    expect(await dryRun(somebody)).toContain(RECORDS);
    await helm(...chart);
    await until(async () => (await dryRun(kubectl.as(restorer))).includes(RECORDS));
  });

  it("lets a namespace be deleted with everything protected in it", async () => {
    const doomed = new Kubectl("policy-doomed");
    await doomed.run(["create", "namespace", "policy-doomed"]);
    for (const yaml of [CLUSTER, COLLECTION]) await doomed.apply(yaml);
    for (const yaml of [SHARD, NODE, IDENTITY]) await doomed.as(OPERATOR).run(["create", "-f", "-"], yaml);
    // Waits until it is gone.
    await doomed.run(["delete", "namespace", "policy-doomed", "--timeout=60s"]);
    expect(await doomed.run(["get", "namespace", "policy-doomed", "--ignore-not-found"])).toBe("");
  });

  it("lets what a cluster owns go with it, and keeps what it does not own", async () => {
    await kubectl.apply(CLUSTER);
    await operator.run(["create", "-f", "-"], SHARD);
    const { metadata } = (await kubectl.json("get", "prismcluster", "demo")) as { metadata: { uid: string } };
    await operator.run(["create", "-f", "-"], ownedSettings(metadata.uid));
    await unprotect("prismcluster/demo");
    await somebody.run(["delete", "prismcluster", "demo"]);
    await kubectl.run(["wait", "--for=delete", "configmap/demo-settings", "--timeout=60s"]);
    expect(await kubectl.run(["get", "prismshards", "-o", "name"])).toContain("demo.speeches.0");
    await operator.run(["delete", "prismshards", "--all"]);
  });
});

/** What is said to the making of a record that is then not made; "" when nothing is. */
async function dryRun(who: Kubectl): Promise<string> {
  try {
    await who.run(["create", "--dry-run=server", "-f", "-"], NODE);
    return "";
  } catch (error) {
    return String(error);
  }
}

/** A policy takes effect a moment after it is stored. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error("the policy does not take effect");
  }
}

async function unprotect(name: string): Promise<void> {
  await kubectl.run(["patch", name, "--type=merge", "-p", '{"spec":{"deletionProtection":false}}']);
}

function ownedSettings(uid: string): string {
  const owner = {
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCluster",
    name: "demo",
    uid,
    controller: true,
  };
  const metadata = { name: "demo-settings", ownerReferences: [{ ...owner, blockOwnerDeletion: true }] };
  return JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata });
}
