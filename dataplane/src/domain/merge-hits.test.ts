import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareByteOrder } from "./byte-order.js";
import { fuse, singleRanking, type Fusion } from "./fusion.js";
import { compareHits, mergeHits, type Hit, type ShardHits } from "./merge-hits.js";

/** Documents with the scores that each of two queries gives them; few values, so that scores tie. */
const documents = fc.uniqueArray(
  fc.record({
    id: fc.string({ unit: "binary", minLength: 1, maxLength: 3 }),
    scores: fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 4 })),
    shard: fc.integer({ min: 0, max: 2 }),
  }),
  { selector: (one) => one.id, maxLength: 40 },
);

interface Scored {
  readonly id: string;
  readonly scores: readonly number[];
  readonly shard: number;
}

/** What a shard with these documents answers: its best `size`, ties by id. */
function answerOf(docs: readonly Scored[], shard: number, query: number, size: number): ShardHits {
  const hits = docs
    .map((one) => ({ id: one.id, score: one.scores[query]! }))
    .filter((hit) => hit.score > 0)
    .sort((a, b) => b.score - a.score || compareByteOrder(a.id, b.id))
    .slice(0, size);
  return {
    shard,
    list: { ids: hits.map((hit) => hit.id), scores: Float64Array.from(hits, (hit) => hit.score) },
  };
}

function spread(docs: readonly Scored[], query: number, size: number): ShardHits[] {
  return [0, 1, 2].map((shard) =>
    answerOf(
      docs.filter((one) => one.shard === shard),
      shard,
      query,
      size,
    ),
  );
}

const idsAndScores = (hits: readonly Hit[]): unknown[] => hits.map(({ id, score }) => [id, score]);

describe("merging hits", () => {
  it("gives of three shards what one shard with all documents gives", () => {
    fc.assert(
      fc.property(documents, fc.integer({ min: 0, max: 12 }), (docs, size) => {
        const merged = mergeHits(spread(docs, 0, size), size);
        const whole = mergeHits([answerOf(docs, 0, 0, size)], size);
        expect(idsAndScores(merged)).toEqual(idsAndScores(whole));
      }),
    );
  });

  it("fuses of three shards what it fuses of one, by ranks and by scores", () => {
    const fusions = fc.constantFrom<Fusion>({ method: "rrf", rankConstant: 60 }, { method: "weighted" });
    fc.assert(
      fc.property(documents, fc.integer({ min: 1, max: 12 }), fusions, (docs, window, fusion) => {
        const weights = [1, 2];
        const merged = [0, 1].map((query) => mergeHits(spread(docs, query, window), window));
        const whole = [0, 1].map((query) => mergeHits([answerOf(docs, 0, query, window)], window));
        expect(idsAndScores(fuse(merged, weights, fusion))).toEqual(
          idsAndScores(fuse(whole, weights, fusion)),
        );
      }),
    );
  });

  it("keeps an id once, at its best place", () => {
    const list = (shard: number, score: number): ShardHits => ({
      shard,
      list: { ids: ["same"], scores: Float64Array.of(score) },
    });
    expect(mergeHits([list(0, 1), list(1, 2)], 10)).toEqual([{ id: "same", score: 2, shard: 1 }]);
  });

  it("orders equal scores by the bytes of the ids", () => {
    const hit = (id: string): Hit => ({ id, score: 1, shard: 0 });
    expect(
      [hit("\u{1F980}"), hit("\uFFFD"), hit("b"), hit("a")].sort(compareHits).map((one) => one.id),
    ).toEqual(["a", "b", "\uFFFD", "\u{1F980}"]);
  });
});

describe("fusion", () => {
  const ranking = (...hits: [id: string, score: number][]): Hit[] =>
    hits.map(([id, score]) => ({ id, score, shard: 0 }));

  it("by reciprocal rank sums weight / (rankConstant + rank)", () => {
    const fused = fuse([ranking(["a", 9], ["b", 8]), ranking(["b", 0.5], ["c", 0.1])], [1, 3], {
      method: "rrf",
      rankConstant: 60,
    });
    expect(fused.map((hit) => hit.id)).toEqual(["b", "c", "a"]);
    expect(fused[0]?.score).toBeCloseTo(1 / 62 + 3 / 61, 12);
    expect(fused[0]?.parts).toEqual([
      { query: 0, score: 8, rank: 2 },
      { query: 1, score: 0.5, rank: 1 },
    ]);
  });

  it("by weight scales each query's candidates to 0..1, and takes equal scores as 1", () => {
    const fused = fuse([ranking(["a", 10], ["b", 5], ["c", 0]), ranking(["c", 7])], [1, 1], {
      method: "weighted",
    });
    expect(idsAndScores(fused)).toEqual([
      ["a", 1],
      ["c", 1],
      ["b", 0.5],
    ]);
  });

  it("leaves a single query's scores as they are", () => {
    expect(singleRanking(ranking(["a", 7.5]))).toEqual([
      { id: "a", score: 7.5, shard: 0, parts: [{ query: 0, score: 7.5, rank: 1 }] },
    ]);
  });
});
