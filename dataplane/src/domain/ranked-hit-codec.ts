/** A fused hit <-> its form on the wire, of the only shard's answer. */
import type { RankedHit } from "@prism/proto/gen/node";
import type { FusedHit } from "./fusion.js";
import { decodeScores, encodeScores } from "./shard-query-codec.js";

export function encodeRankedHit({ id, score, parts }: FusedHit): RankedHit {
  return {
    id,
    scores: encodeScores(Float64Array.of(score, ...parts.map((part) => part.score))),
    queries: parts.map(({ query }) => query),
    ranks: parts.map(({ rank }) => rank),
  };
}

export function decodeRankedHit({ id, scores, queries, ranks }: RankedHit, shard: number): FusedHit {
  const [score = 0, ...partScores] = decodeScores(scores);
  const parts = queries.map((query, i) => ({ query, score: partScores[i] ?? 0, rank: ranks[i] ?? 0 }));
  return { id, score, shard, parts };
}
