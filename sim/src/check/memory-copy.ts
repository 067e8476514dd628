/** A copy in the memory of a node, followed by the events and effects of its state machine. */
import type { CopyEffect } from "@prism/dataplane/domain/replication/event";
import type { LogEntry } from "@prism/dataplane/domain/replication/log-entry";
import type { ShardCopy } from "@prism/dataplane/domain/replication/shard-copy";
import { clientOperationId } from "./committed-history.js";
import type { LogSnapshot } from "./disk-copies.js";
import type { ShardHistory } from "./shard-history.js";
import type { NodeProcess } from "../world/node-process.js";

export class MemoryCopy {
  readonly node: NodeProcess;
  readonly shard: string;
  readonly machine: ShardCopy;
  readonly allocationId: string;
  #keptThrough = Infinity;
  /** Took up the role and has not committed anything in it. */
  activating = false;
  mapVersion = 0;
  term: number;
  baseSeq: number;
  /** Entry at index i has seq baseSeq + 1 + i. */
  entries: LogEntry[];
  checkpoint: number;
  /** The log is known to be the committed history up to here. */
  matched: number;
  /** That history. */
  matchedIn: ShardHistory | undefined;

  constructor(
    node: NodeProcess,
    shard: string,
    machine: ShardCopy,
    loaded: { readonly baseSeq: number; readonly entries: LogEntry[]; readonly checkpoint: number },
  ) {
    this.node = node;
    this.shard = shard;
    this.machine = machine;
    const { allocationId, term } = machine.view(0);
    this.allocationId = allocationId;
    this.term = term;
    this.baseSeq = loaded.baseSeq;
    this.entries = loaded.entries;
    this.checkpoint = loaded.checkpoint;
    this.matched = loaded.baseSeq;
  }

  get lastSeq(): number {
    return this.baseSeq + this.entries.length;
  }

  at(seq: number): LogEntry | undefined {
    return seq <= this.baseSeq ? undefined : this.entries[seq - this.baseSeq - 1];
  }

  persist({ change }: Extract<CopyEffect, { kind: "persist" }>): void {
    const { installSnapshot, truncateAfter, append, trimThrough, globalCheckpoint } = change;
    if (installSnapshot !== undefined) {
      this.baseSeq = installSnapshot.seq;
      this.entries = [];
      this.checkpoint = installSnapshot.seq;
      this.matched = installSnapshot.seq;
      this.#keptThrough = 0;
    }
    // What was given to a disk's snapshot is never changed: cutting makes a new list.
    if (truncateAfter !== undefined) {
      this.entries = this.entries.slice(0, Math.max(0, truncateAfter - this.baseSeq));
      this.matched = Math.min(this.matched, truncateAfter);
      this.#keptThrough = Math.min(this.#keptThrough, truncateAfter);
    }
    if (append !== undefined) for (const entry of append) this.entries.push(entry);
    if (trimThrough !== undefined && trimThrough.seq > this.baseSeq) {
      this.entries = this.entries.slice(trimThrough.seq - this.baseSeq);
      this.baseSeq = trimThrough.seq;
    }
    if (globalCheckpoint !== undefined) this.checkpoint = Math.max(this.checkpoint, globalCheckpoint);
  }

  /** An operation above the checkpoint, by the id the client chose. */
  holdsPending(operationId: string): boolean {
    for (let seq = this.lastSeq; seq > this.checkpoint; seq -= 1) {
      const entry = this.at(seq);
      if (entry !== undefined && clientOperationId(entry) === operationId) return true;
    }
    return false;
  }

  /** Of what a transaction that is handed in now brings to disk. */
  snapshot(): LogSnapshot {
    const { baseSeq, entries } = this;
    const snapshot = { baseSeq, entries, length: entries.length, keptThrough: this.#keptThrough };
    this.#keptThrough = Infinity;
    return snapshot;
  }
}
