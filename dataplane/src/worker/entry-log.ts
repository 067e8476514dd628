/**
 * A shard's operation log as its worker uses it: the store holds all of it, memory the bytes of the newest
 * entries, and as objects all that are not applied yet. A primary also knows of those which document they
 * change and which operation they are; it is worked out when it is first asked for.
 *
 * Entries that were appended together are one value of the store, a run, under the seq of its last entry.
 * What is sent to other copies is cut from the runs, so an entry is encoded once, by the primary that made it.
 */
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import { decodeEntries, encodeEntries, type EntryRun } from "../adapters/lmdb/entry-codec.js";
import { numberKey } from "../adapters/lmdb/store-key.js";
import type { LogEntry, TermSpan } from "../domain/replication/log-entry.js";
import { LogRetention, type LogBounds, type Retained } from "./log-retention.js";

/** Applied entries kept in memory for copies that are a little behind. */
const CACHE_BYTES = 4 * 1024 * 1024;
/** Larger values make the store look for free pages that lie side by side. */
const RUN_BYTES = 32 * 1024;
/** Runs share a buffer up to this size: what is sent of several is then one piece. */
const BUFFER_BYTES = 1024 * 1024;

interface Run {
  readonly firstSeq: number;
  readonly lastSeq: number;
}

interface HeldRun extends Run {
  readonly bytes: Uint8Array;
  /** Where in `bytes` each entry ends. */
  readonly ends: readonly number[];
}

interface ReadRun extends HeldRun {
  readonly entries: readonly LogEntry[];
}

export class EntryLog {
  readonly #store: ShardStore;
  #slot: number;
  /** All runs of the store, oldest first; the first may begin at or below the log's base. */
  #runs: (Run | HeldRun | ReadRun)[] = [];
  /** Runs from this one on are held in memory. */
  #heldFrom = 0;
  /** Runs from this one on are there as objects: some of their entries are not applied. */
  #readFrom = 0;
  #heldBytes = 0;
  /** The run that was asked for last: most are asked for entry by entry. */
  #read: ReadRun | undefined;
  readonly #retention: LogRetention;
  #lastSeq: number;
  #appliedSeq: number;
  /** What follows is kept: somebody asks for it. */
  #remembers = false;
  readonly #lastOfId = new Map<string, LogEntry>();
  readonly #seqOfOperation = new Map<string, number>();

