/** Merges the hits of several shards into the list that one shard with all documents would give. */
import { compareByteOrder } from "./byte-order.js";
import type { HitList } from "./shard-query.js";

export interface Hit {
  readonly id: string;
  readonly score: number;
  /** Number of the shard that gave it, where its fields are fetched. */
  readonly shard: number;
}

export interface ShardHits {
  readonly shard: number;
  readonly list: HitList;
}

/** Best first; equal scores by id. */
export function compareHits(a: Hit, b: Hit): number {
  return b.score - a.score || compareByteOrder(a.id, b.id);
}

/**
 * The best `limit` hits of all lists, best first, every id once (its best place). Lists are runs in
 * order already, which the sort makes use of.
 */
export function mergeHits(lists: readonly ShardHits[], limit: number): Hit[] {
  const all: Hit[] = [];
  for (const { shard, list } of lists) {
    for (let i = 0; i < list.ids.length; i += 1) {
      all.push({ id: list.ids[i]!, score: list.scores[i]!, shard });
    }
  }
  all.sort(compareHits);
  const seen = new Set<string>();
  const merged: Hit[] = [];
  for (const hit of all) {
    if (merged.length === limit) break;
    if (seen.has(hit.id)) continue;
    seen.add(hit.id);
    merged.push(hit);
  }
  return merged;
}
