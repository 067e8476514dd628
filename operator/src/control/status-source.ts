/** Gathers what status is built from. */
import type { CopyReport } from "@prism/proto/gen/node";
import type { StartingNode } from "../domain/start-verdict.js";
import type {
  ClusterNotice,
  ShardWait,
  StatusNodeSource,
  StatusShardSource,
  StatusSource,
} from "../domain/status.js";
import type { Workloads, WorkloadStatus } from "../ports/workloads.js";
import { shardUidOf, toRecord } from "../reconcile/shard-object.js";
import type { ApiObject } from "../ports/store.js";
import type { ClusterState } from "./cluster-state.js";
import type { NodeFleet } from "./node-fleet.js";
import { ObservedMember } from "./observed-member.js";
import { steadyNowMs } from "./steady-clock.js";

export interface StatusInputs {
  readonly clusterName: string;
  readonly clusterId: string;
  readonly revision: number;
  readonly state: ClusterState;
  readonly fleet: NodeFleet;
  readonly workloads: Workloads;
  readonly waits: ReadonlyMap<string, ShardWait>;
  readonly lostRecords: StatusSource["lostRecords"];
  readonly notices: readonly ClusterNotice[];
}

export function observeStatus(inputs: StatusInputs): StatusSource {
  const { state, fleet, clusterName, clusterId, revision } = inputs;
  const listed = byName(inputs.workloads);
  const reports = new Map<string, Map<string, CopyReport>>();
  for (const node of fleet.all()) {
    if (fleet.health(node.name)?.state !== "alive") continue;
    for (const copy of node.report?.copies ?? []) {
      const ofShard = reports.get(copy.shardUid) ?? new Map<string, CopyReport>();
      ofShard.set(copy.allocationId, copy);
      reports.set(copy.shardUid, ofShard);
    }
  }
  return {
    clusterName,
    clusterId,
    revision,
    settings: state.settings,
    nowMs: steadyNowMs(),
    sinceMs: state.sinceMs,
    nodes: [...state.nodes.values()].map((node) =>
      toNodeSource(node, listed.get(node.metadata.name), inputs),
    ),
    collections: [...state.collections.values()].map(({ metadata, status }) => ({
      name: metadata.name,
      shardsCreated: status.shardsCreated,
    })),
    shards: [...state.shards.values()].flatMap((shard) => toShardSource(shard, inputs, reports)),
    notices: inputs.notices,
    lostRecords: inputs.lostRecords,
  };
}

export function startingNodes(fleet: NodeFleet, workloads: Workloads): readonly StartingNode[] {
  const listed = byName(workloads);
  return [...fleet.all()].map(({ name, report }) => ({
    name,
    ready: fleet.health(name)?.state === "alive" && report?.ready === true,
    exitsInARow: listed.get(name)?.exitsInARow ?? 0,
  }));
}

function byName(workloads: Workloads): ReadonlyMap<string, WorkloadStatus> {
  return new Map(workloads.list().map((one) => [one.name, one]));
}

function toNodeSource(
  node: ApiObject<"PrismNode">,
  workload: WorkloadStatus | undefined,
  inputs: StatusInputs,
): StatusNodeSource {
  const { fleet, state, revision } = inputs;
  const { name } = node.metadata;
  const { zone, region, rack } = node.spec;
  const observed = new ObservedMember(node, state.settings.topology, fleet, () => revision);
  const member = fleet.get(name);
  const backOff =
    workload && workload.exitsInARow > 0 && workload.state !== "running"
      ? {
          exitsInARow: workload.exitsInARow,
          retryAt: workload.retryAtMs ?? steadyNowMs(),
          lastExit: workload.lastExit ?? "",
        }
      : undefined;
  return {
    id: node.status.nodeId,
    name,
    zone,
    region,
    rack,
    domain: observed.domain,
    state: observed.state,
    exited: observed.exited,
    since: observed.sinceMs,
    reason: observed.reason,
    backOff,
    refused: member?.refused,
    ready: member?.report?.ready ?? false,
    draining: observed.drainingSinceMs !== undefined,
    httpUrl: node.status.httpUrl,
    version: member?.hello?.version ?? "",
    workers: member?.hello?.workers ?? 0,
    memoryUsedBytes: member?.report?.memoryUsedBytes ?? 0,
    diskFreeBytes: member?.report?.diskFreeBytes ?? 0,
  };
}

function toShardSource(
  shard: ApiObject<"PrismShard">,
  inputs: StatusInputs,
  reports: ReadonlyMap<string, ReadonlyMap<string, CopyReport>>,
): StatusShardSource[] {
  const collection = inputs.state.collectionOf(shard);
  if (!collection) return [];
  const { factor, minReplicasForWrite } = collection.spec.replication;
  return [
    {
      collection: shard.spec.collection,
      number: shard.spec.number,
      record: toRecord(shard),
      factor,
      minReplicasForWrite,
      reports: reports.get(shardUidOf(shard)) ?? new Map(),
      wait: inputs.waits.get(shard.metadata.name),
    },
  ];
}
