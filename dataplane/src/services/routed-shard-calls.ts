/** ShardCalls over this node's workers and the links to its peers. */
import type { ShardCall } from "@prism/proto/frame-kind";
import type { NodeId, ShardUid } from "../domain/cluster-map.js";
import { ShardProblem, type ShardCallOptions, type ShardCalls, type ShardTarget } from "./shard-calls.js";

export interface LocalShards {
  call(shard: ShardUid, call: ShardCall, payload: Uint8Array, options: ShardCallOptions): Promise<Uint8Array>;
}

export interface RemoteShards {
  call(
    target: ShardTarget,
    call: ShardCall,
    payload: Uint8Array,
    options: ShardCallOptions,
  ): Promise<Uint8Array>;
  isConnected(node: NodeId): boolean;
}

/** Told how long each call took, answered or not. */
export type CallObserver = (target: ShardTarget, call: ShardCall, seconds: number) => void;

export class RoutedShardCalls implements ShardCalls {
  readonly #self: NodeId;
  readonly #local: LocalShards;
  readonly #remote: RemoteShards;
  readonly #observe: CallObserver;

  constructor(self: NodeId, local: LocalShards, remote: RemoteShards, observe: CallObserver) {
    this.#self = self;
    this.#local = local;
    this.#remote = remote;
    this.#observe = observe;
  }

  async call(
    target: ShardTarget,
    call: ShardCall,
    payload: Uint8Array,
    options: ShardCallOptions,
  ): Promise<Uint8Array> {
    if (options.signal?.aborted === true) {
      throw new ShardProblem("timeout", "the caller gave up", { executed: "no" });
    }
    if (options.timeoutMs <= 0) throw new ShardProblem("timeout", "no time is left", { executed: "no" });
    const startedAt = performance.now();
    try {
      return await (target.node === this.#self
        ? this.#local.call(target.shard, call, payload, options)
        : this.#remote.call(target, call, payload, options));
    } finally {
      this.#observe(target, call, (performance.now() - startedAt) / 1000);
    }
  }

  isReachable(node: NodeId): boolean {
    return node === this.#self || this.#remote.isConnected(node);
  }
}
