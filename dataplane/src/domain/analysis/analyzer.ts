/**
 * Analyzers turn text into terms: the same way for documents and queries, or nothing would be found.
 * A change of what an analyzer gives is a change of the index format: saved indexes hold its terms.
 *
 * - `standard`: the words of `segmentWords`, as they are.
 * - `english`: the same words, each through `englishTerm`.
 * - `keyword`: the whole value as one term, unchanged; the empty value has none.
 */
import { englishTerm } from "./english-term.js";
import { segmentWords } from "./word-segmentation.js";

export type AnalyzerName = "standard" | "english" | "keyword";

export interface Analyzer {
  /** The pieces of the text that become at most one term each, in order. */
  words(text: string): string[];
  /** The term of one of `words`; undefined when the analyzer drops it. */
  term(word: string): string | undefined;
}

/** Distinct words whose stems are kept. Stemming costs about 1 us, and most words of a text are frequent ones. */
const STEM_CACHE_WORDS = 65_536;

export function createAnalyzer(name: AnalyzerName): Analyzer {
  switch (name) {
    case "standard":
      return { words: segmentWords, term: (word) => word };
    case "english":
      return { words: segmentWords, term: remember(englishTerm, STEM_CACHE_WORDS) };
    case "keyword":
      return { words: (text) => (text === "" ? [] : [text]), term: (word) => word };
  }
}

/** The terms of a text in order, with repetitions. */
export function analyze(analyzer: Analyzer, text: string): string[] {
  const terms: string[] = [];
  for (const word of analyzer.words(text)) {
    const term = analyzer.term(word);
    if (term !== undefined) terms.push(term);
  }
  return terms;
}

function remember(
  compute: (word: string) => string | undefined,
  capacity: number,
): (word: string) => string | undefined {
  const known = new Map<string, string | undefined>();
  return (word) => {
    const term = known.get(word);
    if (term !== undefined || known.has(word)) return term;
    const computed = compute(word);
    if (known.size >= capacity) known.clear();
    known.set(word, computed);
    return computed;
  };
}
