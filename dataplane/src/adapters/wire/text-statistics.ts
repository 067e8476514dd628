/** Statistics of text fields on the wire <-> in the domain. */
import type { FieldStatistics } from "@prism/proto/gen/node";
import type { TextStatistics } from "../../domain/shard-query.js";

export function toWireStatistics(field: string, statistics: TextStatistics): FieldStatistics {
  const terms = [...statistics.documentFrequency].map(([term, documentFrequency]) => ({
    term,
    documentFrequency,
  }));
  return { field, documents: statistics.documents, totalLength: statistics.totalLength, terms };
}

export function fromWireStatistics(fields: readonly FieldStatistics[]): Map<string, TextStatistics> {
  return new Map(
    fields.map(({ field, documents, totalLength, terms }) => [
      field,
      {
        documents,
        totalLength,
        documentFrequency: new Map(terms.map(({ term, documentFrequency }) => [term, documentFrequency])),
      },
    ]),
  );
}
