/**
 * Graph or exact scan? By estimated cost, in microseconds of one core. Only the proportions matter: they
 * are measured at 16 to 512 dimensions, and being wrong by half moves the choice where both cost the same.
 */
import { GRAPH_RESULTS_MAX } from "../../adapters/usearch/graph-index.js";
import type { VectorMetric } from "./similarity.js";

export interface SearchPlanInput {
  readonly metric: VectorMetric;
  readonly dimensions: number;
  /** Hits wanted, at least 1. */
  readonly size: number;
  readonly candidates: number;
  /** Documents in the graph. */
  readonly graphSize: number;
  /** Documents that may be hits. */
  readonly accepted: number;
  /** Documents that have the field. */
  readonly documents: number;
}

/** A graph answers wide searches badly: above this share of it, scanning is no dearer and exact. */
const GRAPH_SHARE_MAX = 0.5;

/**
 * Accepted results are spread over the whole list, whose far end is the least certain: asking for several
 * times the expected number keeps the wanted ones at the near end. Inner products of vectors of unequal
 * length are no metric and the graph walks them worse; with a margin of 2, recall falls to 0.85 where one in
 * five documents passes.
 */
const FILTER_MARGIN: Readonly<Record<VectorMetric, number>> = { cosine: 4, l2: 4, dot: 10 };

/** Each wider search asks for this many times the results. */
export const WIDENING = 4;

/** How many results the graph is asked for first, or undefined: scan the accepted documents. */
export function planGraphResults(input: SearchPlanInput): number | undefined {
  const expected = (input.size * input.documents) / Math.max(1, input.accepted);
  const isFiltered = input.accepted < input.documents;
  const results = Math.ceil(
    Math.max(input.size, input.candidates, isFiltered ? FILTER_MARGIN[input.metric] * expected : 0),
  );
  return isGraphWorth(results, input) ? results : undefined;
}

/** Is a graph search for `results` cheaper than scanning the accepted documents? */
export function isGraphWorth(results: number, input: SearchPlanInput): boolean {
  if (results > GRAPH_RESULTS_MAX || results > input.graphSize * GRAPH_SHARE_MAX) return false;
  return graphCostUs(results, input.dimensions) < scanCostUs(input.accepted, input.dimensions);
}

/** Steps through the upper layers, then one expansion per result, and a sorted list of them to insert into. */
function graphCostUs(results: number, dimensions: number): number {
  return (0.5 + dimensions / 256) * (150 + 1.2 * results) + 0.0015 * results * results;
}

/** Mostly cache misses: the rows of a filter lie anywhere. */
function scanCostUs(rows: number, dimensions: number): number {
  return rows * (0.04 + dimensions * 0.0025);
}
