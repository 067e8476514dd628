/**
 * Who leads a shard (protocol 6.1, 8.2, 8.4). Any in-sync copy may be promoted without loss; which
 * one is policy: the longest log, then the node with the fewest primaries.
 */
import type { Reason } from "@prism/api/reason";
import { PASS, type Verdict } from "./action.js";
import { conditionOf, nodeOf, reportOf, type ShardObservation } from "./shard-observation.js";
import type { AllocationId } from "./shard-record.js";

export function planPromotion(observation: ShardObservation): Verdict {
  const reason = primaryTrouble(observation);
  if (!reason) return PASS;
  const { record, name, resourceVersion } = observation;
  const evidence = { members: membersWithConditions(observation), cause: reason };
  // After a start of everything, the copies have one health window to be compared by their logs.
  const unseen = record.inSync.some((id) => conditionOf(observation, id) === "starting");
  if (unseen) return { kind: "wait", reason, retryAtMs: undefined, evidence };
  const [target] = promotionCandidates(observation);
  if (target === undefined) {
    return { kind: "wait", reason: "LastInSyncCopyAway", retryAtMs: undefined, evidence };
  }
  const { uid, version, term } = record;
  return {
    kind: "act",
    actions: [
      {
        kind: "changeRecord",
        shard: name,
        precondition: { uid, resourceVersion, version, term },
        change: { kind: "promote", target, drop: droppable(observation, target) },
        reason,
        evidence: { members: membersWithConditions(observation) },
        request: undefined,
        note: undefined,
      },
    ],
  };
}

/** In-sync copies that are there, best first. */
export function promotionCandidates(observation: ShardObservation): AllocationId[] {
  const rank = (id: AllocationId): readonly number[] => {
    const node = nodeOf(observation, id);
    return [
      isDraining(observation, id) ? 1 : 0,
      node?.diskFull === true ? 1 : 0,
      -(reportOf(observation, id)?.lastSeq ?? 0),
      node ? observation.loadOf(node.id).primaries / node.weight : 0,
    ];
  };
  return observation.record.inSync
    .filter((id) => conditionOf(observation, id) === "available")
    .map((id) => ({ id, rank: rank(id) }))
    .sort((left, right) => compareRanks(left.rank, right.rank) || (left.id < right.id ? -1 : 1))
    .map((candidate) => candidate.id);
}

export function isDraining(observation: ShardObservation, id: AllocationId): boolean {
  return nodeOf(observation, id)?.drainingSinceMs !== undefined;
}

/** The primary's disk is full: it waits until there is room, here or on another in-sync copy's node. */
export function planDiskRoom(observation: ShardObservation): Verdict {
  const { record } = observation;
  if (nodeOf(observation, record.primary)?.diskFull !== true) return PASS;
  const members = record.inSync.map((id) => {
    const node = nodeOf(observation, id);
    return `${node?.name ?? id} ${node?.diskFull === true ? "full" : conditionOf(observation, id)}`;
  });
  return { kind: "wait", reason: "DiskFull", retryAtMs: undefined, evidence: { members } };
}

function hasRoomElsewhere(observation: ShardObservation): boolean {
  return promotionCandidates(observation).some(
    (id) => !isDraining(observation, id) && nodeOf(observation, id)?.diskFull === false,
  );
}

/** Why the primary can't lead, if so. */
function primaryTrouble(observation: ShardObservation): Reason | undefined {
  const { record, nowMs, settings } = observation;
  const report = reportOf(observation, record.primary);
  const node = nodeOf(observation, record.primary);
  switch (conditionOf(observation, record.primary)) {
    case "removed":
      return "NodeRemoved";
    case "dead":
      return node?.state === "dead" ? "NodeDead" : "WorkloadExited";
    case "away":
      return "PrimarySuspect";
    case "failed":
      return report?.failure ?? "CopyFailed";
    case "starting":
    case "pending":
      return undefined;
    case "available": {
      // It has the record that makes it primary and did not take up the role: its process is a new
      // one, which lost what it waited for and what it had sent (protocol 8.2).
      const restarted = report?.role === "replica" && report.mapVersion >= record.version;
      if (restarted) return "PrimaryRestarted";
      const drainingMs = node?.drainingSinceMs === undefined ? 0 : nowMs - node.drainingSinceMs;
      // Two leaving nodes must not pass a shard to and fro.
      const canStay = promotionCandidates(observation).some((id) => !isDraining(observation, id));
      if (drainingMs >= settings.handOffMs && canStay) return "NodeDraining";
      return node?.diskFull === true && hasRoomElsewhere(observation) ? "DiskFull" : undefined;
    }
  }
}

/**
 * Copies whose process is known to be gone leave in the same step, so that writes need not wait for
 * the new primary to ask for it; as long as enough copies stay for writes. So does a primary that is
 * deposed because nobody hears it: the new one would stand still until it had found it silent as well.
 */
function droppable(observation: ShardObservation, target: AllocationId): AllocationId[] {
  const { record, settings } = observation;
  const gone = record.inSync.filter((id) => {
    const condition = conditionOf(observation, id);
    const isGone = condition === "dead" || condition === "removed";
    return id !== target && (isGone || (id === record.primary && condition === "away"));
  });
  const most = Math.max(0, record.inSync.length - Math.max(1, settings.minReplicasForWrite));
  return gone.slice(0, most);
}

function membersWithConditions(observation: ShardObservation): string[] {
  return observation.record.inSync.map((id) => `${id} ${conditionOf(observation, id)}`);
}

function compareRanks(left: readonly number[], right: readonly number[]): number {
  for (let at = 0; at < left.length; at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
