import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bitmap } from "../bitmap.js";
import { Accumulator } from "./accumulator.js";
import { BestHits } from "./best-hits.js";
import type { QueryPlan } from "./query-plan.js";
import { searchPruned } from "./pruned-search.js";
import { searchSegment } from "./search-segment.js";
import { BUILDER_DOCUMENTS_MAX, SegmentBuilder } from "./segment-builder.js";
import type { SearchableSegment, Segment } from "./segment.js";

const DOCUMENTS = BUILDER_DOCUMENTS_MAX;
/** Term t stands in about one of so many documents. */
const RARITY = [1, 2, 4, 9, 40, 400, 2000];

/** A fixed sequence of numbers in [0, 1): Lehmer's generator. */
function randomOf(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

function makeSegment(seed: number, gap: number): Segment {
  const random = randomOf(seed);
  const builder = new SegmentBuilder();
  let doc = 7 + seed;
  for (let i = 0; i < DOCUMENTS; i += 1) {
    const terms: number[] = [];
    const frequencies = new Uint32Array(RARITY.length);
    RARITY.forEach((rarity, term) => {
      if (random() * rarity >= 1) return;
      terms.push(term);
      frequencies[term] = random() < 0.01 ? 300 : 1 + Math.floor(random() * 3);
    });
    const length = frequencies.reduce((sum, one) => sum + one, 1 + Math.floor(random() * 4));
    const place = builder.addDocument(doc);
    if (terms.length > 0) builder.addField(place, 0, length, terms, frequencies);
    doc += 1 + Math.floor(random() * gap);
  }
  return builder.seal();
}

/** The same segment in a form that is never pruned. */
function plain(segment: Segment): SearchableSegment {
  return {
    documents: segment.documents,
    docs: segment.docs,
    removed: segment.removed,
    score: (...args) => segment.score(...args),
    scoreFound: (...args) => segment.scoreFound(...args),
    markFound: (...args) => segment.markFound(...args),
  };
}

interface Asked {
  readonly plan: QueryPlan;
  readonly size: number;
  readonly accept: Bitmap | undefined;
  readonly accumulator: Accumulator;
}

function answer(segments: readonly SearchableSegment[], { plan, size, accept, accumulator }: Asked) {
  const best = new BestHits(size, 2 * DOCUMENTS);
  const matches = new Bitmap();
  let total = 0;
  for (const segment of segments)
    total += searchSegment(segment, plan, accumulator, { accept, matches, best });
  const members: number[] = [];
  matches.forEach((doc) => members.push(doc));
  const { docs, scores } = best.toHits();
  return { total, members, docs: [...docs], scores: [...scores] };
}

function planOf(terms: readonly number[]): QueryPlan {
  return {
    terms: terms.map((term) => ({
      field: 0,
      term,
      weight: { weight: Math.log(1 + RARITY[term]!) * 2.2, base: 0.3, perToken: 0.2 },
    })),
    requirements: undefined,
  };
}

describe("searching with common terms passed over", () => {
  const terms = fc.uniqueArray(fc.nat(RARITY.length - 1), { minLength: 1, maxLength: 4 });
  const shape = fc.record({
    terms,
    size: fc.constantFrom(0, 1, 10, 100, 2500),
    seed: fc.nat(5),
    gap: fc.constantFrom(1, 3),
    isFiltered: fc.boolean(),
    removed: fc.array(fc.nat(DOCUMENTS - 1), { maxLength: 200 }),
  });

  it("gives the very hits, scores, matches and total that scoring everything gives", () => {
    let pruned = 0;
    fc.assert(
      fc.property(shape, (asked) => {
        const segments = [makeSegment(asked.seed, asked.gap), makeSegment(asked.seed + 20_000, asked.gap)];
        for (const place of asked.removed) segments[0]!.removed.add(place);
        const accept = asked.isFiltered ? new Bitmap() : undefined;
        for (let doc = 0; doc < 40_000; doc += 3) accept?.add(doc);
        const accumulator = new Accumulator();
        const question = { plan: planOf(asked.terms), size: asked.size, accept, accumulator };
        expect(answer(segments, question)).toEqual(answer(segments.map(plain), question));
        expect(accumulator.scores.every((score) => score === 0)).toBe(true);
        const sink = { accept, matches: undefined, best: new BestHits(asked.size, DOCUMENTS) };
        if (searchPruned(segments[0]!, question.plan, accumulator, sink) !== undefined) pruned += 1;
      }),
      { numRuns: 150 },
    );
    expect(pruned).toBeGreaterThan(15);
  });

  it("leaves a query alone whose terms are all rare or only one", () => {
    const segment = makeSegment(1, 1);
    const sink = { accept: undefined, matches: undefined, best: new BestHits(10, DOCUMENTS) };
    expect(searchPruned(segment, planOf([4, 5]), new Accumulator(), sink)).toBeUndefined();
    expect(searchPruned(segment, planOf([0]), new Accumulator(), sink)).toBeUndefined();
  });
});
