/**
 * Best hits of an `or` query without scoring its most common terms (MaxScore: Turtle and Flood, "Query
 * evaluation: strategies and optimizations", 1995): once enough documents score more than the common
 * terms can give together, a document with none but those is no hit, and of the others few can be.
 * Which documents match comes from bits; so totals stay exact.
 */
import { Bitmap } from "../bitmap.js";
import type { Accumulator } from "./accumulator.js";
import { highestScore, type DenseTerm } from "./dense-term.js";
import type { QueryPlan, WeightedTerm } from "./query-plan.js";
import { ScoreThreshold } from "./score-threshold.js";
import { collect, type MatchSink } from "./match-sink.js";
import type { Segment } from "./segment.js";

/** A document's score is summed in the order of the query, a part of it in another: they differ in the last bits. */
const SLACK = 1 - 1e-9;

/** Working out the score of one document costs as much as scoring this many postings in a row. */
const POSTINGS_PER_CANDIDATE = 40;

interface CommonTerm {
  readonly weighted: WeightedTerm;
  readonly dense: DenseTerm;
  readonly highest: number;
}

/** A term of the query, with its bits if it was passed over. */
interface Part {
  readonly weighted: WeightedTerm;
  readonly dense?: DenseTerm;
}

/** How many documents match; undefined, with nothing done, when no term can be passed over. */
export function searchPruned(
  segment: Segment,
  plan: QueryPlan,
  accumulator: Accumulator,
  sink: MatchSink,
): number | undefined {
  const scored: WeightedTerm[] = [];
  const common: CommonTerm[] = [];
  for (const weighted of plan.terms) {
    const dense = segment.denseTerm(weighted.field, weighted.term);
    if (dense === undefined) scored.push(weighted);
    else common.push({ weighted, dense, highest: highestScore(dense, weighted.weight) });
  }
  if (common.length === 0 || plan.terms.length === 1) return undefined;
  common.sort((a, b) => b.highest - a.highest);
  // What other segments gave tells which terms must be scored; without that, all but the least are tried.
  const known = sink.best.threshold * SLACK;
  while (common.length > 1 && sumOf(common) >= known) scored.push(common.shift()!.weighted);
  const left = sumOf(common);
  if (known !== -Infinity && left >= known) return undefined;
  accumulator.prepare(segment.documents);
  for (const { field, term, weight } of scored) segment.score(field, term, weight, accumulator);
  const least = known === -Infinity ? leastOf(segment, accumulator, sink) : known;
  const candidates = left < least ? candidatesOf(accumulator, least - left, common) : undefined;
  if (candidates !== undefined) {
    offerCandidates(segment, plan, accumulator, { candidates, common, left }, sink);
    const matching = matchingPlaces(segment, accumulator, common);
    accumulator.clear();
    return takeMatches(segment, matching, sink);
  }
  if (plan.terms.length === 2) {
    // The sum of two is the same in any order.
    const { field, term, weight } = common[0]!.weighted;
    segment.score(field, term, weight, accumulator);
    return collect(segment, accumulator, sink);
  }
  accumulator.clear();
  return undefined;
}

function sumOf(common: readonly CommonTerm[]): number {
  return common.reduce((sum, { highest }) => sum + highest, 0);
}

/** What a document must score at least to be a hit, by what is scored of this segment. */
function leastOf(
  { docs, removed }: Segment,
  { scores, touched, touchedCount }: Accumulator,
  { accept, best }: MatchSink,
): number {
  const threshold = new ScoreThreshold(best.size);
  for (let i = 0; i < touchedCount; i += 1) {
    const place = touched[i]!;
    if (scores[place]! <= threshold.value) continue;
    if (removed.has(place) || accept?.has(docs[place]!) === false) continue;
    threshold.offer(scores[place]!);
  }
  return threshold.value * SLACK;
}

/** Places that may score enough; undefined when scoring what is left of all costs less than working them out. */
function candidatesOf(
  { scores, touched, touchedCount }: Accumulator,
  least: number,
  common: readonly CommonTerm[],
): number[] | undefined {
  const postings = common.reduce((sum, { dense }) => sum + dense.postings, 0);
  const most = postings / POSTINGS_PER_CANDIDATE;
  const candidates: number[] = [];
  for (let i = 0; i < touchedCount; i += 1) {
    const place = touched[i]!;
    if (scores[place]! < least) continue;
    if (candidates.length >= most) return undefined;
    candidates.push(place);
  }
  return candidates;
}

function offerCandidates(
  segment: Segment,
  plan: QueryPlan,
  { scores }: Accumulator,
  found: {
    readonly candidates: readonly number[];
    readonly common: readonly CommonTerm[];
    readonly left: number;
  },
  sink: MatchSink,
): void {
  const parts = plan.terms.map(
    (term): Part => found.common.find(({ weighted }) => weighted === term) ?? { weighted: term },
  );
  for (const place of found.candidates) {
    if (scores[place]! + found.left >= sink.best.threshold * SLACK) offer(segment, parts, place, sink);
  }
}

/** `parts` are the query's terms in its order, for the score to be the sum that it always is. */
function offer(segment: Segment, parts: readonly Part[], place: number, { accept, best }: MatchSink): void {
  const doc = segment.docs[place]!;
  if (segment.removed.has(place) || accept?.has(doc) === false) return;
  let score = 0;
  for (const { weighted, dense } of parts) {
    if (dense !== undefined && (dense.places[place >>> 5]! & (1 << (place & 31))) === 0) continue;
    score += segment.scoreOf(weighted.field, weighted.term, weighted.weight, place);
  }
  best.offer(doc, score);
}

/** Those scored and those of the terms passed over, without removed ones. */
function matchingPlaces(segment: Segment, accumulator: Accumulator, common: readonly CommonTerm[]): Bitmap {
  const [first, ...others] = common;
  const matching = new Bitmap();
  matching.words = first!.dense.places.slice();
  const { words } = matching;
  for (const { dense } of others) {
    for (let i = 0; i < words.length; i += 1) words[i]! |= dense.places[i]!;
  }
  const { touched, touchedCount } = accumulator;
  for (let i = 0; i < touchedCount; i += 1) words[touched[i]! >>> 5]! |= 1 << (touched[i]! & 31);
  const { bits, count } = segment.removed;
  if (count > 0) for (let i = 0; i < words.length; i += 1) words[i]! &= ~bits[i]!;
  return matching;
}

/** Of the places those whose documents are accepted go to the sink. Returns how many they are. */
function takeMatches(segment: Segment, places: Bitmap, { accept, matches }: MatchSink): number {
  if (accept === undefined && matches === undefined) return places.count();
  const { docs } = segment;
  const first = docs[0]!;
  if (docs[docs.length - 1]! - first === docs.length - 1) {
    const members = places.shifted(first);
    if (accept !== undefined) members.and(accept);
    matches?.or(members);
    return members.count();
  }
  let total = 0;
  places.forEach((place) => {
    const doc = docs[place]!;
    if (accept !== undefined && !accept.has(doc)) return;
    total += 1;
    matches?.add(doc);
  });
  return total;
}
