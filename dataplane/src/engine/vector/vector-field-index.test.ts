import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { Bitmap } from "../bitmap.js";
import {
  clusteredVectors,
  contextOf,
  documentOf,
  nearest,
  queryOf,
  recallOf,
  scoreOf,
  seededRandom,
  settle,
} from "./testing/clustered-vectors.js";
import { VectorFieldIndex } from "./vector-field-index.js";

const METRICS = ["cosine", "dot", "l2"] as const;

function indexOf(vectors: Iterable<readonly [number, Float32Array]>, metric: (typeof METRICS)[number]) {
  const entries = [...vectors];
  const index = new VectorFieldIndex({ name: "embedding", dimensions: entries[0]![1].length, metric });
  for (const [doc, embedding] of entries) index.add(doc, documentOf({ embedding }));
  return index;
}

function manyVectors(count: number, dimensions: number, seed: number): Map<number, Float32Array> {
  const make = clusteredVectors(dimensions, 200, seed);
  return new Map(Array.from({ length: count }, (_, i) => [i * 3 + 1, make()]));
}

describe("A field of few vectors", () => {
  it("is scanned exactly, for every metric", () => {
    for (const metric of METRICS) {
      const vectors = manyVectors(500, 8, 1);
      const index = indexOf(vectors, metric);
      settle(index);
      expect(index.tail).toBe(0);
      const query = clusteredVectors(8, 200, 2)();
      const answer = index.search(queryOf(query), contextOf(20));
      expect(answer.explanation).toMatchObject({ path: "exact", scanned: 500 });
      expect([...answer.hits.docs]).toEqual(nearest(metric, vectors, query).slice(0, 20));
      answer.hits.docs.forEach((doc, i) => {
        expect(answer.hits.scores[i]).toBeCloseTo(scoreOf(metric, vectors.get(doc)!, query), 5);
      });
    }
  });

  it("counts and finds only documents that have the field", () => {
    const index = new VectorFieldIndex({ name: "embedding", dimensions: 2, metric: "l2" });
    index.add(1, documentOf({ embedding: Float32Array.of(1, 1) }));
    index.add(2, documentOf({}));
    index.add(3, documentOf({ embedding: Float32Array.of(2, 2) }));
    const accept = new Bitmap();
    for (const doc of [2, 3]) accept.add(doc);
    const query = queryOf(Float32Array.of(0, 0));
    const all = index.search(query, contextOf(5, undefined, true));
    expect([...all.hits.docs]).toEqual([1, 3]);
    expect([all.total, all.matches?.count()]).toEqual([2, 2]);
    const filtered = index.search(query, contextOf(5, accept, true));
    expect([...filtered.hits.docs]).toEqual([3]);
    expect([filtered.total, filtered.matches?.has(3), filtered.matches?.has(2)]).toEqual([1, true, false]);
    expect(accept.count()).toBe(2);
    expect(index.search(query, contextOf(0))).toMatchObject({ total: 2, matches: undefined });
  });

  it("gives all ties with the last hit, for the caller to cut by id", () => {
    const index = indexOf(
      [4, 9, 2, 7].map((doc) => [doc, Float32Array.of(1, doc === 9 ? 1 : 0)]),
      "cosine",
    );
    const { docs } = index.search(queryOf(Float32Array.of(1, 1)), contextOf(2)).hits;
    expect([...docs]).toEqual([9, 2, 4, 7]);
  });

  it("refuses a document number that it has", () => {
    const index = indexOf([[5, Float32Array.of(1, 0)]], "dot");
    expect(() => index.add(5, documentOf({ embedding: Float32Array.of(0, 1) }))).toThrow("already has");
  });
});

