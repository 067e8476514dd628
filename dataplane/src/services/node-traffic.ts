/** What the coordinator learns of nodes by calling them: how many calls wait, and who went silent. */
import type { NodeConditions } from "../domain/choose-copies.js";
import type { NodeId } from "../domain/cluster-map.js";
import type { ShardCalls } from "./shard-calls.js";

interface Traffic {
  inFlight: number;
  /** When the node last answered anything, or when calls began to wait there if that is later. */
  heardAtMs: number;
  /** A node that left a call unanswered is asked last until then, so that not every request waits to find out anew. */
  avoidUntilMs: number;
}

const AVOID_MS = 1000;

export class NodeTraffic implements NodeConditions {
  readonly #calls: ShardCalls;
  readonly #silentAfterMs: number;
  readonly #nodes = new Map<NodeId, Traffic>();

  constructor(calls: ShardCalls, silentAfterMs: number) {
    this.#calls = calls;
    this.#silentAfterMs = silentAfterMs;
  }

  /** Counts a call until the returned function is told how it ended: by an answer of the node, or not. */
  begin(node: NodeId): (answered: boolean) => void {
    const traffic = this.#nodes.get(node) ?? { inFlight: 0, heardAtMs: 0, avoidUntilMs: 0 };
    this.#nodes.set(node, traffic);
    const startedAtMs = performance.now();
    if (traffic.inFlight === 0) traffic.heardAtMs = startedAtMs;
    traffic.inFlight += 1;
    return (answered) => {
      const nowMs = performance.now();
      traffic.inFlight -= 1;
      if (answered) {
        traffic.heardAtMs = nowMs;
        traffic.avoidUntilMs = 0;
      } else if (traffic.heardAtMs <= startedAtMs && nowMs - startedAtMs > this.#silentAfterMs) {
        traffic.avoidUntilMs = nowMs + AVOID_MS;
      }
    };
  }

  inFlight(node: NodeId): number {
    return this.#nodes.get(node)?.inFlight ?? 0;
  }

  isReachable(node: NodeId): boolean {
    return this.#calls.isReachable(node);
  }

  isSilent(node: NodeId): boolean {
    const traffic = this.#nodes.get(node);
    if (traffic === undefined) return false;
    const nowMs = performance.now();
    if (nowMs < traffic.avoidUntilMs) return true;
    return traffic.inFlight > 0 && nowMs - traffic.heardAtMs > this.#silentAfterMs;
  }

  /** Whether the node answered anything since this moment of performance.now(). */
  heardSince(node: NodeId, momentMs: number): boolean {
    return (this.#nodes.get(node)?.heardAtMs ?? 0) > momentMs;
  }
}
