/**
 * Decides the next change of one shard's record. The order of STEPS is meaning: first what forbids
 * acting at all, then who leads, then what the primary asks for, then who must leave, and only then
 * what is to be filled anew. One change per pass: the next is decided from what was really written.
 */
import type { Reason } from "@prism/api/reason";
import { PASS, type Action, type Evidence, type Verdict } from "./action.js";
import { planFirstCopy } from "./plan-first-copy.js";
import { planMissingCopies } from "./plan-missing-copies.js";
import { isDraining, planDiskRoom, planPromotion, promotionCandidates } from "./plan-promotion.js";
import {
  conditionOf,
  nodeOf,
  reportOf,
  type ShardObservation,
  type ShardRequest,
} from "./shard-observation.js";
import { changeRecord, isCopy, placeOf, type AllocationId, type RecordChange } from "./shard-record.js";

export type Step = (observation: ShardObservation) => Verdict;

const STEPS: readonly Step[] = [
  refuseStaleRecord,
  planFirstCopy,
  planPromotion,
  planRequests,
  planRemovals,
  planBootstrapEnd,
  planMissingCopies,
  planDiskRoom,
];

export function planShard(observation: ShardObservation): Verdict {
  for (const step of STEPS) {
    const verdict = step(observation);
    if (verdict.kind !== "pass") return verdict;
  }
  return PASS;
}

/** A node that has a newer record proves that this one was put back: nothing may be decided from it. */
function refuseStaleRecord(observation: ShardObservation): Verdict {
  const { record } = observation;
  const newer = observation.copies.find(
    (copy) => (isCopy(record, copy.id) && copy.term > record.term) || copy.knownVersion > record.version,
  );
  if (!newer) return PASS;
  const evidence = {
    node: newer.node,
    reportedTerm: newer.term,
    reportedVersion: newer.knownVersion,
    term: record.term,
    version: record.version,
  };
  return { kind: "refuse", reason: "ShardRecordStale", evidence };
}

function planRequests(observation: ShardObservation): Verdict {
  const request = observation.requests[0];
  if (!request) return PASS;
  switch (request.action) {
    case "addInSync":
      return follow(observation, request, { kind: "addInSync", id: request.id, term: request.term });
    case "removeCopy":
      return planRemovalRequest(observation, request);
    case "promote":
      return planHandOff(observation, request);
  }
}

/**
 * A primary that loses several healthy copies at once is itself what is cut off: one of them is
 * promoted instead. Not twice in a row, or copies that can't reach each other would take turns.
 */
function planRemovalRequest(observation: ShardObservation, request: ShardRequest): Verdict {
  const { record, recent } = observation;
  const change: RecordChange = { kind: "removeCopy", id: request.id, term: request.term };
  const healthy = record.inSync.includes(request.id) && conditionOf(observation, request.id) === "available";
  if (!healthy || request.term !== record.term) return follow(observation, request, change);
  const others = record.inSync.filter((id) => id !== record.primary);
  const asked = new Set(
    observation.requests.filter((other) => other.action === "removeCopy").map((other) => other.id),
  );
  const lost = others.filter((id) => asked.has(id)).length + recent.healthyRemovals;
  const losesAll = others.every((id) => asked.has(id)) && lost >= 2;
  const [target] = promotionCandidates(observation).filter((id) => id !== record.primary);
  if (!losesAll || target === undefined || recent.promotionsInstead > 0) {
    return follow(observation, request, change, "healthyRemoval");
  }
  return act(observation, { kind: "promote", target, drop: [] }, "PrimarySuspect", {
    request,
    note: "promotedInstead",
    evidence: { primaryLost: others },
  });
}

function planHandOff(observation: ShardObservation, request: ShardRequest): Verdict {
  const { record, name } = observation;
  if (request.term === record.term && record.inSync.includes(request.id)) {
    if (conditionOf(observation, request.id) !== "available" || isDraining(observation, request.id)) {
      return {
        kind: "act",
        actions: [{ kind: "refuseRequest", shard: name, request, refusal: "targetAway" }],
      };
    }
    return act(observation, { kind: "promote", target: request.id, drop: [] }, "HandOff", { request });
  }
  const refusal = request.term === record.term ? "notInSync" : "otherTerm";
  return { kind: "act", actions: [{ kind: "refuseRequest", shard: name, request, refusal }] };
}

/** Does what the primary asks if the record allows it, else says why not. */
function follow(
  observation: ShardObservation,
  request: ShardRequest,
  change: RecordChange,
  note?: "healthyRemoval",
): Verdict {
  const { record, name, nowMs } = observation;
  const result = changeRecord(record, change, request.reason, nowMs);
  if (!result.ok) {
    const refusal: Action = { kind: "refuseRequest", shard: name, request, refusal: result.refusal };
    return { kind: "act", actions: [refusal] };
  }
  return act(observation, change, request.reason, { request, note });
}

/** Copies whose node is gone, or which failed on their node, leave; the primary by promotion only. */
function planRemovals(observation: ShardObservation): Verdict {
  const { record } = observation;
  for (const { id } of record.copies) {
    if (id === record.primary) continue;
    const reason = removalReason(observation, id);
    if (!reason) continue;
    const change: RecordChange = { kind: "removeCopy", id, term: record.term };
    return act(observation, change, reason, { evidence: { node: placeOf(record, id)?.node ?? "" } });
  }
  return PASS;
}

function removalReason(observation: ShardObservation, id: AllocationId): Reason | undefined {
  switch (conditionOf(observation, id)) {
    case "removed":
      return "NodeRemoved";
    case "failed":
      return reportOf(observation, id)?.failure ?? "CopyFailed";
    case "dead":
      // A process that ended is started again and goes on under its id; only a dead node's copy leaves.
      return nodeOf(observation, id)?.state === "dead" ? "NodeDead" : undefined;
    case "available":
    case "pending":
    case "starting":
    case "away":
      return undefined;
  }
}

/** The first copy was made: from now on a missing copy is never replaced by an empty one. */
function planBootstrapEnd(observation: ShardObservation): Verdict {
  const { record } = observation;
  if (record.bootstrap === "") return PASS;
  if (reportOf(observation, record.primary)?.role !== "primary") return PASS;
  return act(observation, { kind: "clearBootstrap" }, "ShardCreated", {});
}

export function act(
  observation: ShardObservation,
  change: RecordChange,
  reason: Reason,
  details: {
    readonly request?: ShardRequest;
    readonly note?: "healthyRemoval" | "promotedInstead" | undefined;
    readonly evidence?: Evidence;
  },
): Verdict {
  const { record, name, resourceVersion } = observation;
  const { uid, version, term } = record;
  const action: Action = {
    kind: "changeRecord",
    shard: name,
    precondition: { uid, resourceVersion, version, term },
    change,
    reason,
    evidence: details.evidence ?? {},
    request: details.request,
    note: details.note,
  };
  return { kind: "act", actions: [action] };
}
