import type { PrismClient } from "@prism/client";
import { waitUntil } from "@prism/test/wait-until";
import { describe, expect, it, onTestFailed } from "vitest";
import { Scenario, CLUSTER } from "../scenario/scenario.js";
import { collectEvidence } from "../scenario/evidence.js";
import { Kubectl } from "../install/kubectl.js";

const GONE_TIMEOUT_MS = 150_000;
const COLLECTION = "notes";
const REPLICATION = { factor: 3, minReplicasForWrite: 2 };

/** Documents that tell whose they are. */
async function fill(client: PrismClient, owner: string, count: number): Promise<void> {
  await client.createCollection(COLLECTION, {
    shards: 2,
    replication: REPLICATION,
    fields: [{ name: "owner", type: "keyword" }],
  });
  const operations = Array.from({ length: count }, (_, i) => ({ id: `${owner}-${i}`, document: { owner } }));
  expect((await client.collection(COLLECTION).bulk(operations)).failed).toBe(0);
}

async function owners(client: PrismClient): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for await (const { fields } of client.collection(COLLECTION).scan()) {
    const owner = String(fields["owner"]);
    found[owner] = (found[owner] ?? 0) + 1;
  }
  return found;
}

async function begin(name: string): Promise<Scenario> {
  const scenario = await Scenario.begin(name);
  onTestFailed(async () => {
    await collectEvidence(name, scenario.kubectl);
  });
  return scenario;
}

describe("the life of clusters", () => {
  it("ends with the PrismCluster, but not that of its data: the same name finds it again", async () => {
    const scenario = await begin("again");
    await scenario.apply(CLUSTER);
    await scenario.ready();
    await fill(await scenario.client(), "before", 50);
    const remove = ["delete", "prismcluster", CLUSTER, "--timeout=120s"];
    expect(await scenario.kubectl.refusal(remove)).toContain("has deletionProtection");
    const unprotect = JSON.stringify({ spec: { deletionProtection: false } });
    await scenario.kubectl.run(["patch", "prismcluster", CLUSTER, "--type=merge", "--patch", unprotect]);
    await scenario.kubectl.run(remove, undefined, GONE_TIMEOUT_MS);
    await waitUntil("all pods are gone", GONE_TIMEOUT_MS, async () => (await scenario.pods()).length === 0);
    const claims = await scenario.kubectl.run(["get", "pvc", "-o", "name"]);
    expect(claims.trim().split("\n")).toHaveLength(3);
    await scenario.apply(CLUSTER);
    await scenario.ready();
    const client = await scenario.client();
    const found = await waitUntil("every shard is served", GONE_TIMEOUT_MS, async () => owners(client));
    expect(found).toEqual({ before: 50 });
    await scenario.end(false);
  });

  it("is its own in its own namespace, and in a namespace with another: collections of one name are two", async () => {
    const north = await begin("north");
    const south = await begin("south");
    await Promise.all([north.apply("one"), north.apply("two"), south.apply("one")]);
    const places = [
      [north, "one"],
      [north, "two"],
      [south, "one"],
    ] as const;
    for (const [scenario, cluster] of places) await scenario.ready(cluster);
    for (const [scenario, cluster] of places)
      await fill(await scenario.client({}, cluster), `${scenario.name}-${cluster}`, 20);
    for (const [scenario, cluster] of places)
      expect(await owners(await scenario.client({}, cluster))).toEqual({
        [`${scenario.name}-${cluster}`]: 20,
      });
    await north.end(false);
    await south.end(false);
  });

  it("ends with its namespace", async () => {
    const scenario = await begin("namespace-ends");
    await scenario.apply(CLUSTER);
    await scenario.ready();
    await fill(await scenario.client(), "lost", 10);
    const kubectl = new Kubectl("default");
    await kubectl.run(
      ["delete", "namespace", "namespace-ends", "--timeout=140s"],
      undefined,
      GONE_TIMEOUT_MS,
    );
    expect(
      await kubectl.run(["get", "pv", "-o", "jsonpath={.items[*].spec.claimRef.namespace}"]),
    ).not.toContain("namespace-ends");
    await scenario.end(false);
  });
});
