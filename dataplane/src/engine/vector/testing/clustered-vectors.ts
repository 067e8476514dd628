/** Material of the tests in this folder: what embeddings look like, clusters, from a seed. */
import { Bitmap } from "../../bitmap.js";
import type { SearchContext } from "../../engine-port.js";
import type { ParsedDocument } from "../../parsed-document.js";
import type { VectorQuery } from "../../../domain/shard-query.js";
import type { VectorFieldIndex } from "../vector-field-index.js";

/** Numbers from 0 to 1 (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A maker of vectors around cluster centres; centres and noise have a standard deviation of 1. */
export function clusteredVectors(dimensions: number, clusters: number, seed: number): () => Float32Array {
  const random = seededRandom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const centres = Array.from({ length: clusters }, () => Float32Array.from({ length: dimensions }, normal));
  return () => centres[Math.floor(random() * clusters)]!.map((value) => value + normal());
}

export function documentOf(vectors: Readonly<Record<string, Float32Array>>): ParsedDocument {
  return {
    id: "",
    text: new Map(),
    keyword: new Map(),
    numeric: new Map(),
    vector: new Map(Object.entries(vectors)),
  };
}

export function queryOf(values: Float32Array, candidates = 100): VectorQuery {
  return { kind: "vector", field: "embedding", values, candidates };
}

export function contextOf(size: number, accept?: Bitmap, wantMatches = false): SearchContext {
  const live = accept ?? new Bitmap();
  return { accept, live, acceptCount: live.count(), size, wantMatches };
}

/** Works until nothing is left; throws when that takes longer than any index of a test can. */
export function settle(index: { work(): boolean }): void {
  for (let calls = 0; calls < 1_000_000; calls += 1) if (!index.work()) return;
  throw new Error("The work never ends.");
}

/** Share of the true nearest that searches find; `truth` is the exact order of all vectors. */
export function recallOf(
  index: VectorFieldIndex,
  vectors: ReadonlyMap<number, Float32Array>,
  queries: readonly Float32Array[],
  size = 10,
): number {
  let found = 0;
  for (const query of queries) {
    const truth = new Set(nearest(index.field.metric, vectors, query).slice(0, size));
    for (const doc of index.search(queryOf(query), contextOf(size)).hits.docs.subarray(0, size)) {
      if (truth.has(doc)) found += 1;
    }
  }
  return found / (size * queries.length);
}

/** Document numbers, best first: the dumb version of a search. */
export function nearest(
  metric: "cosine" | "dot" | "l2",
  vectors: ReadonlyMap<number, Float32Array>,
  query: Float32Array,
): number[] {
  const scored = [...vectors].map(([doc, vector]) => ({ doc, score: scoreOf(metric, vector, query) }));
  return scored.sort((a, b) => b.score - a.score || a.doc - b.doc).map(({ doc }) => doc);
}

export function scoreOf(metric: "cosine" | "dot" | "l2", a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let squaredA = 0;
  let squaredB = 0;
  for (let i = 0; i < a.length; i += 1) {
    dot += a[i]! * b[i]!;
    squaredA += a[i]! ** 2;
    squaredB += b[i]! ** 2;
  }
  if (metric === "dot") return dot;
  if (metric === "cosine") return dot / Math.sqrt(squaredA * squaredB);
  return 1 / (1 + Math.hypot(...a.map((value, i) => value - b[i]!)));
}
