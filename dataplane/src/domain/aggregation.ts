/** Aggregations over the documents that match a search, and how shards' parts are merged. */
import { compareByteOrder } from "./byte-order.js";

export type AggregationRequest =
  | { readonly kind: "terms"; readonly field: string; readonly size: number }
  /** Buckets start at whole multiples of `interval` (plus `offset`): floor((v - offset) / interval). */
  | { readonly kind: "histogram"; readonly field: string; readonly interval: number; readonly offset: number }
  | { readonly kind: "stats"; readonly field: string };

/** One shard's part. Keys are the field's values: strings, numbers (dates in ms) or booleans. */
export type PartialAggregation =
  | {
      readonly kind: "terms";
      /** Largest counts first; all of them unless cut at the shard's bucket limit. */
      readonly buckets: readonly (readonly [key: string | number | boolean, count: number])[];
      /** Values counted in buckets that were cut. */
      readonly otherCount: number;
      /** Largest count that a cut bucket may have; 0 when nothing was cut. */
      readonly cutCount: number;
    }
  | { readonly kind: "histogram"; readonly buckets: readonly (readonly [start: number, count: number])[] }
  | {
      readonly kind: "stats";
      readonly count: number;
      readonly sum: number;
      /** Infinity / -Infinity do not survive JSON: null when count is 0. */
      readonly min: number | null;
      readonly max: number | null;
    };

export interface AggregationBucket {
  /** A value of the field (dates in ms), or for a histogram where the bucket starts. */
  readonly key: string | number | boolean;
  readonly count: number;
}

/** Largest counts first, equal counts by key. */
export interface TermsResult {
  readonly buckets: readonly AggregationBucket[];
  /** Values counted in buckets that are not shown. */
  readonly otherCount: number;
  /**
   * A shown count may be too low by at most this, and a value that is not shown counts at most the
   * last shown count plus this. 0: counts and choice are exact.
   */
  readonly errorBound: number;
}

/** Ascending; empty buckets are left out. */
export interface HistogramResult {
  readonly buckets: readonly AggregationBucket[];
}

/** `min`, `max` and `mean` of no values are null. */
export interface StatsResult {
  readonly count: number;
  readonly sum: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
}

export type AggregationResult = TermsResult | HistogramResult | StatsResult;

type Part<K extends PartialAggregation["kind"]> = Extract<PartialAggregation, { kind: K }>;

/** What the client is answered, from the parts of all shards that answered. */
export function mergeAggregations(
  request: AggregationRequest,
  parts: readonly PartialAggregation[],
): AggregationResult {
  switch (request.kind) {
    case "terms":
      return mergeTerms(request.size, partsOfKind(parts, "terms"));
    case "histogram":
      return mergeHistograms(partsOfKind(parts, "histogram"));
    case "stats":
      return mergeStats(partsOfKind(parts, "stats"));
  }
}

function partsOfKind<K extends PartialAggregation["kind"]>(
  parts: readonly PartialAggregation[],
  kind: K,
): Part<K>[] {
  return parts.map((part) => {
    if (part.kind !== kind) throw new Error(`a shard answered ${part.kind} where ${kind} was asked for`);
    return part as Part<K>;
  });
}

function mergeTerms(size: number, parts: readonly Part<"terms">[]): TermsResult {
  const counts = new Map<string | number | boolean, number>();
  let total = 0;
  let errorBound = 0;
  for (const part of parts) {
    for (const [key, count] of part.buckets) {
      counts.set(key, (counts.get(key) ?? 0) + count);
      total += count;
    }
    total += part.otherCount;
    errorBound += part.cutCount;
  }
  const buckets = [...counts]
    .map(([key, count]) => ({ key, count }))
    .sort((a, b) => b.count - a.count || compareKeys(a.key, b.key))
    .slice(0, size);
  const shown = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  return { buckets, otherCount: total - shown, errorBound };
}

function mergeHistograms(parts: readonly Part<"histogram">[]): HistogramResult {
  const counts = new Map<number, number>();
  for (const part of parts) {
    for (const [start, count] of part.buckets) counts.set(start, (counts.get(start) ?? 0) + count);
  }
  return { buckets: [...counts].map(([key, count]) => ({ key, count })).sort((a, b) => a.key - b.key) };
}

function mergeStats(parts: readonly Part<"stats">[]): StatsResult {
  let count = 0;
  let sum = 0;
  let min = Infinity;
  let max = -Infinity;
  for (const part of parts) {
    count += part.count;
    sum += part.sum;
    min = Math.min(min, part.min ?? Infinity);
    max = Math.max(max, part.max ?? -Infinity);
  }
  if (count === 0) return { count, sum, min: null, max: null, mean: null };
  return { count, sum, min, max, mean: sum / count };
}

/** Keys of one field are all of one type. */
export function compareKeys(a: string | number | boolean, b: string | number | boolean): number {
  return typeof a === "string" && typeof b === "string" ? compareByteOrder(a, b) : Number(a) - Number(b);
}
