/**
 * What the disk of a node holds of each shard: the records as they are stored, and the logs as the copies
 * had them in memory when the transaction that is on disk now was handed in.
 */
import type { ShardRecord } from "@prism/dataplane/adapters/lmdb/shard-record";
import type { LogEntry } from "@prism/dataplane/domain/replication/log-entry";
import type { TableWrite } from "../world/memory-database.js";
import { sameEntry, type CommittedHistory } from "./committed-history.js";

/** A log at one moment. The entries may be more: only the first `length` count, and those never change. */
export interface LogSnapshot {
  readonly baseSeq: number;
  readonly entries: readonly LogEntry[];
  readonly length: number;
  /** What is above has been replaced since the snapshot before. */
  readonly keptThrough: number;
}

interface DiskLog {
  readonly snapshot: LogSnapshot;
  /** The log is known to be this history up to here. */
  matched: number;
  history: CommittedHistory | undefined;
}

const RECORD = "shard/";

export class DiskCopies {
  readonly records = new Map<string, ShardRecord>();
  readonly #logs = new Map<string, DiskLog>();

  /** Returns the shards that were written. */
  apply(writes: readonly TableWrite[], logs: ReadonlyMap<string, LogSnapshot>): string[] {
    const written: string[] = [];
    for (const { table, key, value } of writes) {
      if (table !== "meta" || !key.startsWith(RECORD)) continue;
      const shard = key.slice(RECORD.length);
      written.push(shard);
      if (value === undefined) {
        this.records.delete(shard);
        this.#logs.delete(shard);
        continue;
      }
      this.records.set(shard, JSON.parse(value.toString("utf8")) as ShardRecord);
      const snapshot = logs.get(shard);
      if (snapshot === undefined) continue;
      const before = this.#logs.get(shard);
      const matched = Math.min(before?.matched ?? 0, snapshot.keptThrough);
      this.#logs.set(shard, { snapshot, matched, history: before?.history });
    }
    return written;
  }

  /** The log as the disk has it; undefined when nothing was written yet. */
  log(shard: string): LogSnapshot | undefined {
    return this.#logs.get(shard)?.snapshot;
  }

  /** How far the copy's log on disk is the committed history, without a hole. */
  matched(shard: string, history: CommittedHistory): number {
    const log = this.#logs.get(shard);
    if (log === undefined) return 0;
    const { baseSeq, entries, length } = log.snapshot;
    if (log.history !== history) log.matched = 0;
    log.history = history;
    // What the base says is documents, and those are committed.
    log.matched = Math.max(log.matched, baseSeq);
    const last = Math.min(baseSeq + length, history.lastSeq);
    while (log.matched < last) {
      const entry = entries[log.matched - baseSeq]!;
      if (!sameEntry(entry, history.at(log.matched + 1)!)) break;
      log.matched += 1;
    }
    return Math.min(log.matched, baseSeq + length);
  }
}
