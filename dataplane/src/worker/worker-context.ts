/** What a copy of a shard gets from the worker thread it lives in. */
import type { Limits } from "@prism/api/limits";
import type { NodeId } from "../domain/cluster-map.js";
import type { MakeIndex } from "./index-keeper.js";
import type { SnapshotBudget } from "./snapshot-budget.js";
import type { FromWorker } from "./worker-message.js";

export interface WorkerContext {
  readonly worker: number;
  readonly nodeId: NodeId;
  readonly dataDirectory: string;
  readonly limits: Limits;
  readonly makeIndex: MakeIndex;
  /** New at every start of the worker: makes ids unique over restarts. */
  readonly bootId: string;
  /** Wall-clock milliseconds that never go back while the process lives. */
  nowMs(): number;
  post(message: FromWorker): void;
  log(level: "info" | "warn" | "error", message: string, fields: Readonly<Record<string, unknown>>): void;
  /** Why no document may be added now; deletes go on. */
  writeRefusal(): "diskFull" | "memoryLimit" | undefined;
  /** Bytes of queued writes that still fit the worker's buffer budget. */
  readonly buffers: BufferBudget;
  readonly snapshots: SnapshotBudget;
  /** Bytes went out to a copy that is being filled. */
  recoverySent(bytes: number): void;
  isPeerConnected(node: NodeId): boolean | undefined;
  /** How old a read may be that asks for no level: see ReadHost.stalenessLimitMs. */
  stalenessLimitMs(): number | undefined;
  /** There is background work: call `background` of the copies again. */
  kickBackground(): void;
  /** Something that reports show has changed. */
  reportSoon(): void;
}

/** Shared by all copies of a worker. */
export class BufferBudget {
  readonly limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** False, taking nothing, when it does not fit. One write always fits, or a large one never would. */
  take(bytes: number): boolean {
    if (this.#usedBytes > 0 && this.limitBytes > 0 && this.#usedBytes + bytes > this.limitBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}
