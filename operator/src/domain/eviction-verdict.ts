/** Whether one pod of the cluster may be evicted: a ledger of disruptions with room for one. */
import type { ClusterSettings } from "@prism/api/cluster";
import type { StatusResponse, StatusShard } from "@prism/api/status";

export interface EvictionFacts {
  /** As the control plane last told; undefined before it leads. */
  readonly status: StatusResponse | undefined;
  readonly settings: Pick<ClusterSettings, "nodes" | "health">;
  /** Pods that are ready and not about to end. */
  readonly readyPods: number;
  /** Since when all pods have been ready without a break, in the time of `status.reportedAt`. */
  readonly undisturbedSinceMs: number;
}

export interface EvictionVerdict {
  readonly maxUnavailable: 0 | 1;
  /** Why none may go. */
  readonly why: string;
}

const SHORTEST_SETTLE_MS = 3000;

/**
 * A status that was made while a pod was away, or just before, may not know yet what its copies lack. After this
 * time a copy that says nothing has left the in-sync set, and one that answers has been heard.
 */
function settleMs({ replicaTimeoutMs, heartbeatIntervalMs }: ClusterSettings["health"]): number {
  return Math.max(SHORTEST_SETTLE_MS, 2 * replicaTimeoutMs + heartbeatIntervalMs);
}

export function evictionVerdict(facts: EvictionFacts): EvictionVerdict {
  const { status, settings, readyPods, undisturbedSinceMs } = facts;
  const wantedNodes = settings.nodes;
  const none = (why: string): EvictionVerdict => ({ maxUnavailable: 0, why });
  if (status === undefined) return none("no control plane leads");
  if (readyPods < wantedNodes) return none(`${readyPods} of ${wantedNodes} pods are ready`);
  if (status.activeNodes < wantedNodes)
    return none(`${status.activeNodes} of ${wantedNodes} nodes are alive`);
  const busy = status.nodes.find((node) => node.draining || !node.ready);
  if (busy) return none(`${busy.name} ${busy.draining ? "is leaving" : "is not ready"}`);
  const lacking = status.shards.find((shard) => !isInSync(shard));
  if (lacking) return none(`shard ${lacking.collection}/${lacking.number} is ${lacking.state}`);
  if (status.reportedAt - undisturbedSinceMs < settleMs(settings.health))
    return none("a pod has just come back");
  return { maxUnavailable: 1, why: "" };
}

/** Every copy that can be is in sync. */
export function isFullyInSync(status: StatusResponse | undefined): boolean {
  return status !== undefined && status.shards.every(isInSync);
}

/**
 * A copy that has no domain to stand in will never be in sync: to wait for it would keep machines from ever being
 * drained. Another copy must be there all the same.
 */
function isInSync({ state, wanted, inSync, recovering, copies, unassigned }: StatusShard): boolean {
  if (state === "ok") return true;
  const lacksDomains =
    unassigned.length > 0 && unassigned.every(({ reason }) => reason === "NotEnoughDomains");
  const isComplete = copies.length === inSync && recovering === 0 && inSync + unassigned.length === wanted;
  return state === "degraded" && lacksDomains && isComplete && inSync >= 2;
}
