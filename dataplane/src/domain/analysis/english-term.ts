/**
 * From a word to its English term: possessive `'s` off, stop words dropped, then Porter's stemmer
 * (M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980) on words of a-z alone;
 * words with digits, apostrophes or other letters stay as they are.
 */
import { stemmer } from "stemmer";

/** Lucene's default English stop words. */
const STOP_WORDS: ReadonlySet<string> = new Set(
  (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there " +
    "these they this to was will with"
  ).split(" "),
);

const STEMMABLE = /^[a-z]+$/;

/** Expects a lower-case word of `segmentWords`; undefined for a stop word. */
export function englishTerm(word: string): string | undefined {
  const base = word.endsWith("'s") ? word.slice(0, -2) : word;
  if (STOP_WORDS.has(base)) return undefined;
  return STEMMABLE.test(base) ? stemmer(base) : base;
}
