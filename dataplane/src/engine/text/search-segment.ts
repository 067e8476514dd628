/** Answers a planned query on one segment after the other, term by term. */
import type { Accumulator } from "./accumulator.js";
import { collect, type MatchSink } from "./match-sink.js";
import type { QueryPlan } from "./query-plan.js";
import { searchPruned } from "./pruned-search.js";
import { Segment, type SearchableSegment } from "./segment.js";

/** How many documents of the segment match. */
export function searchSegment(
  segment: SearchableSegment,
  plan: QueryPlan,
  accumulator: Accumulator,
  sink: MatchSink,
): number {
  if (plan.requirements === undefined) {
    const found = segment instanceof Segment ? searchPruned(segment, plan, accumulator, sink) : undefined;
    if (found !== undefined) return found;
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
