/**
 * What reads of a simulated shard must show. One clock, which only the test sees, orders what was
 * acknowledged and what was asked; the copies know nothing of it.
 */
import type { WantedRead } from "../event.js";

interface Shown {
  readonly seq: number;
  readonly atMs: number;
}

interface PendingRead {
  readonly wanted: WantedRead;
  /** The answer must reach up to here. */
  readonly floor: number;
}

export class ReadRecorder {
  /** The highest seq that a client knew of, by the time it came to know. */
  readonly #known: Shown[] = [];
  readonly #pending = new Map<number, PendingRead>();
  #nextId = 1;

  /** A write was acknowledged, or a strong answer showed it. */
  note(seq: number, nowMs: number): void {
    if (seq > (this.#known.at(-1)?.seq ?? 0)) this.#known.push({ seq, atMs: nowMs });
  }

  arrived(wanted: WantedRead, nowMs: number): number {
    const known =
      wanted.level === "strong"
        ? this.#known.at(-1)
        : this.#known.findLast(({ atMs }) => atMs <= nowMs - wanted.maxStalenessMs);
    const id = this.#nextId++;
    this.#pending.set(id, { wanted, floor: known?.seq ?? 0 });
    return id;
  }

  /** Which invariant an answer from `seq` on breaks; undefined for none. Throws for a read that is not waiting. */
  answered(readId: number, seq: number, nowMs: number): string | undefined {
    const read = this.#pending.get(readId);
    if (read === undefined) throw new Error(`read ${readId} was answered twice, or after it was given up`);
    this.#pending.delete(readId);
    const isStrong = read.wanted.level === "strong";
    if (seq < read.floor) return isStrong ? "StrongRead" : "BoundedRead";
    if (isStrong) this.note(seq, nowMs);
    return undefined;
  }

  /** Nothing that was known has to be shown any more. */
  forgetHistory(): void {
    this.#known.length = 0;
    for (const [readId, { wanted }] of this.#pending) this.#pending.set(readId, { wanted, floor: 0 });
  }

  ended(readId: number): void {
    this.#pending.delete(readId);
  }

  levelOf(readId: number): WantedRead["level"] | undefined {
    return this.#pending.get(readId)?.wanted.level;
  }
}
