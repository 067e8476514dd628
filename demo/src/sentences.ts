/**
 * Cuts running English prose into sentences. Where a full stop may stand for an abbreviation the sentence
 * goes on: two sentences taken for one do no harm here, one cut at "Mr." reads badly.
 */

/** Written with a full stop inside a sentence, before a capital letter. */
const ABBREVIATIONS = new Set(
  (
    "mr mrs ms dr st no nos gen col capt lieut lt maj sgt adm gov sen rep hon messrs rev prof jr sr co corp inc ltd " +
    "vs viz etc art arts sec secs ch chap vol p pp fig cf al dept ft mt ave jan feb mar apr jun jul aug sept oct nov dec"
  ).split(" "),
);

/** A full stop and what may close behind it; then a space and what may begin a sentence. */
const SENTENCE_END = /[.!?]+["'”’)\]]*(?= +["'“‘([]*[A-Z0-9])/g;

const LAST_WORD = /([A-Za-z.]+)$/;

/** The sentences of a text, in order; joined by spaces they are the text with its white space made single. */
export function splitSentences(text: string): string[] {
  const plain = text.replaceAll(/\s+/g, " ").trim();
  const sentences: string[] = [];
  let start = 0;
  for (const match of plain.matchAll(SENTENCE_END)) {
    const end = match.index + match[0].length;
    if (match[0].startsWith(".") && isAbbreviation(plain.slice(start, match.index))) continue;
    sentences.push(plain.slice(start, end));
    start = end + 1;
  }
  if (start < plain.length) sentences.push(plain.slice(start));
  return sentences;
}

function isAbbreviation(before: string): boolean {
  const word = LAST_WORD.exec(before)?.[1];
  if (word === undefined) return false;
  // Initials ("U", "D") and dotted ones ("U.S", "D.C").
  if (word.length === 1 || word.includes(".")) return word !== "I";
  return ABBREVIATIONS.has(word.toLowerCase());
}
