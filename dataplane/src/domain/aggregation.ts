/** Aggregations over the documents that match a search, and how shards' parts are merged. */

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
