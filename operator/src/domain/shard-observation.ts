/** What was seen of one shard and its surroundings at one moment: all that a decision rests on. */
import type { Reason } from "@prism/api/reason";
import type { HealthState } from "./failure-detector.js";
import { placeOf, type AllocationId, type NodeId, type ShardRecord } from "./shard-record.js";

export interface ObservedNode {
  readonly id: NodeId;
  readonly name: string;
  readonly zone: string;
  readonly domain: string;
  readonly state: HealthState;
  /** Since when it is in this state; for an alive node, since when it is connected. */
  readonly sinceMs: number;
  readonly reason: Reason | undefined;
  readonly exited: boolean;
  /** It leaves and hands its primaries over. */
  readonly drainingSinceMs: number | undefined;
  /** It has no room for more, so it should not lead. */
  readonly diskFull: boolean;
  /** It takes new copies. */
  readonly accepting: boolean;
  /** It reported after it took the newest map. */
  readonly upToDate: boolean;
  readonly weight: number;
}

export interface NodeLoad {
  readonly copies: number;
  readonly primaries: number;
}

export type CopyRole = "primary" | "replica" | "activating" | "recovering" | "failed";

/** A copy as its node reports it, over a connection that stands. */
export interface ObservedCopy {
  readonly node: NodeId;
  readonly id: AllocationId;
  readonly role: CopyRole;
  readonly term: number;
  /** Of the record that it goes by. */
  readonly mapVersion: number;
  /** Of the newest record that it was ever given. */
  readonly knownVersion: number;
  readonly lastSeq: number;
  /** Why it can't be used, when its node is alive: it failed, or its worker is stuck. */
  readonly failure: Reason | undefined;
}

export type CopyRequestAction = "addInSync" | "removeCopy" | "promote";

/** Asked by a primary. Repeated by it until a map answers, so none needs to be kept over a restart. */
export interface ShardRequest {
  readonly action: CopyRequestAction;
  readonly id: AllocationId;
  readonly term: number;
  readonly reason: Reason;
  readonly from: NodeId;
}

export interface ShardSettings {
  readonly factor: number;
  readonly minReplicasForWrite: number;
  readonly replicaTimeoutMs: number;
  readonly suspectTimeoutMs: number;
  readonly rebuildDelayMs: number;
  /** How long a leaving node may take to hand a primary over before another copy is promoted. */
  readonly handOffMs: number;
  /** No copy gets a new place. */
  readonly paused: boolean;
}

export interface ShardObservation {
  readonly name: string;
  readonly record: ShardRecord;
  readonly resourceVersion: string;
  readonly settings: ShardSettings;
  readonly nodes: ReadonlyMap<NodeId, ObservedNode>;
  /** What all shards together have put on a node. */
  readonly loadOf: (node: NodeId) => NodeLoad;
  /** Distinct placement domains of all nodes that belong to the cluster. */
  readonly domains: number;
  readonly copies: readonly ObservedCopy[];
  readonly requests: readonly ShardRequest[];
  /** Copies on healthy nodes removed for the primary's sake, and promotions instead of it, a short while ago. */
  readonly recent: { readonly healthyRemovals: number; readonly promotionsInstead: number };
  /** Unique for this pass: allocation ids are made from it. */
  readonly nonce: string;
  readonly nowMs: number;
}

/**
 * - available: its node is alive and reports it sound
 * - failed: its node is alive and it is not sound, or it is not there
 * - pending: its node is alive and has had no time to report it
 * - starting: nobody knows yet; the control plane just took the lead
 * - away: its node is suspect
 * - dead: its node is dead, or its process is known to have ended
 * - removed: its node is not part of the cluster any more
 */
export type CopyCondition = "available" | "failed" | "pending" | "starting" | "away" | "dead" | "removed";

export function reportOf(observation: ShardObservation, id: AllocationId): ObservedCopy | undefined {
  return observation.copies.find((copy) => copy.id === id);
}

export function nodeOf(observation: ShardObservation, id: AllocationId): ObservedNode | undefined {
  const place = placeOf(observation.record, id);
  return place && observation.nodes.get(place.node);
}

export function conditionOf(observation: ShardObservation, id: AllocationId): CopyCondition {
  const node = nodeOf(observation, id);
  if (!node) return "removed";
  switch (node.state) {
    case "starting":
      return node.exited ? "dead" : "starting";
    case "suspect":
      return node.exited ? "dead" : "away";
    case "dead":
      return "dead";
    case "alive": {
      const report = reportOf(observation, id);
      if (report) return report.failure ? "failed" : "available";
      return isMissing(observation, node) ? "failed" : "pending";
    }
  }
}

/** The node had the newest map and ample time, and still does not report the copy: it is not there. */
function isMissing(observation: ShardObservation, node: ObservedNode): boolean {
  const { record, settings, nowMs } = observation;
  if (record.bootstrap !== "" || !node.upToDate) return false;
  const sinceMs = Math.max(node.sinceMs, record.lastChange.at);
  return nowMs - sinceMs >= settings.suspectTimeoutMs;
}
