/**
 * What a segment knows of a term that stands in a large part of its documents: which ones, as bits by
 * place, and the most the term can add to a score. Searches pass such terms over when they cannot
 * matter (see pruned-search.ts) and need no more than this of them then.
 */
import type { TermWeight } from "./bm25.js";
import { LONG_FREQUENCY } from "./posting.js";
import type { FieldPostings } from "./segment.js";

/** A bit for each place costs less than a posting for every 32nd of them. */
const DENSE_SHARE = 1 / 16;
/** Segments below this are searched in no time anyway. */
const SEGMENT_DOCUMENTS_MIN = 2048;

export interface DenseTerm {
  readonly postings: number;
  /** One bit per place of the segment. */
  readonly places: Uint32Array;
  /**
   * Pairs of a frequency and the length of the shortest field that has it: whatever the weights, no
   * posting of the term scores more than the best of these (impacts: Ding and Suel, "Faster Top-k
   * Document Retrieval Using Block-Max Indexes", SIGIR 2011).
   */
  readonly impacts: readonly { readonly frequency: number; readonly length: number }[];
}

export function isDense(postings: number, documents: number): boolean {
  return documents >= SEGMENT_DOCUMENTS_MIN && postings >= documents * DENSE_SHARE;
}

/** Of the term at `row`. */
export function denseTermOf(column: FieldPostings, row: number, documents: number): DenseTerm {
  const { postings, offsets, lengths, longFrequencies } = column;
  const places = new Uint32Array((documents + 31) >>> 5);
  const shortest = new Map<number, number>();
  const end = offsets[row + 1]!;
  for (let i = offsets[row]!; i < end; i += 1) {
    const posting = postings[i]!;
    const place = posting >>> 8;
    places[place >>> 5]! |= 1 << (place & 31);
    const frequency = (posting & 255) === LONG_FREQUENCY ? longFrequencies.get(i)! : posting & 255;
    const length = lengths[place]!;
    const known = shortest.get(frequency);
    if (known === undefined || length < known) shortest.set(frequency, length);
  }
  return {
    postings: end - offsets[row]!,
    places,
    impacts: Array.from(shortest, ([frequency, length]) => ({ frequency, length })),
  };
}

/** The formula of Segment.score, so that rounding goes the same way and no score is above it. */
export function highestScore(term: DenseTerm, { weight, base, perToken }: TermWeight): number {
  let highest = 0;
  for (const { frequency, length } of term.impacts) {
    highest = Math.max(highest, (weight * frequency) / (frequency + base + perToken * length));
  }
  return highest;
}
