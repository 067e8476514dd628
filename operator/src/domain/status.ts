/** The cluster's status as people and programs read it, from what the control plane knows now. */
import type { ClusterSettings } from "@prism/api/cluster";
import { REASONS, type Reason } from "@prism/api/reason";
import type { StatusCopy, StatusNode, StatusProblem, StatusResponse, StatusShard } from "@prism/api/status";
import type { CopyReport } from "@prism/proto/gen/node";
import type { Evidence } from "./action.js";
import type { HealthState } from "./failure-detector.js";
import type { ShardRecord } from "./shard-record.js";
import { NEXT_STEP, severityOf } from "./status-text.js";

export interface StatusNodeSource {
  readonly id: string;
  readonly name: string;
  readonly zone: string;
  readonly region: string;
  readonly rack: string;
  readonly domain: string;
  readonly state: HealthState;
  readonly exited: boolean;
  readonly since: number;
  readonly reason: Reason | undefined;
  /** The process that should run here keeps ending. */
  readonly backOff:
    { readonly exitsInARow: number; readonly retryAt: number; readonly lastExit: string } | undefined;
  /** Why the node can't belong to this cluster. */
  readonly refused: string | undefined;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly httpUrl: string;
  readonly version: string;
  readonly workers: number;
  readonly memoryUsedBytes: number;
  readonly diskFreeBytes: number;
}

/** What a shard waits for, or why nothing may be done. */
export interface ShardWait {
  readonly reason: Reason;
  readonly since: number;
  readonly retryAt: number | undefined;
  readonly evidence: Evidence;
}

export interface StatusShardSource {
  readonly collection: string;
  readonly number: number;
  readonly record: ShardRecord;
  readonly factor: number;
  readonly minReplicasForWrite: number;
  /** By allocation id, of nodes that are alive. */
  readonly reports: ReadonlyMap<string, CopyReport>;
  readonly wait: ShardWait | undefined;
}

export interface ClusterNotice {
  readonly reason: Reason;
  readonly detail: string;
  readonly since: number;
}

export interface StatusSource {
  readonly clusterName: string;
  readonly clusterId: string;
  readonly settings: ClusterSettings;
  readonly revision: number;
  readonly nowMs: number;
  /** Since when this control plane looks. */
  readonly sinceMs: number;
  readonly nodes: readonly StatusNodeSource[];
  readonly shards: readonly StatusShardSource[];
  readonly collections: readonly { readonly name: string; readonly shardsCreated: boolean }[];
  /** What holds of the cluster as a whole: changes are paused, the newest specification is refused. */
  readonly notices: readonly ClusterNotice[];
  /** Shards that should have a record and have none. */
  readonly lostRecords: readonly {
    readonly shard: string;
    readonly since: number;
    /** For it to be made again. */
    readonly missing: readonly string[];
  }[];
}

/** More problems than this are left out, the least severe first. */
const MAX_PROBLEMS = 200;

export function buildStatus(source: StatusSource): StatusResponse {
  const nodesById = new Map(source.nodes.map((node) => [node.id, node]));
  const shards = source.shards.map((shard) => toStatusShard(shard, nodesById));
  const tallies = tallyNodes(source.shards);
  const nodes = source.nodes.map((node) => toStatusNode(node, tallies.get(node.id) ?? NO_COPIES));
  const topology = toTopology(source, nodesById);
  return {
    status: overall(source, shards),
    clusterName: source.clusterName,
    clusterId: source.clusterId,
    clusterMode: source.settings.mode,
    version: source.settings.version,
    revision: source.revision,
    reportedAt: source.nowMs,
    controlPlane: "connected",
    activeNodes: nodes.filter((node) => node.state === "alive").length,
    wantedNodes: source.settings.nodes,
    collectionCount: source.collections.length,
    shardCount: shards.length,
    replicaCount: sum(shards.map((shard) => shard.copies.length)),
    inSyncCount: sum(shards.map((shard) => shard.inSync)),
    documentCount: sum(shards.map((shard) => shard.documents)),
    zoneLossTolerated:
      topology.length > 1 && topology.every((zone) => toleratesLoss(zone.zone, source, nodesById)),
    topology,
    nodes,
    shards,
    problems: problemsOf(source),
  };
}

interface NodeTally {
  readonly copies: number;
  readonly primaries: number;
  readonly documents: number;
}

const NO_COPIES: NodeTally = { copies: 0, primaries: 0, documents: 0 };

