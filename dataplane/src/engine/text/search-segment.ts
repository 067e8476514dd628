/** Answers a planned query on one segment after the other, term by term. */
import type { Bitmap } from "../bitmap.js";
import type { Accumulator } from "./accumulator.js";
import type { BestHits } from "./best-hits.js";
import type { QueryPlan } from "./query-plan.js";
import type { SearchableSegment } from "./segment.js";

/** Where a segment's matches go. */
export interface MatchSink {
  /** Only these documents count; undefined: all. */
  readonly accept: Bitmap | undefined;
  readonly matches: Bitmap | undefined;
  readonly best: BestHits;
}

/** How many documents of the segment match. */
export function searchSegment(
  segment: SearchableSegment,
  plan: QueryPlan,
  accumulator: Accumulator,
  sink: MatchSink,
): number {
  if (plan.requirements === undefined) {
    accumulator.prepare(segment.documents);
    for (const { field, term, weight } of plan.terms) segment.score(field, term, weight, accumulator);
    return collect(segment, accumulator, sink);
  }
  const required = plan.requirements.length;
  if (required === 0 || plan.requirements.some((alternatives) => alternatives.length === 0)) return 0;
  accumulator.prepare(segment.documents);
  for (const [requirement, alternatives] of plan.requirements.entries()) {
    for (const { field, term } of alternatives) segment.markFound(field, term, requirement, accumulator);
    if (accumulator.touchedCount === 0) return 0;
  }
  for (const { field, term, weight } of plan.terms) {
    segment.scoreFound(field, term, weight, required, accumulator);
  }
  return collectFound(segment, required, accumulator, sink);
}

/** Drops candidates that lack a requirement, then collects the others. */
function collectFound(
  segment: SearchableSegment,
  required: number,
  accumulator: Accumulator,
  sink: MatchSink,
): number {
  const { found, touched } = accumulator;
  let kept = 0;
  for (let i = 0; i < accumulator.touchedCount; i += 1) {
    const place = touched[i]!;
    if (found[place] === required) {
      touched[kept] = place;
      kept += 1;
    }
    found[place] = 0;
  }
  accumulator.touchedCount = kept;
  return collect(segment, accumulator, sink);
}

/** Hands the scored documents that count to the sink and leaves the accumulator clean. */
function collect(segment: SearchableSegment, accumulator: Accumulator, sink: MatchSink): number {
  const { scores, touched, touchedCount } = accumulator;
  const { docs, removed } = segment;
  const { accept, matches, best } = sink;
  const hasRemoved = removed.count > 0;
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
