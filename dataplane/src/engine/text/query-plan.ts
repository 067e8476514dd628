/**
 * A text query made ready for the segments: weights of its terms and, for `and`, what must be found.
 *
 * Under `and` every word of the query must be found, in any of the fields, each field in the form its analyzer
 * gives the word. Words that some field's analyzer drops (stop words) are required only if nothing else is
 * left; a `keyword` field that has the whole query as its value has every word of it.
 */
import type { TextQuery, TextStatistics } from "../../domain/shard-query.js";
import { termWeight, type TermWeight } from "./bm25.js";
import type { TextFieldTerms } from "./text-field-terms.js";

export interface FieldTerm {
  readonly field: number;
  readonly term: number;
}

export interface WeightedTerm extends FieldTerm {
  readonly weight: TermWeight;
}

export interface QueryPlan {
  /** In an order that depends on the query alone: shards then add scores in the same order, to the last bit. */
  readonly terms: readonly WeightedTerm[];
  /** Each is met by any of its terms; undefined for `or`. */
  readonly requirements: readonly (readonly FieldTerm[])[] | undefined;
}

interface AnalyzedField {
  readonly field: TextFieldTerms;
  readonly boost: number;
  readonly words: readonly string[];
  readonly terms: readonly (string | undefined)[];
}

export function planQuery(
  query: TextQuery,
  fields: ReadonlyMap<string, TextFieldTerms>,
  statistics: ReadonlyMap<string, TextStatistics> | undefined,
): QueryPlan {
  const analyzed: AnalyzedField[] = [];
  for (const [name, boost] of Object.entries(query.fields)) {
    const field = fields.get(name);
    if (field === undefined) continue;
    const words = field.analyzer.words(query.query);
    analyzed.push({ field, boost, words, terms: words.map((word) => field.analyzer.term(word)) });
  }
  return {
    terms: analyzed.flatMap((one) => weighTerms(one, statistics?.get(one.field.name))),
    requirements: query.operator === "and" ? planRequirements(analyzed) : undefined,
  };
}

function weighTerms(
  { field, boost, terms }: AnalyzedField,
  global: TextStatistics | undefined,
): WeightedTerm[] {
  const repeats = new Map<string, number>();
  for (const term of terms) {
    if (term !== undefined) repeats.set(term, (repeats.get(term) ?? 0) + 1);
  }
  const statistics = global ?? field.statistics(repeats.keys());
  const weighted: WeightedTerm[] = [];
  for (const [term, count] of repeats) {
    const id = field.dictionary.find(term);
    if (id === undefined) continue;
    weighted.push({ field: field.number, term: id, weight: termWeight(statistics, term, boost, count) });
  }
  return weighted;
}

function planRequirements(analyzed: readonly AnalyzedField[]): (readonly FieldTerm[])[] {
  const byWord = analyzed.filter(({ field }) => field.analyzerName !== "keyword");
  const whole = analyzed
    .filter(({ field }) => field.analyzerName === "keyword")
    .map(({ field, terms }) => ({ field, term: terms[0] }));
  const certain = new Map<string, readonly FieldTerm[]>();
  const doubtful = new Map<string, readonly FieldTerm[]>();
  for (const word of new Set(byWord.flatMap(({ words }) => words))) {
    const forms = byWord.map(({ field }) => ({ field, term: field.analyzer.term(word) }));
    const kept = forms.filter(({ term }) => term !== undefined);
    if (kept.length === 0) continue;
    // Words that come to the same terms are one requirement.
    const key = JSON.stringify(forms.map(({ term }) => term));
    (kept.length === forms.length ? certain : doubtful).set(key, findTerms([...kept, ...whole]));
  }
  if (certain.size > 0) return [...certain.values()];
  if (doubtful.size > 0) return [...doubtful.values()];
  return whole.length > 0 ? [findTerms(whole)] : [];
}

/** Those that the shard has. */
function findTerms(
  terms: readonly { readonly field: TextFieldTerms; readonly term: string | undefined }[],
): readonly FieldTerm[] {
  return terms.flatMap(({ field, term }) => {
    const id = term === undefined ? undefined : field.dictionary.find(term);
    return id === undefined ? [] : [{ field: field.number, term: id }];
  });
}
