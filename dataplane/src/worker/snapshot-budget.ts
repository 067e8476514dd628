/**
 * What the snapshots of a node may use together: how many are sent and taken at once, and bytes per
 * second. Its workers are threads, so the counts lie in memory that they share, and every change is one
 * compare-and-swap. The rate is a virtual schedule (the "generic cell rate algorithm" of ATM Forum
 * Traffic Management 4.0): one number, the time at which all that was sent so far would be paid for.
 */
import type { Limits } from "@prism/api/limits";

export type SnapshotBounds = Pick<
  Limits,
  "snapshotBytesPerSecond" | "snapshotsOutgoing" | "snapshotsIncoming"
>;
export type SnapshotDirection = "outgoing" | "incoming";

/** So far ahead of the schedule sending may run: longer than the pauses between two looks at it. */
const AHEAD_MS = 200;
/** Microseconds until which is paid, then the two counts. */
const PAID = 0;
const COUNT = { outgoing: 1, incoming: 2 } as const;
const SHARED_BYTES = 3 * BigInt64Array.BYTES_PER_ELEMENT;

/** One for all workers of a node. */
export function newSharedSnapshotBudget(): SharedArrayBuffer {
  return new SharedArrayBuffer(SHARED_BYTES);
}

export class SnapshotBudget {
  readonly #shared: BigInt64Array;
  readonly #bounds: SnapshotBounds;

  constructor(shared: SharedArrayBuffer, bounds: SnapshotBounds) {
    this.#shared = new BigInt64Array(shared);
    this.#bounds = bounds;
  }

  /** False, taking nothing, when as many are under way already. */
  enter(direction: SnapshotDirection): boolean {
    const { snapshotsOutgoing, snapshotsIncoming } = this.#bounds;
    const most = BigInt(direction === "outgoing" ? snapshotsOutgoing : snapshotsIncoming);
    const at = COUNT[direction];
    for (;;) {
      const count = Atomics.load(this.#shared, at);
      if (count >= most) return false;
      if (Atomics.compareExchange(this.#shared, at, count, count + 1n) === count) return true;
    }
  }

  leave(direction: SnapshotDirection): void {
    Atomics.sub(this.#shared, COUNT[direction], 1n);
  }

  /** Whether something may be sent now. */
  maySend(nowMs: number): boolean {
    return Atomics.load(this.#shared, PAID) <= BigInt(nowMs + AHEAD_MS) * 1000n;
  }

  /** What was sent delays what comes after it. */
  sent(bytes: number, nowMs: number): void {
    const cost = BigInt(Math.ceil((bytes * 1e6) / this.#bounds.snapshotBytesPerSecond));
    for (;;) {
      const paid = Atomics.load(this.#shared, PAID);
      const now = BigInt(nowMs) * 1000n;
      const next = (paid > now ? paid : now) + cost;
      if (Atomics.compareExchange(this.#shared, PAID, paid, next) === paid) return;
    }
  }
}
