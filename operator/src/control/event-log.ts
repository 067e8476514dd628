import type { Reason } from "@prism/api/reason";
import type { Evidence } from "../domain/action.js";

export interface ClusterEvent {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly reason: Reason;
  /** The shard, node or collection it is about. */
  readonly about: string;
  readonly message: string;
  readonly evidence: Evidence;
}

/** What happened lately, for people: the newest events, the oldest forgotten. */
export class EventLog {
  readonly #capacity: number;
  readonly #events: ClusterEvent[] = [];

  constructor(capacity = 1000) {
    this.#capacity = capacity;
  }

  add(event: ClusterEvent): void {
    this.#events.push(event);
    if (this.#events.length > this.#capacity) this.#events.shift();
  }

  /** Newest last. */
  latest(count = this.#capacity): readonly ClusterEvent[] {
    return this.#events.slice(-count);
  }
}
