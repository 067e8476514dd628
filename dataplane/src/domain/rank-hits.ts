/** The ranking of a search out of its queries' lists, whoever makes it: the coordinator, or the only shard. */
import type { SearchRequest } from "@prism/api/search";
import { fuse, singleRanking, type FusedHit, type Fusion } from "./fusion.js";
import { mergeHits } from "./merge-hits.js";
import { fusionWindow } from "./search-plan.js";
import type { HitList } from "./shard-query.js";

export interface RankingRule {
  /** One per query. */
  readonly weights: readonly number[];
  readonly fusion: Fusion;
  /** Best hits of each query that count. */
  readonly cut: number;
}

export interface ShardLists {
  readonly shard: number;
  /** One per query; one without queries. */
  readonly lists: readonly HitList[];
}

export function rankingRuleOf(request: SearchRequest): RankingRule {
  const { queries, fusion, offset, limit } = request;
  const cut = queries.length > 1 ? fusionWindow(request) : offset + limit;
  return { weights: queries.map(({ weight }) => weight), fusion, cut };
}

/** The whole ranking, best first. */
export function rankHits({ weights, fusion, cut }: RankingRule, shards: readonly ShardLists[]): FusedHit[] {
  const rankings = Array.from({ length: Math.max(1, weights.length) }, (_, query) =>
    mergeHits(
      shards.flatMap(({ shard, lists }) => {
        const list = lists[query];
        return list === undefined ? [] : [{ shard, list }];
      }),
      cut,
    ),
  );
  if (weights.length === 0) return rankings[0]!.map((hit) => ({ ...hit, parts: [] }));
  return weights.length === 1 ? singleRanking(rankings[0]!) : fuse(rankings, weights, fusion);
}
