/**
 * A shard's operation log as its worker uses it: the store holds all of it, memory the newest entries
 * and all that are not applied yet, with what a write must know of those: which document they change
 * and which operation they are.
 */
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import { encodeEntry } from "../adapters/lmdb/entry-codec.js";
import { numberKey } from "../adapters/lmdb/store-key.js";
import type { LogEntry, TermSpan } from "../domain/replication/log-entry.js";
import { LogRetention, type LogBounds, type Retained } from "./log-retention.js";

/** Applied entries kept in memory for copies that are a little behind. */
const CACHE_BYTES = 4 * 1024 * 1024;

interface Held {
  readonly entry: LogEntry;
  readonly bytes: number;
}

export class EntryLog {
  readonly #store: ShardStore;
  #slot: number;
  /** Entries `#cacheStart`..`#lastSeq`. */
  #cache: Held[] = [];
  #cacheStart: number;
  #cacheBytes = 0;
  readonly #retention: LogRetention;
  #lastSeq: number;
  #appliedSeq: number;
  readonly #lastOfId = new Map<string, number>();
  readonly #seqOfOperation = new Map<string, number>();

  constructor(store: ShardStore, slot: number, baseSeq: number, appliedSeq: number, bounds: LogBounds) {
    this.#store = store;
    this.#slot = slot;
    this.#cacheStart = baseSeq + 1;
    this.#retention = new LogRetention(bounds, baseSeq);
    this.#lastSeq = baseSeq;
    this.#appliedSeq = appliedSeq;
  }

  /**
   * Reads and checks the whole log.
   * @throws {DamagedValueError} and {Error} when an entry is damaged or missing.
   */
  load(lastSeq: number): { readonly termSpans: TermSpan[]; readonly lastTimeMs: number } {
    const termSpans: TermSpan[] = [];
    let lastTimeMs = 0;
    for (const { entry, bytes } of this.#store.entries(this.#slot, this.#lastSeq + 1)) {
      if (entry.seq !== this.#lastSeq + 1) break;
      if (termSpans.at(-1)?.term !== entry.term) termSpans.push({ fromSeq: entry.seq, term: entry.term });
      lastTimeMs = Math.max(lastTimeMs, entry.timeMs);
      this.#hold(entry, bytes);
      this.#evict();
    }
    if (this.#lastSeq !== lastSeq) {
      throw new Error(`the log ends at ${this.#lastSeq}, its record says ${lastSeq}`);
    }
    return { termSpans, lastTimeMs };
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  append(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      const value = encodeEntry(entry);
      this.#store.put("log", numberKey(this.#slot, entry.seq), value);
      this.#hold(entry, value.length);
    }
    this.#evict();
  }

  truncateAfter(seq: number): void {
    for (let gone = this.#lastSeq; gone > seq; gone -= 1) {
      this.#store.remove("log", numberKey(this.#slot, gone));
      this.#cacheBytes -= this.#cache.pop()?.bytes ?? 0;
    }
    this.#retention.truncateAfter(seq);
    this.#lastSeq = seq;
    this.#lastOfId.clear();
    this.#seqOfOperation.clear();
    for (const { entry } of this.#cache) if (entry.seq > this.#appliedSeq) this.#remember(entry);
  }

  trimThrough(baseSeq: number, seq: number): void {
    for (let gone = baseSeq + 1; gone <= seq; gone += 1) {
      this.#store.remove("log", numberKey(this.#slot, gone));
    }
    this.#retention.trimThrough(seq);
    while (this.#cacheStart <= seq) this.#dropOldest();
  }

  /** The log of a copy that holds exactly a snapshot at `seq`, in another slot. */
  reset(slot: number, seq: number): void {
    this.#slot = slot;
    this.#cache = [];
    this.#cacheBytes = 0;
    this.#retention.reset(seq);
    this.#cacheStart = seq + 1;
    this.#lastSeq = seq;
    this.#appliedSeq = seq;
    this.#lastOfId.clear();
    this.#seqOfOperation.clear();
  }

  /** @throws {DamagedValueError} when the stored entry is damaged, {Error} when it is not held. */
  get(seq: number): LogEntry {
    const held = this.#cache[seq - this.#cacheStart];
    if (held !== undefined && seq >= this.#cacheStart) return held.entry;
    const entry = this.#store.entry(this.#slot, seq);
    if (entry === undefined) throw new Error(`log entry ${seq} is missing`);
    return entry;
  }

  /** Bytes of an entry in the store; 0 when unknown. */
  bytesOf(seq: number): number {
    return this.#retention.bytesOf(seq);
  }

  /** Entries up to here are in the documents: they are no overlay any more. */
  applied(seq: number): void {
    for (let done = this.#appliedSeq + 1; done <= seq; done += 1) {
      const entry = this.#cache[done - this.#cacheStart]?.entry;
      if (entry === undefined || entry.body.kind === "noop") continue;
      if (this.#lastOfId.get(entry.body.id) === done) this.#lastOfId.delete(entry.body.id);
      if (this.#seqOfOperation.get(entry.operationId) === done)
        this.#seqOfOperation.delete(entry.operationId);
    }
    this.#appliedSeq = seq;
    this.#evict();
  }

  /** The newest entry above the applied ones that changes the document. */
  pendingOf(id: string): LogEntry | undefined {
    const seq = this.#lastOfId.get(id);
    return seq === undefined ? undefined : this.get(seq);
  }

  /** An operation above the applied ones, committed or not (protocol 5.1.2). */
  seqOfOperation(operationId: string): number | undefined {
    return this.#seqOfOperation.get(operationId);
  }

  /** What may go, as far as the bounds of the log are concerned. */
  retained(nowMs: number): Retained {
    return this.#retention.at(nowMs);
  }

  #hold(entry: LogEntry, bytes: number): void {
    this.#cache.push({ entry, bytes });
    this.#cacheBytes += bytes;
    this.#retention.append(bytes, entry.timeMs);
    this.#lastSeq = entry.seq;
    if (entry.seq > this.#appliedSeq) this.#remember(entry);
  }

  #remember(entry: LogEntry): void {
    if (entry.body.kind === "noop") return;
    if (entry.body.kind !== "unchanged") this.#lastOfId.set(entry.body.id, entry.seq);
    this.#seqOfOperation.set(entry.operationId, entry.seq);
  }

  #evict(): void {
    let oldest = 0;
    let bytes = this.#cacheBytes;
    while (bytes > CACHE_BYTES && this.#cacheStart + oldest <= this.#appliedSeq) {
      bytes -= this.#cache[oldest]!.bytes;
      oldest += 1;
    }
    if (oldest === 0) return;
    this.#cache.splice(0, oldest);
    this.#cacheStart += oldest;
    this.#cacheBytes = bytes;
  }

  #dropOldest(): void {
    this.#cacheBytes -= this.#cache.shift()?.bytes ?? 0;
    this.#cacheStart += 1;
  }
}
