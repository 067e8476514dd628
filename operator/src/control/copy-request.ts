/** CopyRequest on the wire -> ShardRequest. */
import { REASONS, type Reason } from "@prism/api/reason";
import type { ShardStatus } from "@prism/api/shard";
import type { CopyRequest } from "@prism/proto/gen/node";
import type { CopyRequestAction, ShardRequest } from "../domain/shard-observation.js";
import type { AllocationId, NodeId } from "../domain/shard-record.js";

/** Undefined for an action this version does not know. */
export function toShardRequest(request: CopyRequest, from: NodeId): ShardRequest | undefined {
  const { action, allocationId, term, reason } = request;
  if (action !== "addInSync" && action !== "removeCopy" && action !== "promote") return undefined;
  return { action, id: allocationId as AllocationId, term, reason: toReason(reason, action), from };
}

/** The record is already as the request would have it: who asks has not seen it yet. */
export function isGranted({ action, id }: ShardRequest, { inSync, recovering }: ShardStatus): boolean {
  switch (action) {
    case "addInSync":
      return inSync.includes(id);
    case "removeCopy":
      return !inSync.includes(id) && !recovering.includes(id);
    case "promote":
      return false;
  }
}

/**
 * All that a primary knows of a silent copy is its silence. One whose node has been heard of since that began is
 * not gone but slow: its worker is stuck, or what it sends is lost.
 */
export function ofSlowCopy(
  request: ShardRequest,
  nodeSilenceMs: number | undefined,
  replicaTimeoutMs: number,
): ShardRequest {
  const isSlow =
    request.reason === "ReplicaTimeout" && nodeSilenceMs !== undefined && nodeSilenceMs < replicaTimeoutMs;
  return isSlow ? { ...request, reason: "TooSlow" } : request;
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