  constructor(store: ShardStore, slot: number, baseSeq: number, appliedSeq: number, bounds: LogBounds) {
    this.#store = store;
    this.#slot = slot;
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
    const baseSeq = this.#lastSeq;
    for (const { lastSeq: key, bytes } of this.#store.entryRuns(this.#slot, baseSeq + 1)) {
      const run = readRun(bytes);
      // A run under another one's key is as wrong as a damaged one.
      if (run.firstSeq > this.#lastSeq + 1 || run.lastSeq !== key) break;
      for (const { seq, term, timeMs } of run.entries) {
        if (seq <= baseSeq) continue;
        if (termSpans.at(-1)?.term !== term) termSpans.push({ fromSeq: seq, term });
        lastTimeMs = Math.max(lastTimeMs, timeMs);
      }
      this.#hold(run, baseSeq);
      this.#evict();
    }
    if (this.#lastSeq !== lastSeq) {
      throw new Error(`the log ends at ${this.#lastSeq}, its record says ${lastSeq}`);
    }
    this.#dropApplied();
    return { termSpans, lastTimeMs };
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  append(entries: readonly LogEntry[]): void {
    for (let from = 0; from < entries.length;) {
      const through = endOf(entries, from);
      const part = from === 0 && through === entries.length ? entries : entries.slice(from, through);
      for (const run of runsOf(part, storedRun(part) ?? encodeEntries(part))) {
        this.#store.put("log", numberKey(this.#slot, run.lastSeq), run.bytes);
        this.#hold(run, run.firstSeq - 1);
      }
      from = through;
    }
    this.#evict();
  }

  truncateAfter(seq: number): void {
    while ((this.#runs.at(-1)?.lastSeq ?? 0) > seq) {
      const run = this.#runs.pop()!;
      this.#store.remove("log", numberKey(this.#slot, run.lastSeq));
      // What is not committed is not applied, and what is not applied is held.
      if (!isHeld(run)) throw new Error(`log entry ${run.lastSeq} is applied and can't be replaced`);
      this.#heldBytes -= run.bytes.length;
      if (run.firstSeq <= seq) this.#keepStart(run, seq);
    }
    this.#read = undefined;
    this.#retention.truncateAfter(seq);
    this.#lastSeq = seq;
    this.#forget();
  }

  trimThrough(seq: number): void {
    let gone = 0;
    for (const run of this.#runs) {
      if (run.lastSeq > seq) break;
      this.#store.remove("log", numberKey(this.#slot, run.lastSeq));
      if (isHeld(run)) this.#heldBytes -= run.bytes.length;
      gone += 1;
    }
    this.#runs.splice(0, gone);
    this.#heldFrom = Math.max(0, this.#heldFrom - gone);
    this.#readFrom = Math.max(0, this.#readFrom - gone);
    this.#read = undefined;
    this.#retention.trimThrough(seq);
  }

  /** The log of a copy that holds exactly a snapshot at `seq`, in another slot. */
  reset(slot: number, seq: number): void {
    this.#slot = slot;
    this.#runs = [];
    this.#heldFrom = 0;
    this.#readFrom = 0;
    this.#heldBytes = 0;
    this.#read = undefined;
    this.#retention.reset(seq);
    this.#lastSeq = seq;
    this.#appliedSeq = seq;
    this.#forget();
  }

  /** @throws {DamagedValueError} when the stored entry is damaged, {Error} when it is not held. */
  get(seq: number): LogEntry {
    const run = this.#runOf(seq);
    return run.entries[seq - run.firstSeq]!;
  }

  /** Entries `fromSeq`..`throughSeq` as they are stored, one behind the other. @throws as get */
  stored(fromSeq: number, throughSeq: number): Uint8Array {
    const pieces: Buffer[] = [];
    for (let seq = fromSeq; seq <= throughSeq;) {
      const { firstSeq, lastSeq, bytes, ends } = this.#heldRunOf(seq);
      const last = Math.min(lastSeq, throughSeq);
      const start = seq === firstSeq ? 0 : ends[seq - firstSeq - 1]!;
      const piece = asBuffer(bytes.subarray(start, ends[last - firstSeq]));
      const before = pieces.at(-1);
      if (before !== undefined && isNext(before, piece)) {
        const length = before.length + piece.length;
        pieces[pieces.length - 1] = Buffer.from(before.buffer, before.byteOffset, length);
      } else pieces.push(piece);
      seq = last + 1;
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  /** Bytes of an entry in the store; 0 when unknown. */
  bytesOf(seq: number): number {
    return this.#retention.bytesOf(seq);
  }

  /** Entries up to here are in the documents: they are no overlay any more. */
  applied(seq: number): void {
    for (let done = this.#appliedSeq + 1; this.#remembers && done <= seq; done += 1) {
      const entry = this.get(done);
      if (entry.body.kind === "noop") continue;
      if (this.#lastOfId.get(entry.body.id)?.seq === done) this.#lastOfId.delete(entry.body.id);
      if (this.#seqOfOperation.get(entry.operationId) === done)
        this.#seqOfOperation.delete(entry.operationId);
    }
    this.#appliedSeq = seq;
    this.#dropApplied();
    this.#evict();
  }

  /** The newest entry above the applied ones that changes the document. */
  pendingOf(id: string): LogEntry | undefined {
    this.#rememberAll();
    return this.#lastOfId.get(id);
  }

  /** An operation above the applied ones, committed or not (protocol 5.1.2). */
  seqOfOperation(operationId: string): number | undefined {
    this.#rememberAll();
    return this.#seqOfOperation.get(operationId);
  }

  /** What may go, as far as the bounds of the log are concerned. */
  retained(nowMs: number): Retained {
    return this.#retention.at(nowMs);
  }

  #hold(run: ReadRun, baseSeq: number): void {
    this.#runs.push(run);
    this.#heldBytes += run.bytes.length;
    let start = 0;
    for (const [i, { seq, timeMs }] of run.entries.entries()) {
      const end = run.ends[i]!;
      if (seq > baseSeq) this.#retention.append(end - start, timeMs);
      start = end;
    }
    this.#lastSeq = run.lastSeq;
    if (this.#remembers) this.#remember(run.entries);
  }

  #rememberAll(): void {
    if (this.#remembers) return;
    this.#remembers = true;
    for (const run of this.#runs.slice(this.#readFrom)) if (isRead(run)) this.#remember(run.entries);
  }

  #forget(): void {
    this.#remembers = false;
    this.#lastOfId.clear();
    this.#seqOfOperation.clear();
  }

  /** Objects that live as long as the cache has their bytes would be most of what the collector has to copy. */
  #dropApplied(): void {
    for (; this.#readFrom < this.#runs.length; this.#readFrom += 1) {
      const run = this.#runs[this.#readFrom]!;
      if (run.lastSeq > this.#appliedSeq) return;
      if (!isHeld(run)) continue;
      const { firstSeq, lastSeq, bytes, ends } = run;
      this.#runs[this.#readFrom] = { firstSeq, lastSeq, bytes, ends };
    }
  }

  #remember(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      if (entry.seq <= this.#appliedSeq || entry.body.kind === "noop") continue;
      if (entry.body.kind !== "unchanged") this.#lastOfId.set(entry.body.id, entry);
      this.#seqOfOperation.set(entry.operationId, entry.seq);
    }
  }

  /** The entries of a run up to `seq`, of which the rest is replaced. */
  #keepStart({ firstSeq, bytes, ends }: HeldRun, seq: number): void {
    const { entries } = readRun(bytes);
    const count = seq - firstSeq + 1;
    const kept = {
      firstSeq,
      lastSeq: seq,
      entries: entries.slice(0, count),
      bytes: bytes.subarray(0, ends[count - 1]),
      ends: ends.slice(0, count),
    };
    this.#store.put("log", numberKey(this.#slot, seq), asBuffer(kept.bytes));
    this.#runs.push(kept);
    this.#heldBytes += kept.bytes.length;
  }

  #evict(): void {
    while (this.#heldBytes > CACHE_BYTES) {
      const run = this.#runs[this.#heldFrom];
      if (run === undefined || !isHeld(run) || run.lastSeq > this.#appliedSeq) return;
      this.#runs[this.#heldFrom] = { firstSeq: run.firstSeq, lastSeq: run.lastSeq };
      this.#heldBytes -= run.bytes.length;
      this.#heldFrom += 1;
    }
  }

  #runOf(seq: number): ReadRun {
    const read = this.#read;
    if (read !== undefined && seq >= read.firstSeq && seq <= read.lastSeq) return read;
    const run = this.#heldRunOf(seq);
    this.#read = isRead(run) ? run : readRun(run.bytes);
    return this.#read;
  }

  #heldRunOf(seq: number): HeldRun {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#runs[middle]!.lastSeq < seq) low = middle + 1;
      else high = middle;
    }
    const run = this.#runs[low];
    if (run === undefined || run.firstSeq > seq) throw new Error(`log entry ${seq} is missing`);
    return isHeld(run) ? run : this.#readStored(run);
  }

  #readStored({ firstSeq, lastSeq }: Run): ReadRun {
    for (const { bytes } of this.#store.entryRuns(this.#slot, lastSeq)) {
      const run = readRun(bytes);
      if (run.firstSeq === firstSeq && run.lastSeq === lastSeq) return run;
      break;
    }
    throw new Error(`log entries ${firstSeq} to ${lastSeq} are missing`);
  }
}

