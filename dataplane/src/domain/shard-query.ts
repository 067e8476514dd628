/**
 * One shard's part of a search, after the coordinator has checked it against the collection: field
 * names exist, types fit, limits hold, dates are milliseconds. The engine trusts it.
 */
import type { AggregationRequest, PartialAggregation } from "./aggregation.js";

export interface TextQuery {
  readonly kind: "text";
  readonly query: string;
  /** Field name -> boost (> 0). A document's score is the sum over fields of boost * BM25. */
  readonly fields: Readonly<Record<string, number>>;
  /** `and`: every term must be found, in any of the fields. */
  readonly operator: "or" | "and";
}

export interface VectorQuery {
  readonly kind: "vector";
  readonly field: string;
  /** Length: the field's dimensions. Not part of the JSON form: it travels as float32 bytes. */
  readonly values: Float32Array;
  /** How many candidates the index is asked for at least; bounded by limits. */
  readonly candidates: number;
}

export type FilterValue = string | number | boolean;

/**
 * Fields with several values match when any value does; a missing field matches only `exists: false`
 * and `not`. `id` as a field name is the document's id (equality and `in` only).
 */
export type Filter =
  | { readonly and: readonly Filter[] }
  | { readonly or: readonly Filter[] }
  | { readonly not: Filter }
  | { readonly field: string; readonly equals: FilterValue }
  | { readonly field: string; readonly in: readonly FilterValue[] }
  | { readonly field: string; readonly exists: boolean }
  | {
      readonly field: string;
      readonly gt?: number | string;
      readonly gte?: number | string;
      readonly lt?: number | string;
      readonly lte?: number | string;
    };

export interface ShardQuery {
  readonly queries: readonly (TextQuery | VectorQuery)[];
  readonly filter?: Filter;
  readonly aggregations: Readonly<Record<string, AggregationRequest>>;
  /** Hits wanted per query (offset + limit, or the fusion window). 0: count and aggregate only. */
  readonly size: number;
  readonly explain: boolean;
}

/** Statistics of the text fields over all shards, by field; absent: the shard's own. */
export interface TextStatistics {
  readonly documents: number;
  readonly totalLength: number;
  readonly documentFrequency: ReadonlyMap<string, number>;
}

/** Best first; ties by id in byte order, so that three shards rank as one. */
export interface HitList {
  readonly ids: readonly string[];
  readonly scores: Float64Array;
}

/** How one query was answered. */
export interface QueryExplanation {
  readonly path: "graph" | "exact" | "graph+tail" | "postings" | "filter";
  /** Documents that passed the filter, or all. */
  readonly candidates: number;
  /** Documents compared one by one: the unindexed tail, or all of an exact scan. */
  readonly scanned: number;
}

export interface ShardQueryResult {
  /** One per query; a search without queries has one, by id, scores 0. */
  readonly lists: readonly HitList[];
  /** Documents that match the filter and, if there are queries, at least one query (vector: has the field). */
  readonly total: number;
  readonly aggregations: Readonly<Record<string, PartialAggregation>>;
  readonly explain: readonly QueryExplanation[];
}
