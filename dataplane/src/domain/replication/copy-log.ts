/**
 * What a copy knows of its own log without holding the entries: bounds, the term of every held seq,
 * and the checkpoint. Terms never decrease along one log (each term appends above what it found), so
 * a few spans tell the term of every entry.
 */
import type { DurableCopy } from "./event.js";
import { bytesOf, EntrySizes } from "./entry-sizes.js";
import type { LogEntryBody, TermSpan } from "./log-entry.js";

export class CopyLog {
  baseSeq: number;
  baseTerm: number;
  lastSeq: number;
  /** In memory: may run ahead of the durable one. Never lowered, except by a snapshot of another history. */
  globalCheckpoint: number;
  lastTimeMs: number;
  readonly sizes: EntrySizes;
  #spans: TermSpan[];

  constructor(durable: DurableCopy) {
    this.baseSeq = durable.baseSeq;
    this.baseTerm = durable.baseTerm;
    this.lastSeq = durable.lastSeq;
    this.globalCheckpoint = durable.globalCheckpoint;
    this.lastTimeMs = durable.lastTimeMs;
    this.sizes = new EntrySizes(durable.lastSeq);
    this.#spans = [...durable.termSpans];
  }

  get isEmpty(): boolean {
    return this.lastSeq === 0;
  }

  /** Term of a held entry or of the base; undefined below the base and above the end. */
  termAt(seq: number): number | undefined {
    if (seq === this.baseSeq) return this.baseTerm;
    if (seq < this.baseSeq || seq > this.lastSeq) return undefined;
    for (let i = this.#spans.length - 1; i >= 0; i -= 1) {
      const span = this.#spans[i]!;
      if (span.fromSeq <= seq) return span.term;
    }
    return this.baseTerm;
  }

  append(term: number, timeMs: number, body: LogEntryBody): number {
    this.lastSeq += 1;
    this.sizes.append(bytesOf(body));
    this.lastTimeMs = Math.max(this.lastTimeMs, timeMs);
    const last = this.#spans.at(-1);
    if (last === undefined || last.term !== term) this.#spans.push({ fromSeq: this.lastSeq, term });
    return this.lastSeq;
  }

  /** Forgets every entry above `seq`; `seq` is at or above the base. */
  truncateAfter(seq: number): void {
    this.lastSeq = seq;
    this.sizes.truncateAfter(seq);
    while (this.#spans.length > 0 && this.#spans.at(-1)!.fromSeq > seq) this.#spans.pop();
  }

  /** Forgets every entry at or below `seq`, which becomes the base. */
  trimThrough(seq: number): void {
    const term = this.termAt(seq)!;
    this.sizes.trimThrough(seq);
    this.baseSeq = seq;
    this.baseTerm = term;
    while (this.#spans.length > 1 && this.#spans[1]!.fromSeq <= seq + 1) this.#spans.shift();
    if (this.#spans.length === 1 && this.lastSeq === seq) this.#spans = [];
    else if (this.#spans.length > 0 && this.#spans[0]!.fromSeq <= seq) {
      this.#spans[0] = { fromSeq: seq + 1, term: this.#spans[0]!.term };
    }
  }

  /** Becomes the log of a copy that holds exactly a snapshot at `seq`. */
  replaceBySnapshot(seq: number, term: number): void {
    this.baseSeq = seq;
    this.baseTerm = term;
    this.lastSeq = seq;
    this.globalCheckpoint = seq;
    this.sizes.reset(seq);
    this.#spans = [];
  }
}