function isHeld(run: Run | HeldRun): run is HeldRun {
  return "bytes" in run;
}

function isRead(run: Run | HeldRun): run is ReadRun {
  return "entries" in run;
}

/** Behind the last of the entries from `from` on that share a buffer. */
function endOf(entries: readonly LogEntry[], from: number): number {
  let through = from;
  for (let bytes = 0; through < entries.length; through += 1) {
    bytes += sizeOf(entries[through]!);
    if (through > from && bytes > BUFFER_BYTES) break;
  }
  return through;
}

/** The entries cut into runs of bounded size, each a part of their bytes. */
function* runsOf(
  entries: readonly LogEntry[],
  { bytes, ends }: EntryRun,
): Generator<ReadRun & { readonly bytes: Buffer }> {
  for (let from = 0, start = 0; from < entries.length;) {
    let through = from + 1;
    while (through < entries.length && ends[through]! - start <= RUN_BYTES) through += 1;
    const end = ends[through - 1]!;
    const isWhole = through - from === entries.length;
    const part = isWhole ? entries : entries.slice(from, through);
    const first = start;
    yield {
      firstSeq: part[0]!.seq,
      lastSeq: part.at(-1)!.seq,
      entries: part,
      bytes: bytes.subarray(start, end),
      ends: isWhole ? ends : ends.slice(from, through).map((one) => one - first),
    };
    from = through;
    start = end;
  }
}

function isNext(before: Buffer, piece: Buffer): boolean {
  return before.buffer === piece.buffer && before.byteOffset + before.length === piece.byteOffset;
}

function sizeOf({ stored, body }: LogEntry): number {
  return stored?.length ?? 100 + (body.kind === "index" ? body.record.length : 0);
}

/** The bytes that entries came with, when they lie one behind the other as they were sent. */
function storedRun(entries: readonly LogEntry[]): EntryRun | undefined {
  const first = entries[0]!.stored;
  if (first === undefined) return undefined;
  const ends: number[] = [];
  let bytes = 0;
  for (const { stored } of entries) {
    if (stored?.buffer !== first.buffer || stored.byteOffset !== first.byteOffset + bytes) return undefined;
    bytes += stored.byteLength;
    ends.push(bytes);
  }
  return { bytes: Buffer.from(first.buffer, first.byteOffset, bytes), ends };
}

/** @throws {DamagedValueError} */
function readRun(bytes: Uint8Array): ReadRun {
  const entries = decodeEntries(bytes);
  const ends: number[] = [];
  let end = 0;
  for (const { stored } of entries) ends.push((end += stored!.length));
  return { firstSeq: entries[0]!.seq, lastSeq: entries.at(-1)!.seq, entries, bytes, ends };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
