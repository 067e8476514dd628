/** Text statistics of all shards in one, so that a term weighs the same on every shard. */
import type { FieldStatistics } from "@prism/proto/gen/node";

interface Totals {
  documents: number;
  totalLength: number;
  readonly frequencies: Map<string, number>;
}

/**
 * `shards[i]` is one shard's answer. It may name a field several times (once per query that uses
 * it): its documents count once, its terms are united.
 */
export function mergeStatistics(shards: readonly (readonly FieldStatistics[])[]): FieldStatistics[] {
  const sums = new Map<string, Totals>();
  for (const shard of shards) {
    for (const [field, part] of totalsByField(shard)) {
      const sum = sums.get(field);
      if (sum === undefined) sums.set(field, part);
      else add(sum, part);
    }
  }
  return Array.from(sums, ([field, { documents, totalLength, frequencies }]) => ({
    field,
    documents,
    totalLength,
    terms: Array.from(frequencies, ([term, documentFrequency]) => ({ term, documentFrequency })),
  }));
}

function totalsByField(shard: readonly FieldStatistics[]): Map<string, Totals> {
  const byField = new Map<string, Totals>();
  for (const { field, documents, totalLength, terms } of shard) {
    const totals = byField.get(field) ?? { documents, totalLength, frequencies: new Map() };
    for (const { term, documentFrequency } of terms) totals.frequencies.set(term, documentFrequency);
    byField.set(field, totals);
  }
  return byField;
}

function add(sum: Totals, part: Totals): void {
  sum.documents += part.documents;
  sum.totalLength += part.totalLength;
  for (const [term, frequency] of part.frequencies) {
    sum.frequencies.set(term, (sum.frequencies.get(term) ?? 0) + frequency);
  }
}
