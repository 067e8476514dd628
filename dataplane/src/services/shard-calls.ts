/**
 * How the coordinator reaches a copy of a shard, wherever it lives: a worker thread of this process
 * or the stream to a peer. Payloads are encoded wire messages of @prism/proto, never looked into.
 */
import { Problem, type ProblemCode, type Violation } from "@prism/api/problem-code";
import type { ShardCall } from "@prism/proto/frame-kind";
import type { NodeId, ShardUid } from "../domain/cluster-map.js";
import type { CancelSignal } from "./cancellation.js";

export interface ShardTarget {
  readonly node: NodeId;
  readonly shard: ShardUid;
}

export interface ShardCallOptions {
  /** Time left for the whole call. The other side is told, and is sent a cancel when it passes. */
  readonly timeoutMs: number;
  readonly signal?: CancelSignal;
}

export interface ShardCalls {
  /**
   * Resolves with the encoded response. Rejects with a ShardProblem:
   * - `timeout`: no answer in time, or the signal aborted. For a write, executed is `unknown`.
   * - `shardUnavailable`: no connection to the node, or its send queue is full (executed `no`); or
   *   the connection or worker was lost after sending (executed `unknown` for a write).
   * - otherwise whatever the copy answered.
   */
  call(
    target: ShardTarget,
    call: ShardCall,
    payload: Uint8Array,
    options: ShardCallOptions,
  ): Promise<Uint8Array>;
  /** Whether a call to the node can be sent now; always true of this node. */
  isReachable(node: NodeId): boolean;
}

/** A failed shard call. */
export class ShardProblem extends Problem {
  /** Where the primary is as the copy that refused knows it; only with `noPrimary`. */
  readonly primaryNode: NodeId | undefined;

  constructor(
    code: ProblemCode,
    detail: string,
    options: {
      violations?: readonly Violation[];
      executed?: "no" | "unknown";
      cause?: unknown;
      primaryNode?: NodeId | undefined;
    } = {},
  ) {
    super(code, detail, options);
    this.name = "ShardProblem";
    this.primaryNode = options.primaryNode;
  }
}
