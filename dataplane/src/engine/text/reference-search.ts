/** The plainest BM25 there is, over whole documents: what the index must agree with. For tests. */
import { analyze, createAnalyzer } from "../../domain/analysis/analyzer.js";
import type { TextQuery } from "../../domain/shard-query.js";
import type { ParsedDocument } from "../parsed-document.js";
import type { TextField } from "./text-field-terms.js";

/** Score by document number, of the documents that match. */
export function referenceSearch(
  documents: ReadonlyMap<number, ParsedDocument>,
  fields: readonly TextField[],
  query: TextQuery,
): Map<number, number> {
  const scores = new Map<number, number>();
  const foundTerms = new Map<number, Set<string>>();
  const queryTerms = new Set<string>();
  for (const [name, boost] of Object.entries(query.fields)) {
    const analyzer = createAnalyzer(fields.find((field) => field.name === name)!.analyzer);
    const tokens = new Map<number, string[]>();
    for (const [doc, { text }] of documents) {
      const terms = (text.get(name) ?? []).flatMap((value) => analyze(analyzer, value));
      if (terms.length > 0) tokens.set(doc, terms);
    }
    const totalLength = [...tokens.values()].reduce((sum, terms) => sum + terms.length, 0);
    for (const term of analyze(analyzer, query.query)) {
      queryTerms.add(term);
      const df = [...tokens.values()].filter((terms) => terms.includes(term)).length;
      const idf = Math.log(1 + (tokens.size - df + 0.5) / (df + 0.5));
      for (const [doc, terms] of tokens) {
        const tf = terms.filter((other) => other === term).length;
        if (tf === 0) continue;
        const norm = 1.2 * (1 - 0.75 + (0.75 * terms.length) / (totalLength / tokens.size));
        scores.set(doc, (scores.get(doc) ?? 0) + (boost * idf * tf * 2.2) / (tf + norm));
        foundTerms.set(doc, (foundTerms.get(doc) ?? new Set()).add(term));
      }
    }
  }
  if (query.operator === "or") return scores;
  return new Map([...scores].filter(([doc]) => foundTerms.get(doc)!.size === queryTerms.size));
}