describe("A field of many vectors", () => {
  const make = clusteredVectors(32, 200, 7);
  const vectors = new Map(Array.from({ length: 20_000 }, (_, doc) => [doc, make()]));
  const queries = Array.from({ length: 50 }, make);
  let index: VectorFieldIndex;
  beforeAll(() => {
    index = indexOf(vectors, "cosine");
    settle(index);
  }, 60_000);

  it("is answered by the graph, nearly as well as exactly", () => {
    expect(index.tail).toBe(0);
    const answer = index.search(queryOf(queries[0]!), contextOf(10));
    expect(answer.explanation).toMatchObject({ path: "graph", scanned: 0 });
    expect(recallOf(index, vectors, queries)).toBeGreaterThanOrEqual(0.98);
  });

  it("gives the scores that the exact scan gives", () => {
    const byGraph = index.search(queryOf(queries[1]!), contextOf(10)).hits;
    const exact = index.search(queryOf(queries[1]!, 1e6), contextOf(20_000));
    expect(exact.explanation.path).toBe("exact");
    const scores = new Map([...exact.hits.docs].map((doc, i) => [doc, exact.hits.scores[i]]));
    byGraph.docs.forEach((doc, i) => expect(byGraph.scores[i]).toBe(scores.get(doc)));
  });

  it("finds a new vector at once, before any work, and a removed one never again", () => {
    const embedding = make();
    index.add(20_000, documentOf({ embedding }));
    expect(index.tail).toBe(1);
    const answer = index.search(queryOf(embedding), contextOf(10));
    expect(answer.explanation).toMatchObject({ path: "graph+tail", scanned: 1 });
    expect(answer.hits.docs[0]).toBe(20_000);
    settle(index);
    expect(index.search(queryOf(embedding), contextOf(10)).hits.docs[0]).toBe(20_000);
    index.remove(20_000);
    expect(index.search(queryOf(embedding), contextOf(10)).hits.docs).not.toContain(20_000);
  });

  it("gives as many accepted hits as were asked for while there are that many, whatever the filter", () => {
    const input = fc.record({
      share: fc.constantFrom(1, 0.5, 0.2, 0.1, 0.03, 0.01, 0.001, 0.0001),
      size: fc.constantFrom(1, 10, 100, 1_000),
      query: fc.nat(queries.length - 1),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(input, ({ share, size, query, seed }) => {
        const random = seededRandom(seed);
        const accept = new Bitmap(20_000);
        for (let doc = 0; doc < 20_000; doc += 1) if (random() < share) accept.add(doc);
        const answer = index.search(queryOf(queries[query]!), contextOf(size, accept));
        expect(answer.total).toBe(accept.count());
        expect(answer.hits.docs.length).toBeGreaterThanOrEqual(Math.min(size, answer.total));
        expect(new Set(answer.hits.docs).size).toBe(answer.hits.docs.length);
        expect(answer.hits.docs.every((doc) => accept.has(doc))).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it("finds what a filter leaves far from the query, by widening or by scanning", () => {
    const order = nearest("cosine", vectors, queries[2]!);
    const accept = new Bitmap(20_000);
    for (const doc of order.slice(12_000)) accept.add(doc);
    const { hits } = index.search(queryOf(queries[2]!), contextOf(10, accept));
    expect([...hits.docs]).toEqual(order.slice(12_000, 12_010));
  });

  it("answers as well after three in ten were removed, while the graph is built anew and after", () => {
    const random = seededRandom(5);
    const left = new Map(vectors);
    for (const doc of vectors.keys()) {
      if (random() < 0.33) {
        index.remove(doc);
        left.delete(doc);
      }
    }
    const memoryBytes = index.memoryBytes;
    for (let i = 0; i < 20; i += 1) index.work();
    expect(index.memoryBytes).toBeGreaterThan(memoryBytes);
    const added = make();
    index.add(30_000, documentOf({ embedding: added }));
    left.set(30_000, added);
    expect(recallOf(index, left, queries.slice(0, 20))).toBeGreaterThanOrEqual(0.98);
    settle(index);
    expect(index.memoryBytes).toBeLessThan(memoryBytes);
    expect(index.search(queryOf(added), contextOf(1)).hits.docs[0]).toBe(30_000);
    expect(index.search(queryOf(added), contextOf(1)).explanation.path).toBe("graph");
    expect(recallOf(index, left, queries)).toBeGreaterThanOrEqual(0.98);
  });

  it("refuses a query that is no vector of the field", () => {
    for (const bad of [new Float32Array(31), new Float32Array(32), new Float32Array(32).fill(NaN)]) {
      expect(() => index.search(queryOf(bad), contextOf(10))).toThrow(/wrongDimensions|zeroVector|notFinite/);
    }
  });
});

describe("A changing field", () => {
  it("holds exactly what was added and not removed, across rebuilds and reuse of slots", () => {
    const make = clusteredVectors(4, 20, 11);
    const random = seededRandom(12);
    const index = new VectorFieldIndex({ name: "embedding", dimensions: 4, metric: "l2" });
    const live = new Map<number, Float32Array>();
    const turn = (doc: number): Float32Array => {
      const embedding = make();
      index.add(doc, documentOf({ embedding }));
      live.set(doc, embedding);
      // Grows to 2,000, then turns over, then shrinks below what needs a graph.
      const removals = doc < 2_000 ? 0 : doc < 11_000 ? 1 : 3;
      for (let i = 0; i < removals && live.size > 0; i += 1) {
        const victim = [...live.keys()].at(Math.floor(random() * Math.min(live.size, 2_000)))!;
        index.remove(victim);
        live.delete(victim);
      }
      if (doc % 10 === 0) index.work();
      return embedding;
    };
    for (let round = 0; round < 12; round += 1) {
      let embedding: Float32Array = new Float32Array(4);
      for (let i = 0; i < 1_000; i += 1) embedding = turn(round * 1_000 + i);
      const answer = index.search(queryOf(embedding), contextOf(5));
      expect(answer.total).toBe(live.size);
      expect(answer.hits.docs.every((hit) => live.has(hit))).toBe(true);
    }
    settle(index);
    expect(index.size).toBe(live.size);
    const all = index.search(queryOf(make()), contextOf(live.size));
    expect([...all.hits.docs].sort((a, b) => a - b)).toEqual([...live.keys()].sort((a, b) => a - b));
  }, 30_000);

  it("finds what is near even when thousands of equal vectors stand in the way", () => {
    const make = clusteredVectors(8, 50, 21);
    const same = make();
    const index = new VectorFieldIndex({ name: "embedding", dimensions: 8, metric: "cosine" });
    const vectors = new Map<number, Float32Array>();
    for (let doc = 0; doc < 4_000; doc += 1) {
      const embedding = doc % 2 === 0 ? same : make();
      vectors.set(doc, embedding);
      index.add(doc, documentOf({ embedding }));
    }
    settle(index);
    const random = Array.from({ length: 20 }, make);
    let found = 0;
    for (const query of random) {
      const truth = new Set(nearest("cosine", vectors, query).slice(0, 10));
      const scores = [...truth].map((doc) => scoreOf("cosine", vectors.get(doc)!, query));
      const { hits } = index.search(queryOf(query), contextOf(10));
      expect(hits.docs.length).toBeGreaterThanOrEqual(10);
      found += [...hits.scores.subarray(0, 10)].filter((score) => score >= scores[9]! - 1e-6).length;
    }
    expect(found / 200).toBeGreaterThanOrEqual(0.95);
  }, 30_000);
});