function tallyNodes(shards: readonly StatusShardSource[]): Map<string, NodeTally> {
  const tallies = new Map<string, NodeTally>();
  for (const { record, reports } of shards) {
    for (const { id, node } of record.copies) {
      const { copies, primaries, documents } = tallies.get(node) ?? NO_COPIES;
      tallies.set(node, {
        copies: copies + 1,
        primaries: primaries + (id === record.primary ? 1 : 0),
        documents: documents + (reports.get(id)?.documents ?? 0),
      });
    }
  }
  return tallies;
}

function toStatusNode(node: StatusNodeSource, tally: NodeTally): StatusNode {
  const { id, name, zone, region, rack, ready, draining, httpUrl, version, workers } = node;
  return {
    id,
    name,
    zone,
    region,
    rack,
    state: stateOf(node),
    since: node.since,
    ready,
    draining,
    httpUrl,
    version,
    workers,
    ...tally,
    memoryUsedBytes: node.memoryUsedBytes,
    diskFreeBytes: node.diskFreeBytes,
  };
}

/** A node that has not been heard of yet is not alive to those who read a status. */
function stateOf(node: StatusNodeSource): "alive" | "suspect" | "dead" {
  return node.state === "starting" ? "suspect" : node.state;
}

function toStatusShard(shard: StatusShardSource, nodes: ReadonlyMap<string, StatusNodeSource>): StatusShard {
  const { record, reports, factor } = shard;
  const primary = reports.get(record.primary);
  const leads = primary?.role === "primary" && primary.term === record.term;
  const primaryNode = record.copies.find((copy) => copy.id === record.primary)?.node ?? "";
  const copies = record.copies.map((copy): StatusCopy => {
    const report = reports.get(copy.id);
    return {
      id: copy.id,
      node: nodes.get(copy.node)?.name ?? copy.node,
      zone: copy.zone,
      role: report ? toRole(report.role) : "away",
      inSync: record.inSync.includes(copy.id),
      documents: report?.documents ?? 0,
      lastSeq: report?.lastSeq ?? 0,
      globalCheckpoint: report?.globalCheckpoint ?? 0,
      lagOperations: lagOf(copy.id, record, primary),
    };
  });
  const missing = Math.max(0, factor - record.copies.length);
  return {
    collection: shard.collection,
    number: shard.number,
    state: shardState(shard, leads),
    term: record.term,
    version: record.version,
    primary: leads ? (nodes.get(primaryNode)?.name ?? primaryNode) : null,
    inSync: record.inSync.length,
    recovering: record.recovering.length,
    wanted: factor,
    unassigned: Array.from({ length: missing }, () => ({ reason: shard.wait?.reason ?? "WaitingForNode" })),
    documents: primary?.documents ?? Math.max(0, ...copies.map((copy) => copy.documents)),
    copies,
    reason: record.lastChange.reason,
    since: record.lastChange.at,
  };
}

function shardState(shard: StatusShardSource, leads: boolean): StatusShard["state"] {
  const { record, wait, factor, minReplicasForWrite } = shard;
  if (wait?.reason === "ShardRecordStale" || wait?.reason === "ShardRecordLost") return "unknown";
  if (!leads || record.inSync.length < minReplicasForWrite) return "unavailable";
  const reported = record.inSync.filter((id) => shard.reports.has(id)).length;
  return reported < factor ? "degraded" : "ok";
}

function toRole(role: string): StatusCopy["role"] {
  switch (role) {
    case "primary":
    case "replica":
    case "activating":
    case "recovering":
      return role;
    default:
      return "failed";
  }
}

function lagOf(id: string, record: ShardRecord, primary: CopyReport | undefined): number {
  if (!primary || id === record.primary) return 0;
  const confirmed = primary.lag.find((lag) => lag.allocationId === id)?.confirmed;
  return confirmed === undefined ? 0 : Math.max(0, primary.lastSeq - confirmed);
}

function overall(source: StatusSource, shards: readonly StatusShard[]): StatusResponse["status"] {
  const states = new Set(shards.map((shard) => shard.state));
  if (source.collections.some((collection) => !collection.shardsCreated)) return "unavailable";
  if (source.lostRecords.length > 0 || states.has("unavailable") || states.has("unknown"))
    return "unavailable";
  const alive = source.nodes.filter((node) => node.state === "alive").length;
  if (alive === 0) return "unavailable";
  return states.has("degraded") || alive < source.settings.nodes ? "degraded" : "ok";
}

