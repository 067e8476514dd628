/**
 * Which segments to merge next. Levels grow by a factor of eight in postings, as in Lucene's
 * LogMergePolicy: eight neighbours of one level become one. Only neighbours are merged, so that
 * document numbers stay ascending from segment to segment and merging need not sort.
 */
import { SEGMENT_DOCUMENTS_MAX } from "./posting.js";

export interface SegmentSize {
  readonly documents: number;
  readonly removedDocuments: number;
  readonly postings: number;
}

/** `from` up to but without `to`. */
export interface SegmentRun {
  readonly from: number;
  readonly to: number;
}

const MERGE_FACTOR = 8;
/** Up to here all segments are on the lowest level. */
const LOWEST_LEVEL_POSTINGS = 2 ** 17;
/** 512 MB: above it, a merge costs more than the few searches of another segment. */
const MERGED_POSTINGS_MAX = 2 ** 27;
/** A segment with at least this share of removed documents is written anew. */
const REMOVED_SHARE_MAX = 1 / 3;

export function planMerge(segments: readonly SegmentSize[]): SegmentRun | undefined {
  return findWasteful(segments) ?? findRun(segments);
}

function findWasteful(segments: readonly SegmentSize[]): SegmentRun | undefined {
  const from = segments.findIndex(
    ({ documents, removedDocuments }) =>
      removedDocuments > 0 && removedDocuments >= documents * REMOVED_SHARE_MAX,
  );
  return from < 0 ? undefined : { from, to: from + 1 };
}

/** Smaller segments between those of a level go with them, but only whole levels make a merge due. */
function findRun(segments: readonly SegmentSize[]): SegmentRun | undefined {
  const levels = segments.map(levelOf);
  for (let level = 0; level <= Math.max(...levels); level += 1) {
    let members: number[] = [];
    for (const [i, other] of levels.entries()) {
      if (other > level) members = [];
      if (other !== level) continue;
      members.push(i);
      if (members.length < MERGE_FACTOR) continue;
      const run = { from: members.at(-MERGE_FACTOR)!, to: i + 1 };
      if (fits(segments.slice(run.from, run.to))) return run;
    }
  }
  return undefined;
}

function levelOf({ postings }: SegmentSize): number {
  let level = 0;
  for (let limit = LOWEST_LEVEL_POSTINGS; postings > limit; limit *= MERGE_FACTOR) level += 1;
  return level;
}

function fits(run: readonly SegmentSize[]): boolean {
  let postings = 0;
  let documents = 0;
  for (const segment of run) {
    postings += segment.postings;
    documents += segment.documents;
  }
  return postings <= MERGED_POSTINGS_MAX && documents <= SEGMENT_DOCUMENTS_MAX;
}
