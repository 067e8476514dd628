/**
 * A sealed segment: postings of a run of documents with ascending numbers, which are known inside by their
 * place in the run. Nothing changes but the set of removed documents; merging makes a new segment.
 */
import type { Accumulator } from "./accumulator.js";
import type { TermWeight } from "./bm25.js";
import { denseTermOf, isDense, type DenseTerm } from "./dense-term.js";
import { LONG_FREQUENCY, type LongFrequencies } from "./posting.js";

/** What search asks of a segment, sealed or not. */
export interface SearchableSegment {
  readonly documents: number;
  /** Document numbers by place, ascending; may be longer than `documents`. */
  readonly docs: Uint32Array;
  readonly removed: RemovedPlaces;
  /** Adds the term's score to every document that has it. */
  score(field: number, term: number, weight: TermWeight, into: Accumulator): void;
  /** Adds the term's score to those documents only for which `required` requirements were found. */
  scoreFound(field: number, term: number, weight: TermWeight, required: number, into: Accumulator): void;
  /** Raises `found` from `requirement` to `requirement + 1` where the term occurs. */
  markFound(field: number, term: number, requirement: number, into: Accumulator): void;
}

/** One field's postings. Those of `terms[i]` stand at `offsets[i]` to `offsets[i + 1]`, by ascending place. */
export interface FieldPostings {
  /** Term ids, ascending. */
  readonly terms: Uint32Array;
  readonly offsets: Uint32Array;
  readonly postings: Uint32Array;
  readonly longFrequencies: LongFrequencies;
  /** Tokens by place; 0: the document does not have the field. */
  readonly lengths: Uint32Array;
}

/** A set of places with its size. */
export class RemovedPlaces {
  bits: Uint32Array;
  count = 0;

  constructor(documents: number) {
    this.bits = new Uint32Array((documents + 31) >>> 5);
  }

  has(place: number): boolean {
    return (this.bits[place >>> 5]! & (1 << (place & 31))) !== 0;
  }

  /** False when it was there. */
  add(place: number): boolean {
    if (this.has(place)) return false;
    this.bits[place >>> 5]! |= 1 << (place & 31);
    this.count += 1;
    return true;
  }
}

export class Segment implements SearchableSegment {
  readonly docs: Uint32Array;
  readonly removed: RemovedPlaces;
  /** By field number; undefined: no document has the field. */
  readonly fields: readonly (FieldPostings | undefined)[];
  readonly postingCount: number;
  /** By row; one map for each field, filled by the searches that ask. */
  readonly #dense: readonly Map<number, DenseTerm>[];

  constructor(
    docs: Uint32Array,
    fields: readonly (FieldPostings | undefined)[],
    removed = new RemovedPlaces(docs.length),
  ) {
    this.docs = docs;
    this.fields = fields;
    this.removed = removed;
    this.#dense = fields.map(() => new Map());
    this.postingCount = fields.reduce((sum, field) => sum + (field?.postings.length ?? 0), 0);
  }

  get documents(): number {
    return this.docs.length;
  }

  get memoryBytes(): number {
    let bytes = this.docs.byteLength + this.removed.bits.byteLength;
    for (const field of this.fields) {
      if (field === undefined) continue;
      bytes += field.terms.byteLength + field.offsets.byteLength + field.postings.byteLength;
      bytes += field.lengths.byteLength + field.longFrequencies.size * 40;
    }
    for (const terms of this.#dense) bytes += terms.size * ((this.docs.length >>> 3) + 256);
    return bytes;
  }

  /** Undefined: the term is not in a large part of the documents. */
  denseTerm(field: number, term: number): DenseTerm | undefined {
    const column = this.fields[field];
    if (column === undefined) return undefined;
    const row = findAscending(column.terms, column.terms.length, term);
    if (row < 0 || !isDense(column.offsets[row + 1]! - column.offsets[row]!, this.docs.length)) {
      return undefined;
    }
    const cache = this.#dense[field]!;
    const known = cache.get(row);
    if (known !== undefined) return known;
    const dense = denseTermOf(column, row, this.docs.length);
    cache.set(row, dense);
    return dense;
  }

  /** What the term adds to the score of one document; 0 when it does not have it. */
  scoreOf(field: number, term: number, { weight, base, perToken }: TermWeight, place: number): number {
    const column = this.fields[field];
    if (column === undefined) return 0;
    const row = findAscending(column.terms, column.terms.length, term);
    if (row < 0) return 0;
    const { postings, lengths, longFrequencies } = column;
    let low = column.offsets[row]!;
    let high = column.offsets[row + 1]! - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const posting = postings[middle]!;
      const found = posting >>> 8;
      if (found === place) {
        const short = posting & 255;
        const frequency = short === LONG_FREQUENCY ? longFrequencies.get(middle)! : short;
        return (weight * frequency) / (frequency + base + perToken * lengths[place]!);
      }
      if (found < place) low = middle + 1;
      else high = middle - 1;
    }
    return 0;
  }

  score(field: number, term: number, { weight, base, perToken }: TermWeight, into: Accumulator): void {
    const column = this.fields[field];
    if (column === undefined) return;
    const row = findAscending(column.terms, column.terms.length, term);
    if (row < 0) return;
    const { postings, lengths, longFrequencies } = column;
    const { scores, touched } = into;
    const end = column.offsets[row + 1]!;
    let touchedCount = into.touchedCount;
    for (let i = column.offsets[row]!; i < end; i += 1) {
      const posting = postings[i]!;
      const place = posting >>> 8;
      let frequency = posting & 255;
      if (frequency === LONG_FREQUENCY) frequency = longFrequencies.get(i)!;
      const before = scores[place]!;
      if (before === 0) {
        touched[touchedCount] = place;
        touchedCount += 1;
      }
      scores[place] = before + (weight * frequency) / (frequency + base + perToken * lengths[place]!);
    }
    into.touchedCount = touchedCount;
  }

  scoreFound(
    field: number,
    term: number,
    { weight, base, perToken }: TermWeight,
    required: number,
    into: Accumulator,
  ): void {
    const column = this.fields[field];
    if (column === undefined) return;
    const row = findAscending(column.terms, column.terms.length, term);
    if (row < 0) return;
    const { postings, lengths, longFrequencies } = column;
    const { scores, found } = into;
    const end = column.offsets[row + 1]!;
    for (let i = column.offsets[row]!; i < end; i += 1) {
      const posting = postings[i]!;
      const place = posting >>> 8;
      if (found[place] !== required) continue;
      let frequency = posting & 255;
      if (frequency === LONG_FREQUENCY) frequency = longFrequencies.get(i)!;
      scores[place]! += (weight * frequency) / (frequency + base + perToken * lengths[place]!);
    }
  }

  markFound(field: number, term: number, requirement: number, into: Accumulator): void {
    const column = this.fields[field];
    if (column === undefined) return;
    const row = findAscending(column.terms, column.terms.length, term);
    if (row < 0) return;
    const { postings } = column;
    const { found, touched } = into;
    const end = column.offsets[row + 1]!;
    for (let i = column.offsets[row]!; i < end; i += 1) {
      const place = postings[i]! >>> 8;
      if (found[place] !== requirement) continue;
      found[place] = requirement + 1;
      if (requirement === 0) {
        touched[into.touchedCount] = place;
        into.touchedCount += 1;
      }
    }
  }
}

/** The index of `value` in the first `length` of ascending `values`, or -1. */
export function findAscending(values: Uint32Array, length: number, value: number): number {
  let low = 0;
  let high = length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = values[middle]!;
    if (found === value) return middle;
    if (found < value) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
