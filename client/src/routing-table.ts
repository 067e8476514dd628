/**
 * Where a collection's documents live, so that calls go straight to the node that holds them. Only a
 * matter of speed: every node answers every call. A table that is old, or whose addresses can't be
 * reached from here, costs a hop, never an answer.
 */
import type { RoutingResponse } from "@prism/api/routing";
import { Ring, RING_HASH } from "@prism/proto/contract/ring";

const FRESH_MS = 30_000;
/** While a shard has no primary: a new collection, a failover. */
const FRESH_INCOMPLETE_MS = 1000;

interface Entry {
  /** undefined: it could not be had; asked again when no longer fresh. */
  readonly routing: RoutingResponse | undefined;
  readonly ring: Ring | undefined;
  readonly loadedMs: number;
}

export class RoutingTable {
  readonly #load: (collection: string) => Promise<RoutingResponse>;
  readonly #entries = new Map<string, Entry>();
  readonly #loading = new Set<string>();

  /** @param load is asked in the background, and may fail. */
  constructor(load: (collection: string) => Promise<RoutingResponse>) {
    this.#load = load;
  }

  /** Base URLs of the nodes that hold `key`, the primary first; [] when not known (yet). Never waits. */
  holdersOf(collection: string, key: string, purpose: "read" | "write", nowMs: number): readonly string[] {
    const entry = this.#entries.get(collection);
    if (entry === undefined || nowMs - entry.loadedMs > freshMs(entry)) this.#refresh(collection, nowMs);
    if (entry?.ring === undefined || entry.routing === undefined) return [];
    const shard = entry.routing.shards[entry.ring.shardOf(key)];
    if (shard === undefined) return [];
    const primary = shard.primary === null ? [] : [shard.primary.httpUrl];
    if (purpose === "write") return primary;
    return [
      ...primary,
      ...shard.copies.filter((copy) => copy.state === "inSync").map((copy) => copy.httpUrl),
    ];
  }

  /** The field whose value is hashed; undefined: the id, or not known. */
  shardKeyOf(collection: string): string | undefined {
    return this.#entries.get(collection)?.routing?.shardKey ?? undefined;
  }

  /** A holder did not answer: the primary may be another one by now. What is known serves until the answer. */
  expire(collection: string, nowMs: number): void {
    const entry = this.#entries.get(collection);
    if (entry === undefined || nowMs - entry.loadedMs < FRESH_INCOMPLETE_MS) return;
    this.#refresh(collection, nowMs);
  }

  forget(collection: string): void {
    this.#entries.delete(collection);
  }

  #refresh(collection: string, nowMs: number): void {
    if (this.#loading.has(collection)) return;
    this.#loading.add(collection);
    this.#load(collection)
      .then((routing) => {
        const known = routing.ring.algorithm === RING_HASH && routing.shards.length > 0;
        const ring = known ? new Ring(routing.shards.length) : undefined;
        this.#entries.set(collection, { routing, ring, loadedMs: nowMs });
      })
      .catch(() => this.#entries.set(collection, { routing: undefined, ring: undefined, loadedMs: nowMs }))
      .finally(() => this.#loading.delete(collection));
  }
}

function freshMs({ routing }: Entry): number {
  const incomplete = routing?.shards.some((shard) => shard.primary === null) === true;
  return incomplete ? FRESH_INCOMPLETE_MS : FRESH_MS;
}
