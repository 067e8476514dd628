/**
 * The engine of one shard copy and its three rooms. All calls are synchronous and happen on the
 * worker thread that owns the copy; none does IO except `save` and `load`.
 *
 * Documents are known here by document number: a 32-bit number the shard store gives to every version
 * of a document, ascending and never used twice in one data directory (an update is a removal of the
 * old number and an addition of a new one). So an index file is right as far as it goes: what the
 * store no longer has is removed, what it has above the file's last number is added.
 */
import type { FieldSpec } from "@prism/api/collection";
import type {
  Filter,
  QueryExplanation,
  ShardQuery,
  ShardQueryResult,
  TextQuery,
  TextStatistics,
  VectorQuery,
} from "../domain/shard-query.js";
import type { AggregationRequest, PartialAggregation } from "../domain/aggregation.js";
import type { Bitmap } from "./bitmap.js";
import type { ParsedDocument } from "./parsed-document.js";

/** Hits by document number, best first; equal scores in any order that is the same for equal input. */
export interface DocumentHits {
  readonly docs: Uint32Array;
  readonly scores: Float64Array;
}

export interface QueryAnswer {
  readonly hits: DocumentHits;
  /** Every document that matches; `undefined` when the caller did not ask for it. */
  readonly matches: Bitmap | undefined;
  /** Number of matches, exactly, also when `matches` was not asked for. */
  readonly total: number;
  readonly explanation: QueryExplanation;
}

export interface SearchContext {
  /** Live documents that pass the filter; `undefined`: no filter, all live documents. */
  readonly accept: Bitmap | undefined;
  readonly live: Bitmap;
  /** How many documents `accept` (or `live`) holds. */
  readonly acceptCount: number;
  /** Hits wanted; 0 for none. More may be given when the last scores are equal: ties are cut by id by the caller. */
  readonly size: number;
  readonly wantMatches: boolean;
}

/** A file set of an index, saved under a directory of its own, tied to the data it was made from. */
export interface IndexStamp {
  readonly historyId: string;
  /** Every document number up to here is in the file, if it was live then. */
  readonly lastDoc: number;
  /** Applied sequence number at the time; a file above the store's checkpoint is not loaded (AppliedBelowCheckpoint). */
  readonly seq: number;
}

export interface TextEngine {
  add(doc: number, document: ParsedDocument): void;
  /** `document` is the version that was added under this number: statistics stay exact. */
  remove(doc: number, document: ParsedDocument): void;
  /** After `load`: drops the documents of the files that are not live any more; statistics stay exact. */
  retain(live: Bitmap): void;
  statistics(field: string, query: string): TextStatistics;
  /** Without `statistics` for a field, the shard's own. */
  search(
    query: TextQuery,
    statistics: ReadonlyMap<string, TextStatistics> | undefined,
    context: SearchContext,
  ): QueryAnswer;
  /** Does a bounded piece of sealing or merging; false when there is nothing to do. */
  work(): boolean;
  readonly memoryBytes: number;
  save(directory: string, stamp: IndexStamp): void;
  /** Undefined, leaving the index empty, when the files are missing, damaged or of another shape. */
  load(directory: string): IndexStamp | undefined;
  close(): void;
}

export interface VectorEngine {
  add(doc: number, document: ParsedDocument): void;
  remove(doc: number): void;
  /** After `load`: drops the documents of the files that are not live any more. */
  retain(live: Bitmap): void;
  search(query: VectorQuery, context: SearchContext): QueryAnswer;
  /** Moves a bounded number of vectors from the scanned tail into the graph; false when there is nothing to do. */
  work(): boolean;
  /** Vectors not yet in a graph: writes feel back-pressure above a limit. */
  readonly tail: number;
  readonly memoryBytes: number;
  save(directory: string, stamp: IndexStamp): void;
  /** Undefined, leaving the index empty, when the vectors are missing or damaged; a graph alone is built again. */
  load(directory: string): IndexStamp | undefined;
  close(): void;
}

/** Values of filterable and aggregatable fields, by document number. */
export interface ColumnEngine {
  add(doc: number, document: ParsedDocument): void;
  remove(doc: number): void;
  /** A new bitmap of the live documents that pass. */
  filter(filter: Filter, live: Bitmap): Bitmap;
  aggregate(request: AggregationRequest, matches: Bitmap): PartialAggregation;
  readonly memoryBytes: number;
  save(directory: string, stamp: IndexStamp): void;
  load(directory: string): IndexStamp | undefined;
}

/** All of one shard copy's indexes. */
export interface ShardIndex {
  /** Fields may grow while the index lives; documents added before lack them. */
  setFields(fields: readonly FieldSpec[]): void;
  add(doc: number, document: ParsedDocument): void;
  remove(doc: number, document: ParsedDocument): void;
  /** The document number of a live id, or undefined. */
  find(id: string): number | undefined;
  search(query: ShardQuery, statistics: ReadonlyMap<string, TextStatistics> | undefined): ShardQueryResult;
  statistics(field: string, query: string): TextStatistics;
  work(): boolean;
  readonly tail: number;
  readonly documents: number;
  readonly memoryBytes: number;
  /** Writes all index files of this moment under `directory`: temporary name, fsync, rename. */
  save(directory: string, stamp: IndexStamp): void;
  /**
   * Undefined, leaving the index empty, unless all files of one save are there and sound. The shard store
   * then calls `retain`, and adds its live documents above the stamp's `lastDoc`, ascending.
   */
  load(directory: string): IndexStamp | undefined;
  /** After `load`: drops the documents of the files that are not live any more. */
  retain(live: Bitmap): void;
  close(): void;
}
