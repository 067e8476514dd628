import { describe, expect, it } from "vitest";
import {
  parseCluster,
  parseClusterObject,
  parseClusterSettings,
  toClusterSettings,
  withZones,
} from "./cluster.js";
import { Problem } from "./problem-code.js";

function clusterOf(spec: Record<string, unknown>): unknown {
  return {
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCluster",
    metadata: { name: "demo" },
    spec: { version: "0.1.0", ...spec },
  };
}

function violationsOf(input: unknown): string[] {
  try {
    parseCluster(input);
  } catch (error) {
    if (error instanceof Problem)
      return error.violations.map(({ pointer, detail }) => `${pointer} ${detail}`);
    throw error;
  }
  return [];
}

describe("a cluster", () => {
  it("has three nodes in three zones when it says nothing", () => {
    const { spec } = parseCluster(clusterOf({}));
    expect(spec.nodes).toBe(3);
    expect(spec.topology.zones.map((zone) => zone.name)).toEqual(["a", "b", "c"]);
    expect(spec.replication).toEqual({ factor: 3, minReplicasForWrite: 2 });
  });

  it("has one node, one zone and one copy in mode Single", () => {
    const { spec } = parseCluster(clusterOf({ mode: "Single" }));
    expect(spec.nodes).toBe(1);
    expect(spec.topology.zones).toHaveLength(1);
    expect(spec.replication).toEqual({ factor: 1, minReplicasForWrite: 1 });
  });

  it("lowers the write floor with the factor", () => {
    const { spec } = parseCluster(clusterOf({ replication: { factor: 1 } }));
    expect(spec.replication.minReplicasForWrite).toBe(1);
  });

  it("does not wait for the return of data that is gone with its pod, unless told to", () => {
    const delayOf = (spec: Record<string, unknown>): number =>
      parseCluster(clusterOf(spec)).spec.health.rebuildDelaySeconds;
    expect(delayOf({})).toBe(300);
    expect(delayOf({ storage: { type: "Ephemeral" } })).toBe(0);
    expect(delayOf({ storage: { type: "Ephemeral" }, health: { rebuildDelaySeconds: 60 } })).toBe(60);
  });

  it("cuts the default zones to the number of nodes", () => {
    const { spec } = parseCluster(clusterOf({ nodes: 2 }));
    expect(spec.topology.zones.map((zone) => zone.name)).toEqual(["a", "b"]);
  });

  it("takes its own parsed form again", () => {
    const once = parseCluster(clusterOf({ topology: { domain: "Host" } }));
    expect(parseCluster(once)).toEqual(once);
  });

  it("has the zones of its machines in Kubernetes, unless it states its own", () => {
    const found = { domain: "Host", zones: [] } as const;
    const unstated = parseClusterObject(clusterOf({})).spec;
    expect(unstated.topology.zones).toBeUndefined();
    expect(withZones(unstated, found).topology).toMatchObject(found);
    const stated = parseClusterObject(clusterOf({ topology: { zones: [{ name: "a" }] } })).spec;
    expect(withZones(stated, found).topology).toMatchObject({ domain: "Zone", zones: [{ name: "a" }] });
  });

  it("has all of its resources from the default or none", () => {
    const { resources } = parseCluster(
      clusterOf({ resources: { requests: { memory: "4Gi", cpu: 2 } } }),
    ).spec;
    expect(resources).toEqual({ requests: { memory: "4Gi", cpu: "2" }, limits: {} });
  });

  it("tells nodes nothing of pods and images", () => {
    const settings = toClusterSettings(
      parseCluster(clusterOf({ pod: { env: [{ name: "A", value: "b" }] } })).spec,
    );
    expect(Object.keys(settings)).not.toContain("pod");
    expect(parseClusterSettings(settings)).toEqual(settings);
  });

  it("needs a version, which is never defaulted", () => {
    const input = { ...(clusterOf({}) as { metadata: object }), spec: {} };
    expect(violationsOf(input)).toEqual(["/spec/version is missing; must be a string"]);
  });

  it.each([
    [{ mode: "Single", nodes: 3 }, "/spec/nodes mode Single has one node; use mode Cluster for more"],
    [
      { mode: "Single", replication: { factor: 2 } },
      "/spec/replication/factor mode Single keeps one copy of each shard",
    ],
    [
      { replication: { factor: 2, minReplicasForWrite: 3 } },
      "/spec/replication/minReplicasForWrite 3 is more than replication.factor 2: no write could succeed",
    ],
    [{ nodes: 1 }, "/spec/replication/minReplicasForWrite 2 is more than nodes 1: no write could succeed"],
    [
      { topology: { zones: [{ name: "a" }, { name: "a" }] } },
      "/spec/topology/zones/1/name zone a is listed twice",
    ],
    [
      { topology: { domain: "Region", zones: [{ name: "a" }] } },
      "/spec/topology/zones/0/region domain Region needs it",
    ],
    [
      { topology: { domain: "Rack", zones: [{ name: "a" }] } },
      "/spec/topology/zones/0/rack domain Rack needs it",
    ],
    [{ storag: { size: "20Gi" } }, '/spec/storag unknown key "storag" (did you mean "storage"?)'],
    [
      { storage: { type: "Ephemeral" }, replication: { factor: 1 } },
      "/spec/storage/type Ephemeral needs replication.factor 2 or more",
    ],
    [{ storage: { size: "0" } }, "/spec/storage/size must be more than 0"],
    [{ storage: { size: "20 GB" } }, "/spec/storage/size must be a quantity, such as 2, 500m, 4Gi or 20G"],
    [
      { resources: { requests: { memory: "2Gi" }, limits: { memory: "1Gi" } } },
      "/spec/resources/requests/memory must be at most resources.limits.memory",
    ],
    [{ image: { repository: "prism/node:1.0" } }, "/spec/image/repository must be a repository without tag"],
    [
      { pod: { labels: { "app.kubernetes.io/name": "x" } } },
      "/spec/pod/labels/app.kubernetes.io~1name names that begin with prism.dev/ or app.kubernetes.io/",
    ],
    [{ pod: { env: [{ name: "PRISM_DATA", value: "/" }] } }, "/spec/pod/env/0/name is set by the operator"],
    [{ pod: { env: [{ name: "A" }, { name: "A" }] } }, "/spec/pod/env/1/name A is set twice"],
    [
      { pod: { env: [{ name: "A", value: "1", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }] } },
      "/spec/pod/env/0 must have value or valueFrom, not both",
    ],
    [
      { pod: { env: [{ name: "A", valueFrom: {} }] } },
      "/spec/pod/env/0/valueFrom must have one of secretKeyRef and configMapKeyRef",
    ],
    [{ pod: { nodeSelector: { "a b": "c" } } }, "/spec/pod/nodeSelector/a b"],
    [{ nodes: 1001 }, "/spec/nodes must be at most 1000"],
    [{ nodes: 2.5 }, "/spec/nodes must be an integer, not 2.5"],
    [{ topology: { zones: [] } }, "/spec/topology/zones must be at least 1 values long"],
  ])("refuses %j", (spec, expected) => {
    expect(violationsOf(clusterOf(spec)).some((violation) => violation.startsWith(expected))).toBe(true);
  });

  it.each(["Demo", "-demo", "demo-", "a".repeat(31), "", "a.b"])("refuses the name %j", (name) => {
    const input = { ...(clusterOf({}) as object), metadata: { name } };
    expect(violationsOf(input).every((violation) => violation.startsWith("/metadata/name"))).toBe(true);
    expect(violationsOf(input)).not.toEqual([]);
  });

  it("tells violations of every part at once", () => {
    const input = {
      apiVersion: "v1",
      kind: "PrismCluster",
      metadata: { name: "X" },
      spec: { verison: "0.1.0" },
    };
    const pointers = violationsOf(input).map((violation) => violation.split(" ")[0]);
    expect(pointers).toEqual(["/apiVersion", "/metadata/name", "/spec/version", "/spec/verison"]);
  });
});
