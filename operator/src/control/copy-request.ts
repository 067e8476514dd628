/** CopyRequest on the wire -> ShardRequest. */
import { REASONS, type Reason } from "@prism/api/reason";
import type { CopyRequest } from "@prism/proto/gen/node";
import type { CopyRequestAction, ShardRequest } from "../domain/shard-observation.js";
import type { AllocationId, NodeId } from "../domain/shard-record.js";

/** Undefined for an action this version does not know. */
export function toShardRequest(request: CopyRequest, from: NodeId): ShardRequest | undefined {
  const { action, allocationId, term, reason } = request;
  if (action !== "addInSync" && action !== "removeCopy" && action !== "promote") return undefined;
  return { action, id: allocationId as AllocationId, term, reason: toReason(reason, action), from };
}

function toReason(reason: string, action: CopyRequestAction): Reason {
  if (Object.hasOwn(REASONS, reason)) return reason as Reason;
  switch (action) {
    case "addInSync":
      return "CaughtUp";
    case "removeCopy":
      return "ReplicaTimeout";
    case "promote":
      return "HandOff";
  }
}
