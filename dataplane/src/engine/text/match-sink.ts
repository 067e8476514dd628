/** Where a search puts what it finds in a segment. */
import type { Bitmap } from "../bitmap.js";
import type { Accumulator } from "./accumulator.js";
import type { BestHits } from "./best-hits.js";
import type { SearchableSegment } from "./segment.js";

export interface MatchSink {
  /** Only these documents count; undefined: all. */
  readonly accept: Bitmap | undefined;
  readonly matches: Bitmap | undefined;
  readonly best: BestHits;
}

/** Hands the scored documents that count to the sink and leaves the accumulator clean. */
export function collect(segment: SearchableSegment, accumulator: Accumulator, sink: MatchSink): number {
  const { scores, touched, touchedCount } = accumulator;
  const { docs, removed } = segment;
  const { accept, matches, best } = sink;
  const hasRemoved = removed.count > 0;
  if (!hasRemoved && accept === undefined && matches === undefined)
    return collectAll(docs, accumulator, best);
  let total = 0;
  let threshold = best.threshold;
  for (let i = 0; i < touchedCount; i += 1) {
    const place = touched[i]!;
    const score = scores[place]!;
    scores[place] = 0;
    if (hasRemoved && removed.has(place)) continue;
    if (accept !== undefined && !accept.has(docs[place]!)) continue;
    total += 1;
    if (matches !== undefined) matches.add(docs[place]!);
    if (score < threshold) continue;
    best.offer(docs[place]!, score);
    threshold = best.threshold;
  }
  accumulator.touchedCount = 0;
  return total;
}

/** Where every scored document counts, and is only to be compared. */
function collectAll(docs: Uint32Array, accumulator: Accumulator, best: BestHits): number {
  const { scores, touched, touchedCount } = accumulator;
  let threshold = best.threshold;
  for (let i = 0; i < touchedCount; i += 1) {
    const place = touched[i]!;
    const score = scores[place]!;
    scores[place] = 0;
    if (score < threshold) continue;
    best.offer(docs[place]!, score);
    threshold = best.threshold;
  }
  accumulator.touchedCount = 0;
  return touchedCount;
}
