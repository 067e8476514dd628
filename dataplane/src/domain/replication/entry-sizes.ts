/** Sizes of a log's entries, for windows that are counted in bytes: those appended since the copy was started. */
import type { LogEntryBody } from "./log-entry.js";

/** Of an entry apart from its record, about. */
const ENTRY_BYTES = 100;

export function bytesOf(body: LogEntryBody): number {
  return ENTRY_BYTES + (body.kind === "index" ? body.record.length : 0);
}

export class EntrySizes {
  /** Bytes of all entries up to `#firstSeq + i`, counted from some entry before. */
  #through: number[] = [];
  #firstSeq: number;
  #before = 0;

  constructor(lastSeq: number) {
    this.#firstSeq = lastSeq + 1;
  }

  append(bytes: number): void {
    this.#through.push((this.#through.at(-1) ?? this.#before) + bytes);
  }

  truncateAfter(seq: number): void {
    if (seq < this.#firstSeq) this.reset(seq);
    else this.#through.length = Math.min(this.#through.length, seq + 1 - this.#firstSeq);
  }

  trimThrough(seq: number): void {
    const gone = Math.min(seq + 1 - this.#firstSeq, this.#through.length);
    if (gone <= 0) return;
    this.#before = this.#through[gone - 1]!;
    this.#through.splice(0, gone);
    this.#firstSeq += gone;
  }

  reset(lastSeq: number): void {
    this.#through = [];
    this.#firstSeq = lastSeq + 1;
    this.#before = 0;
  }

  /** The last entry up to which those after `seq` have no more than so many bytes; the first of them always fits. */
  lastWithin(seq: number, bytes: number): number {
    const limit = this.#bytesThrough(seq) + bytes;
    let low = 0;
    let high = this.#through.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#through[middle]! <= limit) low = middle + 1;
      else high = middle;
    }
    return Math.max(seq + 1, this.#firstSeq + low - 1);
  }

  #bytesThrough(seq: number): number {
    return seq < this.#firstSeq ? this.#before : (this.#through[seq - this.#firstSeq] ?? this.#before);
  }
}
