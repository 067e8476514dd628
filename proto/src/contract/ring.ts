/**
 * Which shard owns a key: consistent hashing on a ring of 32-bit points (Karger et al., "Consistent
 * Hashing and Random Trees", 1997), 64 points per shard. Nodes and clients compute it alike; a
 * changed point would send reads and writes of old documents to the wrong shard, so the golden file
 * proto/contract/ring-vectors.json pins it.
 *
 * A shard's points depend on its number alone: with one shard more, keys move to the new shard only.
 */
import { xxh32 } from "./xxh32.js";

export const VIRTUAL_NODES = 64;
/** Name of this arithmetic in `GET /routing`: a client that knows another one only asks any node. */
export const RING_HASH = "xxh32-ring-64";

const encoder = new TextEncoder();

export class Ring {
  readonly shards: number;
  readonly #points: Uint32Array;
  readonly #owners: Uint32Array;

  /** `shards` >= 1, else RangeError. */
  constructor(shards: number) {
    if (!Number.isInteger(shards) || shards < 1) throw new RangeError(`a ring of ${shards} shards`);
    this.shards = shards;
    const points: { readonly hash: number; readonly shard: number }[] = [];
    for (let shard = 0; shard < shards; shard += 1) {
      for (let node = 0; node < VIRTUAL_NODES; node += 1) {
        points.push({ hash: hashOf(`${shard}/${node}`), shard });
      }
    }
    // Of two equal points the lower shard's comes first, hence owns: the order must not depend on the sort.
    points.sort((a, b) => a.hash - b.hash || a.shard - b.shard);
    this.#points = Uint32Array.from(points, (point) => point.hash);
    this.#owners = Uint32Array.from(points, (point) => point.shard);
  }

  /**
   * Number of the shard that owns a key: the document's shard key value if the collection has a
   * shard key, else its id. The owner is that of the first point at or after the key's hash.
   */
  shardOf(key: string): number {
    if (this.shards === 1) return 0;
    const hash = hashOf(key);
    let low = 0;
    let high = this.#points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#points[middle]! < hash) low = middle + 1;
      else high = middle;
    }
    return this.#owners[low === this.#points.length ? 0 : low]!;
  }
}

function hashOf(key: string): number {
  return xxh32(encoder.encode(key));
}
