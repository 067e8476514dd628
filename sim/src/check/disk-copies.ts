/** What the disks hold of each shard's log, followed commit by commit. */
import { decodeEntry } from "@prism/dataplane/adapters/lmdb/entry-codec";
import type { ShardRecord } from "@prism/dataplane/adapters/lmdb/shard-record";
import type { LogEntry } from "@prism/dataplane/domain/replication/log-entry";
import type { TableWrite } from "../world/memory-database.js";
import { sameEntry, type CommittedHistory } from "./committed-history.js";

/** A log under one slot: entries above its base. */
export class SlotLog {
  readonly entries = new Map<number, LogEntry>();
  /** The log is known to be the committed history up to here. */
  matched = 0;
}

const RECORD = "shard/";

export class DiskCopies {
  readonly records = new Map<string, ShardRecord>();
  readonly #slots = new Map<number, SlotLog>();

  /** Returns the shards whose record or log changed. */
  apply(writes: readonly TableWrite[]): void {
    for (const { table, key, value } of writes) {
      if (table === "log") this.#applyEntry(key, value);
      else if (table === "meta" && key.startsWith(RECORD)) {
        const shard = key.slice(RECORD.length);
        if (value === undefined) this.records.delete(shard);
        else this.records.set(shard, JSON.parse(value.toString("utf8")) as ShardRecord);
      }
    }
  }

  /** Entries of the shard's present log, above its base. */
  log(record: ShardRecord): SlotLog {
    return this.#slot(record.slot);
  }

  /** How far the copy's log on disk is the committed history, without a hole. */
  matched(record: ShardRecord, history: CommittedHistory): number {
    const log = this.#slot(record.slot);
    // What the base says is documents, and those are committed.
    log.matched = Math.max(log.matched, record.baseSeq);
    const last = Math.min(record.lastSeq, history.lastSeq);
    while (log.matched < last) {
      const entry = log.entries.get(log.matched + 1);
      const committed = history.at(log.matched + 1);
      if (entry === undefined || committed === undefined || !sameEntry(entry, committed)) break;
      log.matched += 1;
    }
    return Math.min(log.matched, record.lastSeq);
  }

  #applyEntry(key: string, value: Buffer | undefined): void {
    const slot = numberAt(key, 0, 4);
    const seq = numberAt(key, 4, 6);
    const log = this.#slot(slot);
    if (value === undefined) {
      // Trimmed from below, it stays matched; cut from above, it does not.
      if (log.entries.delete(seq) && seq <= log.matched && log.entries.has(seq - 1)) log.matched = seq - 1;
      return;
    }
    if (seq <= log.matched) log.matched = seq - 1;
    log.entries.set(seq, decodeEntry(value, seq));
  }

  #slot(number: number): SlotLog {
    let log = this.#slots.get(number);
    if (log === undefined) this.#slots.set(number, (log = new SlotLog()));
    return log;
  }
}

function numberAt(key: string, from: number, bytes: number): number {
  let value = 0;
  for (let i = from; i < from + bytes; i += 1) value = value * 256 + key.charCodeAt(i);
  return value;
}
