/** One shard's part of each kind of aggregation, over the matching documents of one column. */
import { Problem } from "@prism/api/problem-code";
import { compareKeys, type AggregationRequest, type PartialAggregation } from "../../domain/aggregation.js";
import type { Bitmap } from "../bitmap.js";
import { BoundedSelection } from "../bounded-selection.js";
import type { KeywordColumn } from "./keyword-column.js";
import type { NumericColumn } from "./numeric-column.js";

type Part<K extends PartialAggregation["kind"]> = Extract<PartialAggregation, { kind: K }>;
type Histogram = Extract<AggregationRequest, { kind: "histogram" }>;
type Key = string | number | boolean;

export const EMPTY_TERMS: Part<"terms"> = { kind: "terms", buckets: [], otherCount: 0, cutCount: 0 };
export const EMPTY_HISTOGRAM: Part<"histogram"> = { kind: "histogram", buckets: [] };
export const EMPTY_STATS: Part<"stats"> = { kind: "stats", count: 0, sum: 0, min: null, max: null };

/** Counts documents: one that has a value twice counts once. */
export function termsOfKeywords(column: KeywordColumn, docs: Bitmap, bucketsMax: number): Part<"terms"> {
  const counts = column.countOrdinals(docs);
  return cutTerms(counts, bucketsMax, (ordinal) => column.dictionary.valueOf(ordinal));
}

/** As `termsOfKeywords`; `toKey` makes 0 and 1 booleans where the field is boolean. */
export function termsOfNumbers(
  column: NumericColumn,
  docs: Bitmap,
  bucketsMax: number,
  toKey: (value: number) => Key,
): Part<"terms"> {
  const places = new Map<number, number>();
  const values: number[] = [];
  const counts: number[] = [];
  column.forEachValue(docs, (value, previous) => {
    if (value === previous) return;
    const place = places.get(value);
    if (place !== undefined) {
      counts[place]! += 1;
      return;
    }
    places.set(value, values.length);
    values.push(value);
    counts.push(1);
  });
  return cutTerms(counts, bucketsMax, (place) => toKey(values[place]!));
}

/** The places with the largest counts, equal counts by key: copies of a shard cut alike. */
function cutTerms(
  counts: ArrayLike<number>,
  bucketsMax: number,
  keyOf: (place: number) => Key,
): Part<"terms"> {
  const compare = (a: number, b: number): number =>
    counts[b]! - counts[a]! || compareKeys(keyOf(a), keyOf(b));
  // One more than fits: the first bucket that is cut has the largest count of those that are.
  const largestAndNext = new BoundedSelection(bucketsMax + 1, compare);
  let total = 0;
  for (let place = 0; place < counts.length; place += 1) {
    if (counts[place] === 0) continue;
    total += counts[place]!;
    largestAndNext.offer(place);
  }
  const kept = largestAndNext.toSorted();
  const cut = kept[bucketsMax];
  const buckets = kept.slice(0, bucketsMax).map((place): [Key, number] => [keyOf(place), counts[place]!]);
  const shown = buckets.reduce((sum, [, count]) => sum + count, 0);
  return {
    kind: "terms",
    buckets,
    otherCount: total - shown,
    cutCount: cut === undefined ? 0 : counts[cut]!,
  };
}

/** Counts documents per bucket. Throws Problem limitExceeded above `bucketsMax` buckets. */
export function histogramOfNumbers(
  column: NumericColumn,
  docs: Bitmap,
  { field, interval, offset }: Histogram,
  bucketsMax: number,
): Part<"histogram"> {
  const counts = new Map<number, number>();
  column.forEachValue(docs, (value, previous) => {
    const bucket = Math.floor((value - offset) / interval);
    // The NaN of a document's first value makes no bucket, so it equals none.
    if (bucket === Math.floor((previous - offset) / interval)) return;
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
    if (counts.size > bucketsMax || !Number.isFinite(bucket)) {
      throw new Problem(
        "limitExceeded",
        `the histogram of ${field} by ${interval} has more than ${bucketsMax} buckets (limits.aggregationBuckets); use a larger interval`,
      );
    }
  });
  const buckets = [...counts]
    .sort(([a], [b]) => a - b)
    .map(([bucket, count]): [number, number] => [bucket * interval + offset, count]);
  return { kind: "histogram", buckets };
}

/** Counts values: one that a document has twice counts twice. */
export function statsOfNumbers(column: NumericColumn, docs: Bitmap): Part<"stats"> {
  let count = 0;
  let sum = 0;
  let min = Infinity;
  let max = -Infinity;
  column.forEachValue(docs, (value) => {
    count += 1;
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
  });
  return count === 0 ? EMPTY_STATS : { kind: "stats", count, sum, min, max };
}
