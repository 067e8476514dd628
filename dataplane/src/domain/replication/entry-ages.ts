/**
 * How long entries have been durable here, as a few marks instead of one time per entry: what a copy
 * has not confirmed of them is judged by it. An entry's age begins when it is on the primary's own
 * disk, so that a machine on which all disks are slow loses no copies by it.
 */
interface Mark {
  throughSeq: number;
  readonly atMs: number;
}

/** Marks within one horizon: an age is off by at most this part of it. */
const MARKS_PER_HORIZON = 64;

export class EntryAges {
  #marks: Mark[] = [];
  #lastSeq = 0;
  /** Up to here entries are older than the horizon: at least as old as the newest of them. */
  #forgotten: Mark = { throughSeq: 0, atMs: 0 };

  /** Entries up to `seq` are durable now. Ages above `horizonMs` need not be told apart. */
  durable(seq: number, nowMs: number, horizonMs: number): void {
    while (this.#marks.length > 0 && nowMs - this.#marks[0]!.atMs > horizonMs) {
      this.#forgotten = this.#marks.shift()!;
    }
    if (seq <= this.#lastSeq) return;
    this.#lastSeq = seq;
    const last = this.#marks.at(-1);
    if (last !== undefined && nowMs - last.atMs < horizonMs / MARKS_PER_HORIZON) last.throughSeq = seq;
    else this.#marks.push({ throughSeq: seq, atMs: nowMs });
  }

  /** Age of the oldest durable entry above `seq`, in milliseconds; 0 when there is none, no less than the horizon past it. */
  oldestAbove(seq: number, nowMs: number): number {
    if (seq >= this.#lastSeq) return 0;
    const mark =
      seq < this.#forgotten.throughSeq
        ? this.#forgotten
        : this.#marks.find(({ throughSeq }) => throughSeq > seq);
    return mark === undefined ? 0 : Math.max(0, nowMs - mark.atMs);
  }
}
