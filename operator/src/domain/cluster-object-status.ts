/** `status` of the PrismCluster object: what people and their tools read of a cluster, bounded in size. */
import type { ClusterSpec } from "@prism/api/cluster";
import { MOST_BLOCKERS, type ClusterObjectStatus, type OperationStatus } from "@prism/api/cluster-status";
import type { StatusResponse } from "@prism/api/status";
import type { Blocker } from "./blocker.js";
import type { Condition } from "./condition.js";

export interface ClusterReport {
  readonly status: StatusResponse;
  readonly conditions: readonly Condition[];
  /** Of the object that was looked at. */
  readonly generation: number;
  readonly leaderEpoch: number;
  /** In effect, zones settled. */
  readonly spec: ClusterSpec;
  readonly pods: number;
  /** Label selector of the pods, as text. */
  readonly selector: string;
  readonly blockers: readonly Blocker[];
  /** As it was stated before: an operation that goes on keeps the time it began. */
  readonly operation: OperationStatus | undefined;
}

const LONGEST_TEXT = 1024;

export function buildClusterObjectStatus(report: ClusterReport): ClusterObjectStatus {
  const { status, conditions, generation, leaderEpoch, spec, selector, pods } = report;
  const { nodes, shards } = status;
  const versions = new Set(nodes.map((node) => node.version).filter((version) => version !== ""));
  const [version] = versions;
  const operation = operationOf(report);
  return {
    observedGeneration: generation,
    conditions: conditions.map((condition) => ({ ...condition })),
    clusterId: status.clusterId,
    leaderEpoch,
    ...(versions.size === 1 && version !== undefined ? { version } : {}),
    nodes: pods,
    readyNodes: nodes.filter((node) => node.state === "alive" && node.ready).length,
    selector,
    summary: summaryOf(status),
    topology: { domain: spec.topology.domain, zones: zonesOf(report) },
    shards: {
      total: shards.length,
      copies: status.replicaCount,
      inSync: status.inSyncCount,
      recovering: sum(shards.map((shard) => shard.recovering)),
      unassigned: sum(shards.map((shard) => shard.unassigned.length)),
      withoutPrimary: shards.filter((shard) => shard.primary === null).length,
    },
    ...(operation === undefined ? {} : { operation }),
    deletedCollections: [],
  };
}

/** In the order of the specification: that is where nodes are counted out from. */
function zonesOf({ spec, status }: ClusterReport): NonNullable<ClusterObjectStatus["topology"]>["zones"] {
  return spec.topology.zones.map(({ name, region }) => {
    const seen = status.topology.find((zone) => zone.zone === name);
    const { nodes = 0, ready = 0, survivesLoss = false } = seen ?? {};
    return { name, region, nodes, ready, survivesLoss };
  });
}

function summaryOf(status: StatusResponse): string {
  const ready = status.nodes.filter((node) => node.state === "alive" && node.ready).length;
  const nodes = `${ready}/${status.wantedNodes} nodes ready`;
  if (status.shardCount === 0) return `${nodes}, no collections`;
  const ok = status.shards.filter((shard) => shard.state === "ok").length;
  return `${nodes}, ${ok}/${status.shardCount} shards with all copies`;
}

function operationOf(report: ClusterReport): OperationStatus | undefined {
  const { status, operation: before } = report;
  const now = stepOf(status);
  const problems = status.problems.filter((problem) => problem.severity !== "info");
  const blockers = [
    ...report.blockers.map(({ rule, evidence, since, unblock }) => ({ rule, evidence, since, unblock })),
    ...problems.map(({ reason, object, message, since, next }) => ({
      rule: reason,
      evidence: `${object}: ${message}`,
      since,
      unblock: next,
    })),
  ];
  if (now === undefined && blockers.length === 0) return undefined;
  const { kind, step } = now ?? { kind: "Wait", step: "for what the blockers name" };
  const startedAt = before?.kind === kind ? before.startedAt : timeOf(status.reportedAt);
  return {
    kind,
    step,
    startedAt,
    blockers: blockers.slice(0, MOST_BLOCKERS).map(({ rule, evidence, since, unblock }) => ({
      rule,
      evidence: evidence.slice(0, LONGEST_TEXT),
      since: timeOf(since),
      unblock: unblock.slice(0, LONGEST_TEXT),
    })),
    blockersTotal: blockers.length,
  };
}

function stepOf(status: StatusResponse): { readonly kind: string; readonly step: string } | undefined {
  const { nodes, shards, wantedNodes } = status;
  const withoutPrimary = shards.filter((shard) => shard.primary === null).length;
  if (withoutPrimary > 0) return { kind: "FailOver", step: `${withoutPrimary} shards without a primary` };
  const ready = nodes.filter((node) => node.state === "alive" && node.ready).length;
  if (ready < wantedNodes) return { kind: "StartNodes", step: `${ready} of ${wantedNodes} nodes are ready` };
  const recovering = sum(shards.map((shard) => shard.recovering));
  const unassigned = sum(shards.map((shard) => shard.unassigned.length));
  if (recovering + unassigned === 0) return undefined;
  return { kind: "Recover", step: `${recovering} copies are filled, ${unassigned} have no place` };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
