/** How much of a shard's operation log is kept: bounded by bytes, entries and age, whichever is met first. */
import type { Limits } from "@prism/api/limits";

export type LogBounds = Pick<Limits, "operationLogBytes" | "operationLogEntries" | "operationLogMs">;

export interface Retained {
  /** Entries below may go. */
  readonly retainFromSeq: number;
  /** Entries below go even when a copy that is being filled still needs them. */
  readonly pinFromSeq: number;
}

/** So many times the bounds may be held for copies that are being filled. */
const PINNED_TIMES = 4;
/** Times are kept for runs of entries of at most this length. */
const RUN_MS = 1000;

interface Run {
  throughSeq: number;
  readonly firstMs: number;
  lastMs: number;
}

export class LogRetention {
  readonly #bounds: LogBounds;
  /** Of entries `#start` and on. */
  #sizes: number[] = [];
  #start: number;
  #bytes = 0;
  #runs: Run[] = [];

  constructor(bounds: LogBounds, baseSeq: number) {
    this.#bounds = bounds;
    this.#start = baseSeq + 1;
  }

  /** Bytes of an entry in the store; 0 when it is not held. */
  bytesOf(seq: number): number {
    return this.#sizes[seq - this.#start] ?? 0;
  }

  /** The next entry; `timeMs` never decreases along the log. */
  append(bytes: number, timeMs: number): void {
    this.#sizes.push(bytes);
    this.#bytes += bytes;
    const seq = this.#start + this.#sizes.length - 1;
    const last = this.#runs.at(-1);
    if (last !== undefined && timeMs - last.firstMs < RUN_MS) {
      last.throughSeq = seq;
      last.lastMs = timeMs;
    } else this.#runs.push({ throughSeq: seq, firstMs: timeMs, lastMs: timeMs });
  }

  truncateAfter(seq: number): void {
    const kept = Math.max(0, seq + 1 - this.#start);
    for (const bytes of this.#sizes.splice(kept)) this.#bytes -= bytes;
    const last = this.#start + this.#sizes.length - 1;
    // A run that only began above is gone; one that reaches above ends here.
    while (this.#runs.length > 1 && this.#runs.at(-2)!.throughSeq >= last) this.#runs.pop();
    if (this.#sizes.length === 0) this.#runs = [];
    else this.#runs.at(-1)!.throughSeq = last;
  }

  trimThrough(seq: number): void {
    const dropped = Math.max(0, Math.min(seq + 1 - this.#start, this.#sizes.length));
    for (const bytes of this.#sizes.splice(0, dropped)) this.#bytes -= bytes;
    this.#start = seq + 1;
    while (this.#runs.length > 0 && this.#runs[0]!.throughSeq <= seq) this.#runs.shift();
  }

  /** The log of a copy that holds exactly a snapshot at `seq`. */
  reset(seq: number): void {
    this.#sizes = [];
    this.#runs = [];
    this.#bytes = 0;
    this.#start = seq + 1;
  }

  at(nowMs: number): Retained {
    const { operationLogBytes, operationLogEntries, operationLogMs } = this.#bounds;
    const bySize = this.#fromSeq(operationLogBytes, operationLogEntries);
    // From the oldest on, since few are old and there may be many.
    const young = this.#runs.findIndex(({ lastMs }) => nowMs - lastMs <= operationLogMs);
    const old = young < 0 ? this.#runs.at(-1) : this.#runs[young - 1];
    return {
      retainFromSeq: Math.max(bySize, (old?.throughSeq ?? 0) + 1),
      pinFromSeq: this.#fromSeq(PINNED_TIMES * operationLogBytes, PINNED_TIMES * operationLogEntries),
    };
  }

  #fromSeq(maxBytes: number, maxEntries: number): number {
    let bytes = this.#bytes;
    let entries = this.#sizes.length;
    for (let i = 0; bytes > maxBytes || entries > maxEntries; i += 1) {
      bytes -= this.#sizes[i] ?? 0;
      entries -= 1;
    }
    return this.#start + this.#sizes.length - entries;
  }
}
