/**
 * One history of a shard: what is committed in it, and what was promised of it. A forced reset begins another
 * one with what one copy has on disk; only what that copy lacked may be missing from it.
 */
import { CommittedHistory } from "./committed-history.js";

export class ShardHistory {
  readonly committed = new CommittedHistory();
  readonly before: ShardHistory | undefined;
  /** What it holds of the history before, whatever happens. */
  readonly heritage: number;
  ackedSeq = 0;
  /** The highest seq that a strong read has shown. */
  strongSeq = 0;
  /** Something was committed in it: until then it may hold more of the one before than its heritage. */
  begun: boolean;
  readonly #ackTimes: { readonly atMs: number; readonly seq: number }[] = [];

  constructor(before?: ShardHistory, heritage = 0) {
    this.before = before;
    this.heritage = heritage;
    this.begun = before === undefined;
    if (before === undefined) return;
    this.inherit(heritage);
    this.ackedSeq = Math.min(before.ackedSeq, heritage);
    this.strongSeq = Math.min(before.strongSeq, heritage);
    this.#ackTimes = before.#ackTimes.filter(({ seq }) => seq <= heritage);
  }

  /** What reads may show: before its first commit, what the copy brought along. */
  get readable(): CommittedHistory {
    return this.begun || this.before === undefined ? this.committed : this.before.readable;
  }

  /** Takes over entries of the history before, as far as it has them. */
  inherit(through: number): void {
    const { committed } = this;
    for (let seq = committed.lastSeq + 1; seq <= through; seq += 1) {
      const entry = this.before?.readable.at(seq);
      if (entry === undefined) return;
      committed.append(entry);
    }
  }

  acked(seq: number, atMs: number): void {
    if (seq > this.ackedSeq) this.#ackTimes.push({ atMs, seq });
    this.ackedSeq = Math.max(this.ackedSeq, seq);
  }

  /** What a strong read that arrives now must show at least. */
  get strongFloor(): number {
    return Math.max(this.ackedSeq, this.strongSeq);
  }

  /** What had been acknowledged by then; `atMs` is true time. */
  ackedBy(atMs: number): number {
    for (let i = this.#ackTimes.length - 1; i >= 0; i -= 1) {
      const ack = this.#ackTimes[i]!;
      if (ack.atMs <= atMs) return ack.seq;
    }
    return 0;
  }
}
