/** Durable changes of a copy that are on their way to its disk, and the answers that wait for them. */
import type { AllocationId } from "../cluster-map.js";

export interface Confirmation {
  readonly to: AllocationId;
  readonly confirmed: number;
}

interface PendingChange {
  readonly ticket: number;
  readonly term: number;
  /** Own log's end when the change was made: the primary's own durable seq once it is on disk. */
  readonly lastSeq: number;
  /** Answer to send once durable. */
  readonly confirm: Confirmation | undefined;
  readonly activation: boolean;
  /** More than a checkpoint or trimming: what is confirmed rests on it. */
  readonly vital: boolean;
}

export class PendingChanges {
  #changes: PendingChange[] = [];
  #nextTicket = 1;

  get nextTicket(): number {
    return this.#nextTicket;
  }

  /** Takes the next ticket. */
  add(change: Omit<PendingChange, "ticket">): void {
    this.#changes.push({ ...change, ticket: this.#nextTicket });
    this.#nextTicket += 1;
  }

  /** Lets the answer wait for the newest vital change; false when there is none, so that nothing holds it back. */
  confirmBehind(confirm: Confirmation): boolean {
    const last = this.#changes.findLastIndex(({ vital }) => vital);
    if (last < 0) return false;
    this.#changes[last] = { ...this.#changes[last]!, confirm };
    return true;
  }

  /** @throws {Error} when tickets complete out of order. */
  complete(ticket: number): PendingChange {
    const change = this.#changes.shift();
    if (change?.ticket !== ticket) throw new Error(`ticket ${ticket} completed out of order`);
    return change;
  }

  /** An answer of this term waits for the disk. */
  owesAnswer(term: number): boolean {
    return this.#changes.some((change) => change.confirm !== undefined && change.term === term);
  }
}
