/**
 * BM25 with the usual constants: the score of a term in a field of a document is
 *
 *   idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / averageLength))
 *   idf = ln(1 + (N - df + 0.5) / (df + 0.5))
 *
 * after S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009); the
 * 1 in the logarithm, which keeps the idf of very common terms above 0, is Lucene's (BM25Similarity).
 * All in float64 and with exact lengths: Lucene rounds lengths to one byte and, since 8.0, leaves out the
 * factor k1 + 1, which changes no order.
 */
import type { TextStatistics } from "../../domain/shard-query.js";

const K1 = 1.2;
const B = 0.75;

/** A score of 0 means "not found" to the accumulators: no weight may vanish, however small its boost. */
const WEIGHT_MIN = 1e-300;

/** A term's score in a document is `weight * tf / (tf + base + perToken * length)`. */
export interface TermWeight {
  readonly weight: number;
  readonly base: number;
  readonly perToken: number;
}

/** `repeats`: how often the query has the term. */
export function termWeight(
  { documents, totalLength, documentFrequency }: TextStatistics,
  term: string,
  boost: number,
  repeats: number,
): TermWeight {
  const frequency = documentFrequency.get(term) ?? 0;
  const weight = boost * repeats * (K1 + 1) * inverseDocumentFrequency(documents, frequency);
  return {
    weight: Math.max(weight, WEIGHT_MIN),
    base: K1 * (1 - B),
    perToken: totalLength > 0 ? (K1 * B * documents) / totalLength : 0,
  };
}

function inverseDocumentFrequency(documents: number, frequency: number): number {
  // Statistics merged from copies at different points may have a term in more documents than there are.
  return Math.log(1 + (Math.max(documents - frequency, 0) + 0.5) / (frequency + 0.5));
}
