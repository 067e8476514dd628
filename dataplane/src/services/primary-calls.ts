/**
 * One call at the primary of a shard, given up for another as soon as the map names one: the old
 * primary may wait in vain for its copies. Who calls says what an answer means and when to ask again.
 */
import type { ShardCall } from "@prism/proto/frame-kind";
import { primaryNodeOf } from "../domain/choose-copies.js";
import type { NodeId, ShardMap } from "../domain/cluster-map.js";
import { Cancellation, type CancelSignal } from "./cancellation.js";
import type { ClusterDirectory } from "./cluster-directory.js";
import type { Deadline } from "./deadline.js";
import type { NodeTraffic } from "./node-traffic.js";
import { ShardProblem, type ShardCalls } from "./shard-calls.js";

/** The first pause before a primary is asked again, and the longest; each is twice the one before. */
export const FIRST_PAUSE_MS = 20;
export const LONGEST_PAUSE_MS = 250;

export type PrimaryAnswer =
  | { readonly kind: "answered"; readonly payload: Uint8Array; readonly tookMs: number }
  | { readonly kind: "failed"; readonly error: unknown }
  /** The map names another primary now; this one's answer is not waited for. */
  | { readonly kind: "moved" };

export interface PrimaryCall {
  readonly collection: Parameters<ClusterDirectory["shard"]>[0];
  /** The record that names the primary, or that its copy was named after. */
  readonly shard: ShardMap;
  readonly node: NodeId;
  readonly call: ShardCall;
  readonly payload: Uint8Array;
  readonly deadline: Deadline;
  readonly signal: CancelSignal | undefined;
  /** Whether this failure is an answer of the node: one that leaves calls unanswered is avoided for a while. */
  readonly isAnswer: (error: unknown) => boolean;
}

export class PrimaryCalls {
  readonly #calls: ShardCalls;
  readonly #directory: ClusterDirectory;
  readonly #traffic: NodeTraffic;

  constructor(calls: ShardCalls, directory: ClusterDirectory, traffic: NodeTraffic) {
    this.#calls = calls;
    this.#directory = directory;
    this.#traffic = traffic;
  }

  async ask(asked: PrimaryCall): Promise<PrimaryAnswer> {
    const { collection, shard, node, call, payload, deadline, signal } = asked;
    const cancellation = new Cancellation();
    const stop = (): void => cancellation.abort();
    signal?.addEventListener("abort", stop);
    const end = this.#traffic.begin(node);
    const startedAtMs = performance.now();
    const timeoutMs = Math.max(1, Math.ceil(deadline.leftMs));
    let answered = false;
    const answer = this.#calls
      .call({ node, shard: shard.uid }, call, payload, { timeoutMs, signal: cancellation })
      .then(
        (bytes): PrimaryAnswer => {
          answered = true;
          return { kind: "answered", payload: bytes, tookMs: performance.now() - startedAtMs };
        },
        (error: unknown): PrimaryAnswer => {
          answered = asked.isAnswer(error);
          return { kind: "failed", error };
        },
      );
    const hasMoved = (): true | undefined => {
      const now = this.#directory.shard(collection, shard.number);
      return now !== undefined && now.term > shard.term && primaryNodeOf(now) !== node ? true : undefined;
    };
    const moved = this.#directory
      .waitFor(hasMoved, timeoutMs, cancellation)
      .then((newer): PrimaryAnswer | undefined => (newer === true ? { kind: "moved" } : undefined));
    try {
      return (await Promise.race([answer, moved])) ?? (await answer);
    } finally {
      end(answered);
      signal?.removeEventListener("abort", stop);
      cancellation.abort();
    }
  }

  /** Where a copy that is not the primary says the primary is, when that is news. */
  hintOf(problem: unknown, asked: NodeId): NodeId | undefined {
    const hint = problem instanceof ShardProblem ? problem.primaryNode : undefined;
    return hint !== undefined && hint !== asked && this.#calls.isReachable(hint) ? hint : undefined;
  }
}
