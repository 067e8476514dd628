import { parseCluster } from "@prism/api/cluster";
import { clusterStatusSchema } from "@prism/api/cluster-status";
import type { StatusNode, StatusProblem, StatusResponse, StatusShard } from "@prism/api/status";
import { expect, test } from "vitest";
import { buildClusterObjectStatus, type ClusterReport } from "./cluster-object-status.js";

const SPEC = parseCluster({
  apiVersion: "prism.dev/v1alpha1",
  kind: "PrismCluster",
  metadata: { name: "demo" },
  spec: { version: "0.1.0" },
}).spec;

function node(name: string, over: Partial<StatusNode> = {}): StatusNode {
  const counts = { workers: 1, copies: 0, primaries: 0, documents: 0, memoryUsedBytes: 0, diskFreeBytes: 0 };
  const place = { id: name, name, zone: name, region: "", rack: "", httpUrl: "" };
  const state = { state: "alive", since: 0, ready: true, draining: false, version: "0.1.0" } as const;
  return { ...place, ...state, ...counts, ...over };
}

function shard(over: Partial<StatusShard> = {}): StatusShard {
  const name = { collection: "notes", number: 0, term: 1, version: 1, documents: 0, copies: [], since: 0 };
  const counts = { inSync: 3, recovering: 0, wanted: 3, unassigned: [] };
  return { ...name, ...counts, state: "ok", primary: "a", reason: "CaughtUp", ...over };
}

function report(over: Partial<StatusResponse> = {}, rest: Partial<ClusterReport> = {}): ClusterReport {
  const status: StatusResponse = {
    status: "ok",
    clusterName: "demo",
    clusterId: "id",
    clusterMode: "Cluster",
    version: "0.1.0",
    revision: 1,
    reportedAt: 60_000,
    controlPlane: "connected",
    activeNodes: 3,
    wantedNodes: 3,
    collectionCount: 0,
    shardCount: over.shards?.length ?? 0,
    replicaCount: 0,
    inSyncCount: 0,
    documentCount: 0,
    zoneLossTolerated: true,
    topology: [{ zone: "b", nodes: 1, ready: 1, survivesLoss: true }],
    nodes: ["a", "b", "c"].map((name) => node(name)),
    shards: [],
    problems: [],
    ...over,
  };
  const fixed = { conditions: [], generation: 4, leaderEpoch: 2, spec: SPEC, pods: 3, selector: "x=y" };
  return { status, ...fixed, blockers: [], operation: undefined, ...rest };
}

function problem(n: number, severity: StatusProblem["severity"] = "warning"): StatusProblem {
  return {
    reason: "Paused",
    severity,
    object: `shard/${n}`,
    since: n,
    message: "m".repeat(2000),
    next: "wait",
  };
}

test("a quiet cluster has no operation, its zones in the order of the specification, and fits its schema", () => {
  const status = buildClusterObjectStatus(report({ shards: [shard()] }));
  expect(status.operation).toBeUndefined();
  expect(status.topology?.zones.map((zone) => zone.name)).toEqual(["a", "b", "c"]);
  expect(status).toMatchObject({ observedGeneration: 4, readyNodes: 3, version: "0.1.0" });
  expect(status.summary).toBe("3/3 nodes ready, 1/1 shards with all copies");
  expect(clusterStatusSchema.safeParse(status).success).toBe(true);
});

test("shards without a primary go before nodes that start, and these before copies that are filled", () => {
  const kindOf = (over: Partial<StatusResponse>): string | undefined =>
    buildClusterObjectStatus(report(over)).operation?.kind;
  const starting = [node("a", { ready: false })];
  expect(kindOf({ shards: [shard({ primary: null })], nodes: starting })).toBe("FailOver");
  expect(kindOf({ shards: [shard({ recovering: 1 })], nodes: starting })).toBe("StartNodes");
  expect(kindOf({ shards: [shard({ recovering: 1 })] })).toBe("Recover");
  expect(kindOf({ problems: [problem(1)] })).toBe("Wait");
  expect(kindOf({ problems: [problem(1, "info")] })).toBeUndefined();
});

test("an operation keeps the time it began, and at most 20 blockers of many are listed", () => {
  const problems = Array.from({ length: 50 }, (_, n) => problem(n));
  const first = buildClusterObjectStatus(report({ problems }));
  expect(first.operation?.blockers).toHaveLength(20);
  expect(first.operation?.blockersTotal).toBe(50);
  expect(clusterStatusSchema.safeParse(first).success).toBe(true);
  const later = report({ problems, reportedAt: 90_000 }, { operation: first.operation });
  expect(buildClusterObjectStatus(later).operation?.startedAt).toBe(first.operation?.startedAt);
});

test("nodes of different versions have none together", () => {
  const nodes = [node("a"), node("b", { version: "0.2.0" })];
  expect(buildClusterObjectStatus(report({ nodes })).version).toBeUndefined();
});
