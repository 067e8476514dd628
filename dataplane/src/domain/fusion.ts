/**
 * One ranking out of several queries' rankings. Ranks and scores are taken after all shards were
 * merged: a shard's own ranks would make the result depend on how documents are spread.
 */
import { compareHits, type Hit } from "./merge-hits.js";

export interface HitPart {
  /** Index of the query in the request. */
  readonly query: number;
  /** The query's own score. */
  readonly score: number;
  /** From 1. */
  readonly rank: number;
}

export interface FusedHit extends Hit {
  readonly parts: readonly HitPart[];
}

export type Fusion =
  /** score = sum over queries of weight / (rankConstant + rank): Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion", SIGIR 2009. */
  | { readonly method: "rrf"; readonly rankConstant: number }
  /** score = sum over queries of weight * (score - min) / (max - min) over that query's candidates; 1 when all are equal. */
  | { readonly method: "weighted" };

/** `rankings[q]` is query q's merged list, best first; `weights[q]` its weight. A document that a query did not find gets nothing from it. */
export function fuse(
  rankings: readonly (readonly Hit[])[],
  weights: readonly number[],
  fusion: Fusion,
): FusedHit[] {
  const byId = new Map<string, { shard: number; score: number; parts: HitPart[] }>();
  for (const [query, ranking] of rankings.entries()) {
    const weight = weights[query] ?? 1;
    const gain = gainOf(ranking, fusion);
    for (const [index, hit] of ranking.entries()) {
      const part = { query, score: hit.score, rank: index + 1 };
      const entry = byId.get(hit.id);
      const score = weight * gain(hit.score, part.rank);
      if (entry === undefined) byId.set(hit.id, { shard: hit.shard, score, parts: [part] });
      else {
        entry.score += score;
        entry.parts.push(part);
      }
    }
  }
  const fused = Array.from(byId, ([id, entry]) => ({ id, ...entry }));
  return fused.sort(compareHits);
}

/** A single ranking as it is: its scores stay the scores. */
export function singleRanking(ranking: readonly Hit[]): FusedHit[] {
  return ranking.map((hit, index) => ({
    ...hit,
    parts: [{ query: 0, score: hit.score, rank: index + 1 }],
  }));
}

function gainOf(ranking: readonly Hit[], fusion: Fusion): (score: number, rank: number) => number {
  if (fusion.method === "rrf") return (_score, rank) => 1 / (fusion.rankConstant + rank);
  const max = ranking[0]?.score ?? 0;
  const min = ranking.at(-1)?.score ?? 0;
  if (max === min) return () => 1;
  return (score) => (score - min) / (max - min);
}
