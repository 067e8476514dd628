/**
 * Graph or exact scan? By estimated cost, in microseconds of one core. Only the proportions matter: they
 * are measured at 8 to 512 dimensions, and being wrong by half moves the choice where both cost the same.
 */
import { GRAPH_RESULTS_MAX } from "../../adapters/usearch/graph-index.js";

export interface SearchPlanInput {
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
 * Accepted results are spread over the list, whose far end is the least certain: asking for twice the
 * expected number keeps the wanted ones in the near half.
 */
const FILTER_MARGIN = 2;

/** Each wider search asks for this many times the results. */
export const WIDENING = 4;

/** How many results the graph is asked for first, or undefined: scan the accepted documents. */
export function planGraphResults(input: SearchPlanInput): number | undefined {
  const expected = (input.size * input.documents) / Math.max(1, input.accepted);
  const isFiltered = input.accepted < input.documents;
  const results = Math.ceil(
    Math.max(input.size, input.candidates, isFiltered ? FILTER_MARGIN * expected : 0),
  );
  return isGraphWorth(results, input) ? results : undefined;
}

/** Is a graph search for `results` cheaper than scanning the accepted documents? */
export function isGraphWorth(results: number, input: SearchPlanInput): boolean {
  if (results > GRAPH_RESULTS_MAX || results > input.graphSize * GRAPH_SHARE_MAX) return false;
  return graphCostUs(results, input.dimensions) < scanCostUs(input.accepted, input.dimensions);
}

function graphCostUs(results: number, dimensions: number): number {
  return 10 + Math.max(64, results) * (1.2 + dimensions * 0.013);
}

function scanCostUs(rows: number, dimensions: number): number {
  return rows * (0.03 + dimensions * 0.0013);
}
