/** The newest protocol events of each shard on this node, for whoever has to find out what happened. */
import type { ProtocolEvent } from "../domain/protocol-event.js";

const EVENTS_PER_SHARD = 1000;
/** Of shards that left the node too; the ones silent for longest go first. */
const SHARDS = 2000;

export class ProtocolEvents {
  /** In the order of their newest events. */
  readonly #shards = new Map<string, ProtocolEvent[]>();

  add(event: ProtocolEvent): void {
    const events = this.#shards.get(event.shard) ?? [];
    if (events.length >= EVENTS_PER_SHARD) events.shift();
    events.push(event);
    this.#shards.delete(event.shard);
    this.#shards.set(event.shard, events);
    if (this.#shards.size <= SHARDS) return;
    const [oldest] = this.#shards.keys();
    if (oldest !== undefined) this.#shards.delete(oldest);
  }

  /** Oldest first; of one shard, or of all. */
  describe(shard: string | undefined): readonly ProtocolEvent[] {
    if (shard !== undefined) return this.#shards.get(shard) ?? [];
    return [...this.#shards.values()].flat().sort((left, right) => left.atMs - right.atMs);
  }
}
