/**
 * What the network thread and a shard worker say to each other, in lists: all of one turn of the sender's
 * event loop. Payloads are encoded wire messages
 * (@prism/proto), so a call that stays on the node and one that came from a peer are the same call.
 */
import type { Limits } from "@prism/api/limits";
import type { CallError } from "@prism/proto/gen/node";
import type { ClusterMap } from "../domain/cluster-map.js";
import type { MapDelta } from "../domain/map-delta.js";
import type { ProtocolEvent } from "../domain/protocol-event.js";
import type { CopyReport } from "@prism/proto/gen/node";

export interface WorkerSettings {
  readonly worker: number;
  readonly workers: number;
  /** Stores of the data directory; domain/store-of-shard.ts says which shard is where and whose. */
  readonly stores: number;
  readonly dataDirectory: string;
  readonly nodeId: string;
  readonly limits: Limits;
  /** This worker's part of the memory budget, apart from its heap: indexes, and buffers of writes. */
  readonly indexBudgetBytes: number;
  readonly bufferBudgetBytes: number;
  /** Of all workers of the node together (snapshot-budget.ts); a worker without it has its own. */
  readonly snapshots?: SharedArrayBuffer;
}

export type ToWorker =
  | {
      readonly kind: "call";
      readonly id: number;
      readonly call: number;
      readonly shard: string;
      readonly timeoutMs: number;
      readonly payload: Uint8Array;
    }
  | { readonly kind: "cancel"; readonly id: number }
  /** An encoded ReplicationMessage for a copy of this worker. */
  | { readonly kind: "replication"; readonly shard: string; readonly payload: Uint8Array }
  | { readonly kind: "map"; readonly map: ClusterMap }
  /** To the map that came before: no message is lost or overtaken between threads. */
  | { readonly kind: "mapDelta"; readonly delta: MapDelta }
  | { readonly kind: "peer"; readonly node: string; readonly connected: boolean }
  /** Also says for how long the node has heard nothing of the control plane. */
  | { readonly kind: "ping"; readonly id: number; readonly controlPlaneSilenceMs: number }
  /** Hand primaries off, then answer `drained`; bounded by timeoutMs. */
  | { readonly kind: "drain"; readonly id: number; readonly timeoutMs: number }
  /** Flush, save indexes, close the store, answer `closed`. */
  | { readonly kind: "close"; readonly id: number };

export type FromWorker =
  | { readonly kind: "ready"; readonly copies: readonly CopyReport[] }
  | {
      readonly kind: "answer";
      readonly id: number;
      readonly payload?: Uint8Array;
      readonly error?: CallError;
    }
  | {
      readonly kind: "replication";
      readonly toNode: string;
      readonly shard: string;
      readonly payload: Uint8Array;
    }
  | {
      readonly kind: "copyRequest";
      readonly shard: string;
      readonly action: string;
      readonly allocationId: string;
      readonly term: number;
      readonly reason: string;
    }
  | { readonly kind: "reports"; readonly copies: readonly CopyReport[]; readonly memory: WorkerMemory }
  | { readonly kind: "pong"; readonly id: number }
  | { readonly kind: "drained" | "closed"; readonly id: number }
  /** A store ended for good, and every copy in it with it. */
  | { readonly kind: "storeFailed"; readonly directory: string; readonly detail: string }
  | { readonly kind: "protocolEvent"; readonly event: ProtocolEvent }
  /** One structured log line; the network thread writes it. */
  | {
      readonly kind: "log";
      readonly level: "info" | "warn" | "error";
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };

export interface WorkerMemory {
  readonly heapBytes: number;
  readonly indexBytes: number;
  readonly eventLoopDelayMs: number;
  /** Since the start, to copies that were being filled. */
  readonly recoverySentBytes: number;
}
