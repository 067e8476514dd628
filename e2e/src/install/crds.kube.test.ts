import { readFileSync } from "node:fs";
import { API_GROUP, API_KINDS } from "@prism/api/api-object";
import { parseClusterObject } from "@prism/api/cluster";
import { parseCollectionObject, settleCollectionObject } from "@prism/api/collection";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { Kubectl } from "./kubectl.js";
import { readCrds, readSamples, type Sample } from "./samples.js";

const GOLDEN = new URL("../../../api/testdata/defaults.json", import.meta.url);
const golden = JSON.parse(readFileSync(GOLDEN, "utf8")) as {
  readonly PrismCluster: { readonly inKubernetes: unknown };
  readonly PrismCollection: unknown;
};

interface Stored {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

const good = readSamples("good");
const bad = readSamples("bad");
const kubectl = new Kubectl("crd-samples");

function goodSample(name: string): string {
  const sample = good.find((one) => one.name === name);
  if (sample === undefined) throw new Error(`no sample ${name}`);
  return sample.documents.join("---\n");
}

async function applied(sample: Sample): Promise<Stored> {
  let name = "";
  for (const document of sample.documents)
    name = await kubectl.run(["apply", "-f", "-", "-o", "name"], document);
  return (await kubectl.json("get", name.trim())) as Stored;
}

async function removed(kinds: string): Promise<void> {
  await kubectl.run(["delete", kinds, "--all"]);
}

const KINDS = "prismclusters,prismcollections,prismshards,prismnodes";

describe("the definitions on a real API server", () => {
  beforeAll(async () => {
    await kubectl.run(["apply", "--server-side", "-f", "-"], readCrds());
    const definitions = Object.values(API_KINDS).map(({ plural }) => `crd/${plural}.${API_GROUP}`);
    await kubectl.run(["wait", "--for=condition=Established", ...definitions, "--timeout=30s"]);
    await kubectl.run(["create", "namespace", "crd-samples"]);
  });

  afterAll(async () => {
    await kubectl.run(["delete", "namespace", "crd-samples"]);
  });

  it.each(good)("take $name", async (sample) => {
    const stored = await applied(sample);
    const stated = (parse(sample.documents.at(-1) ?? "") as Stored).spec;
    expect(stored.spec).toMatchObject(stated);
    await removed(KINDS);
  });

  it.each(bad)("refuse $name", async ({ documents, refused }) => {
    const before = documents.slice(0, -1);
    for (const document of before) await kubectl.apply(document);
    const last = documents.at(-1) ?? "";
    expect(await kubectl.refusal(["apply", "-f", "-"], last)).toContain(refused);
    if (before.length > 0) await removed(KINDS);
  });

  it("give a cluster the defaults of the schemas, and no others", async () => {
    await kubectl.apply(goodSample("cluster-minimal.yaml"));
    const stored = (await kubectl.json("get", "prismcluster", "minimal")) as Stored;
    const { spec } = parseClusterObject(stored);
    expect(spec).toEqual(golden.PrismCluster.inKubernetes);
    // What depends on other fields is not stored: it could not follow them.
    const { nodes: _, replication: __, health: ___, ...rest } = spec;
    const { rebuildDelaySeconds: ____, ...health } = spec.health;
    expect(stored.spec).toEqual({ ...rest, health, replication: {} });
    await removed("prismclusters");
  });

  it("give a collection the defaults of the schemas, and no others", async () => {
    await kubectl.apply(goodSample("collection-minimal.yaml"));
    const stored = (await kubectl.json("get", "prismcollection", "minimal")) as Stored;
    expect(stored.spec).toEqual(golden.PrismCollection);
    await removed("prismcollections");
  });

  it("take every object that the schemas take", async () => {
    await kubectl.apply(goodSample("cluster-full.yaml"));
    await kubectl.apply(goodSample("collection-named.yaml"));
    const cluster = parseClusterObject(await kubectl.json("get", "prismcluster", "full"));
    expect(cluster.spec.resources.requests).toEqual({ cpu: "2", memory: "4Gi" });
    const collection = parseCollectionObject(await kubectl.json("get", "prismcollection", "demo-logs"));
    const settled = settleCollectionObject(collection, cluster.spec);
    expect(settled.name).toBe("Logs_2026.Q1");
    expect(settled.fields[1]).toEqual({ name: "line", type: "text", analyzer: "standard" });
    await removed(KINDS);
  });

  it("let kubectl scale change spec.nodes, up and not down", async () => {
    await kubectl.apply(goodSample("cluster.yaml"));
    await kubectl.run(["scale", "prismcluster", "demo", "--replicas=5"]);
    const stored = (await kubectl.json("get", "prismcluster", "demo")) as Stored;
    expect(stored.spec["nodes"]).toBe(5);
    expect(await kubectl.refusal(["scale", "prismcluster", "demo", "--replicas=2"])).toContain(
      "nodes cannot shrink yet",
    );
    await removed("prismclusters");
  });

  it("keep status from those who change the spec of clusters and collections, and in one write of shards and nodes", async () => {
    const status = { conditions: [condition("Ready", "True")] };
    await kubectl.apply(goodSample("cluster.yaml"));
    const patch = JSON.stringify({ spec: { paused: true }, status: { nodes: 3, ...status } });
    await kubectl.run(["patch", "prismcluster", "demo", "--type=merge", "-p", patch]);
    expect(await kubectl.json("get", "prismcluster", "demo")).not.toHaveProperty("status");
    await kubectl.run(["patch", "prismcluster", "demo", "--subresource=status", "--type=merge", "-p", patch]);
    expect(await kubectl.json("get", "prismcluster", "demo")).toMatchObject({ status: { nodes: 3 } });
    await kubectl.run(["wait", "--for=condition=Ready", "prismcluster/demo", "--timeout=5s"]);
    await kubectl.apply(goodSample("shard.yaml"));
    expect(await kubectl.json("get", "prismshard", "demo.speeches.0")).toMatchObject({
      status: { term: 4, departed: [] },
    });
    await removed(KINDS);
  });

  it("tell the story in columns", async () => {
    await kubectl.apply(goodSample("cluster.yaml"));
    const status = {
      nodes: 3,
      readyNodes: 2,
      version: "0.1.0",
      summary: "2 of 3 nodes up, 3 shards degraded",
      conditions: [
        condition("Ready", "False", "NodeDead"),
        condition("ZoneLossTolerated", "False", "NoZoneLabels"),
      ],
      shards: { total: 3, copies: 9, inSync: 6, recovering: 0, unassigned: 0, withoutPrimary: 0 },
      topology: { domain: "Host", zones: [] },
      operation: {
        kind: "Recover",
        step: "wait for node demo-2",
        startedAt: "2026-11-21T20:00:00Z",
        blockers: [
          {
            rule: "WaitingForNode",
            evidence: "demo-2 is away",
            since: "2026-11-21T20:00:00Z",
            unblock: "wait",
          },
        ],
        blockersTotal: 1,
      },
    };
    const patch = JSON.stringify({ status });
    await kubectl.run(["patch", "prismcluster", "demo", "--subresource=status", "--type=merge", "-p", patch]);
    expect(columns(await kubectl.run(["get", "pcl"]))).toEqual([
      ["NAME", "READY", "NODES", "UP", "SHARDS", "ZONE-SAFE", "VERSION", "STATUS", "AGE"],
      [
        "demo",
        "False",
        "3",
        "2",
        "3",
        "False",
        "0.1.0",
        "2 of 3 nodes up, 3 shards degraded",
        expect.any(String),
      ],
    ]);
    const wide = await kubectl.run(["get", "pcl", "-o", "wide"]);
    for (const word of ["NoZoneLabels", "Host", "wait for node demo-2", "WaitingForNode"])
      expect(wide).toContain(word);
    await removed(KINDS);
  });

  it("explain every field", async () => {
    expect(await kubectl.run(["explain", "prismcluster.spec.storage.type"])).toContain(
      "Ephemeral: each start",
    );
  });
});

function condition(type: string, status: string, reason = "AllInSync"): Record<string, string> {
  return { type, status, reason, message: "", lastTransitionTime: "2026-11-21T20:00:00Z" };
}

function columns(table: string): string[][] {
  return table
    .trim()
    .split("\n")
    .map((line) => line.split(/\s{2,}/));
}
