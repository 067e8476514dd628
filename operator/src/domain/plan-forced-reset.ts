/**
 * The forced reset of a shard (protocol 8.5), which a person asks for: one of the copies that are left
 * begins a new history, in a higher term and alone in the in-sync set. Refused while an in-sync copy lives
 * or may still turn up, since that one has every acknowledged write.
 */
import type { Action, Evidence } from "./action.js";
import {
  conditionOf,
  nodeOf,
  reportOf,
  type ObservedCopy,
  type ShardObservation,
} from "./shard-observation.js";
import type { AllocationId, HistoryId } from "./shard-record.js";

export type ForcedReset =
  | {
      readonly kind: "reset";
      readonly copy: ObservedCopy;
      readonly action: Extract<Action, { kind: "changeRecord" }>;
    }
  /** `why` is for the person who asked. */
  | { readonly kind: "refused"; readonly why: string };

export interface ResetWish {
  /** Undefined: the first of `resetCandidates`. */
  readonly target: AllocationId | undefined;
  /** Never given out before. */
  readonly historyId: HistoryId;
  /** For the event that records it. */
  readonly evidence: Evidence;
}

/** Copies that could be gone on with, the longest log first: on nodes that live, sound, and not in sync. */
export function resetCandidates(observation: ShardObservation): ObservedCopy[] {
  const { record, copies, nodes } = observation;
  return copies
    .filter((copy) => copy.failure === undefined && copy.role !== "failed")
    .filter((copy) => nodes.get(copy.node)?.state === "alive" && !record.inSync.includes(copy.id))
    .sort(
      (left, right) =>
        right.term - left.term || right.lastSeq - left.lastSeq || (left.id < right.id ? -1 : 1),
    );
}

/** Why no loss can be accepted now; undefined when it can. */
export function resetRefusal(observation: ShardObservation): string | undefined {
  const { record } = observation;
  for (const id of record.inSync) {
    const node = nodeOf(observation, id);
    const name = node?.name ?? "a node that left";
    switch (conditionOf(observation, id)) {
      case "available":
      case "pending":
        return `copy ${id} on ${name} is in sync and lives: nothing is lost`;
      case "starting":
      case "away":
        return `copy ${id} on ${name} is in sync and may still turn up: wait until its node counts as dead`;
      case "failed":
        if (reportOf(observation, id)?.failure !== "WorkerStuck") break;
        return `copy ${id} on ${name} is in sync, and only its worker hangs: restart the node`;
      case "dead":
        // A process that ended is started again: only time tells that it does not come back.
        if (node?.state === "dead") break;
        return `copy ${id} on ${name} is in sync and its process has only just ended: wait until its node counts as dead`;
      case "removed":
    }
  }
  if (resetCandidates(observation).length > 0) return undefined;
  return "no node that lives holds any data of the shard: start a node that has some";
}

export function planForcedReset(observation: ShardObservation, wish: ResetWish): ForcedReset {
  const refusal = resetRefusal(observation);
  if (refusal !== undefined) return { kind: "refused", why: refusal };
  const candidates = resetCandidates(observation);
  const copy = wish.target === undefined ? candidates[0] : candidates.find(({ id }) => id === wish.target);
  if (copy === undefined) {
    const known = candidates.map(({ id }) => id).join(", ");
    return { kind: "refused", why: `copy ${wish.target ?? ""} can't be gone on with; these can: ${known}` };
  }
  const { record, name, resourceVersion, nodes, copies } = observation;
  const { uid, version, term } = record;
  const zone = nodes.get(copy.node)?.zone ?? "";
  return {
    kind: "reset",
    copy,
    action: {
      kind: "changeRecord",
      shard: name,
      precondition: { uid, resourceVersion, version, term },
      change: {
        kind: "beginHistory",
        copy: { id: copy.id, node: copy.node, zone },
        // A copy may have heard of a term that the record does not have.
        aboveTerm: Math.max(term, ...copies.map((one) => one.term)),
        historyId: wish.historyId,
      },
      reason: "DataLossAccepted",
      evidence: wish.evidence,
      request: undefined,
      note: undefined,
    },
  };
}