function toTopology(
  source: StatusSource,
  nodes: ReadonlyMap<string, StatusNodeSource>,
): StatusResponse["topology"] {
  const zones = [...new Set(source.nodes.map((node) => node.zone))].sort();
  return zones.map((zone) => {
    const members = source.nodes.filter((node) => node.zone === zone);
    return {
      zone,
      nodes: members.length,
      ready: members.filter((node) => node.state === "alive" && node.ready).length,
      survivesLoss: source.shards.every((shard) => inSyncOutside(zone, shard, nodes) >= 1),
    };
  });
}

/** Writes go on too, not only searches. */
function toleratesLoss(
  zone: string,
  source: StatusSource,
  nodes: ReadonlyMap<string, StatusNodeSource>,
): boolean {
  return source.shards.every(
    (shard) => inSyncOutside(zone, shard, nodes) >= Math.max(1, shard.minReplicasForWrite),
  );
}

function inSyncOutside(
  zone: string,
  shard: StatusShardSource,
  nodes: ReadonlyMap<string, StatusNodeSource>,
): number {
  return shard.record.copies.filter((copy) => {
    const node = nodes.get(copy.node);
    return shard.record.inSync.includes(copy.id) && node?.state === "alive" && node.zone !== zone;
  }).length;
}

function problemsOf(source: StatusSource): StatusProblem[] {
  const problems = [
    ...source.notices.map(({ reason, detail, since }) =>
      problem(reason, `cluster/${source.clusterName}`, since, detail === "" ? {} : { detail }),
    ),
    ...source.nodes.flatMap(nodeProblems),
    ...source.shards.flatMap(shardProblems),
    ...source.lostRecords.map(({ shard, since, missing }) =>
      problem("ShardRecordLost", `shard/${shard}`, since, missing.length === 0 ? {} : { missing }),
    ),
    ...topologyProblems(source),
  ];
  const order = { critical: 0, warning: 1, info: 2 };
  return problems
    .sort((left, right) => order[left.severity] - order[right.severity] || left.since - right.since)
    .slice(0, MAX_PROBLEMS);
}

function nodeProblems(node: StatusNodeSource): StatusProblem[] {
  const object = `node/${node.name}`;
  if (node.refused !== undefined)
    return [problem("ForeignData", object, node.since, { detail: node.refused })];
  if (node.backOff && node.backOff.exitsInARow > 1) {
    return [problem("WorkloadBackOff", object, node.since, { ...node.backOff })];
  }
  if (node.state === "suspect" || node.state === "dead") {
    const reason = node.state === "dead" ? "NodeDead" : (node.reason ?? "NodeSuspect");
    return [problem(reason, object, node.since, {})];
  }
  return node.draining ? [problem("NodeDraining", object, node.since, {})] : [];
}

function shardProblems(shard: StatusShardSource): StatusProblem[] {
  const { record, wait, collection, number } = shard;
  const object = `shard/${collection}/${number}`;
  if (wait) {
    const retryAt: Evidence = wait.retryAt === undefined ? {} : { retryAt: wait.retryAt };
    return [problem(wait.reason, object, wait.since, { ...wait.evidence, ...retryAt })];
  }
  if (record.recovering.length === 0) return [];
  return [problem("Recovering", object, record.lastChange.at, { recovering: record.recovering.length })];
}

function topologyProblems(source: StatusSource): StatusProblem[] {
  const domains = new Set(source.nodes.map((node) => node.domain)).size;
  const { topology, replication, nodes } = source.settings;
  if (nodes === 1 || source.nodes.length < 2) return [];
  const of = (reason: Reason): StatusProblem[] => {
    const evidence = { domain: topology.domain, domains, wanted: replication.factor };
    return [problem(reason, `cluster/${source.clusterName}`, source.sinceMs, evidence)];
  };
  if (domains < replication.minReplicasForWrite) return of("WritesNeedMoreDomains");
  if (domains < replication.factor) return of("NotEnoughDomains");
  if (domains > 1) return [];
  const labelled = source.nodes.some((node) => node.zone !== "");
  return of(topology.domain === "Zone" && !labelled ? "NoZoneLabels" : "SingleDomain");
}

function problem(reason: Reason, object: string, since: number, evidence: Evidence): StatusProblem {
  const details = Object.entries(evidence).map(([key, value]) => `${key}: ${toText(key, value)}`);
  const message = details.length === 0 ? REASONS[reason] : `${REASONS[reason]} (${details.join("; ")})`;
  return { reason, severity: severityOf(reason), object, since, message, next: NEXT_STEP[reason] };
}

/** Evidence named ...At is a time; people read dates. */
function toText(key: string, value: Evidence[string]): string {
  if (key.endsWith("At") && typeof value === "number") return new Date(value).toISOString();
  return typeof value === "object" ? value.join(", ") : String(value);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
