/**
 * Whether writes and strong reads of each document are linearizable (Herlihy and Wing, "Linearizability",
 * TOPLAS 12(3), 1990). The order of the writes is known here, as each has a number in its shard's log; with
 * it, and with each read's source known, the test needs no search: the history is linearizable if and only
 * if no operation shows or makes an older version than one that had ended before it began (Gibbons and
 * Korach, "Testing Shared Memories", SIAM J. Comput. 26(4), 1997, section 4: read mapping and write order).
 */
import { InvariantViolation } from "./violation.js";

/** An operation that began: what it may not fall behind. */
export interface Begun {
  readonly document: string;
  readonly floor: number;
  readonly epoch: number;
}

export class DocumentHistories {
  /** The newest version that an operation which has ended made or showed, by document. */
  readonly #newest = new Map<string, number>();

  #epoch = 0;

  begin(document: string): Begun {
    return { document, floor: this.#newest.get(document) ?? 0, epoch: this.#epoch };
  }

  /** A history was given up: numbers of before and after are not to be compared. */
  forget(): void {
    this.#epoch += 1;
    this.#newest.clear();
  }

  /** `seq` is the number of the version that was made or shown. */
  end({ document, floor, epoch }: Begun, seq: number, what: string): void {
    if (epoch !== this.#epoch) return;
    if (seq < floor) {
      const detail = `${what} of ${document} has version ${seq}, an operation that ended before it began has ${floor}`;
      throw new InvariantViolation("Linearizable", detail);
    }
    if (seq > (this.#newest.get(document) ?? 0)) this.#newest.set(document, seq);
  }
}
