/**
 * A posting says how often a term occurs in one document of a segment: 24 bits of the document's place in
 * the segment, 8 bits of term frequency, in one uint32: the scoring loop reads it with one load. A frequency
 * of 255 or more is written as 255 and stands in the segment's side table, by the posting's position.
 */

/** Places are 24 bits. */
export const SEGMENT_DOCUMENTS_MAX = 2 ** 24;

export const LONG_FREQUENCY = 255;

/** Frequencies of 255 and more by the position of their posting. */
export type LongFrequencies = ReadonlyMap<number, number>;

export function packPosting(place: number, frequency: number): number {
  return ((place << 8) | Math.min(frequency, LONG_FREQUENCY)) >>> 0;
}
