/**
 * A document checked against its collection, in the form the indexes take it. Field values are lists
 * always: a field with one value has a list of one; null, missing and [] are no entry.
 */
export interface ParsedDocument {
  readonly id: string;
  readonly text: ReadonlyMap<string, readonly string[]>;
  readonly keyword: ReadonlyMap<string, readonly string[]>;
  /** integer, long, float as they are; boolean 0 or 1; date in milliseconds since 1970. */
  readonly numeric: ReadonlyMap<string, readonly number[]>;
  readonly vector: ReadonlyMap<string, Float32Array>;
}
