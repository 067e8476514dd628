/**
 * Cuts speeches into passages of a few sentences and chooses some of them, the same ones on every machine.
 * Pure.
 */
import { splitSentences } from "./sentences.js";

export interface Speech {
  readonly year: number;
  readonly president: string;
  readonly party: string;
  readonly text: string;
}

export interface Passage {
  /** "<year>-<president>-<number of the passage in its speech>". */
  readonly id: string;
  readonly title: string;
  readonly body: string;
  readonly president: string;
  readonly party: string;
  readonly year: number;
}

/** A passage ends with the sentence that brings it to this length. */
const ENOUGH_WORDS = 50;
/** Longer sentences, such as lists read into the record, are cut at a semicolon, a comma, or anywhere. */
const SENTENCE_WORDS_MAX = 100;
/** What is left at the end of a speech and shorter than this belongs to the passage before. */
const REST_WORDS_MIN = 20;

/** The bodies of a text's passages, in order; joined by spaces they are the whole text. */
export function cutPassages(text: string): string[] {
  const passages: string[] = [];
  let parts: string[] = [];
  let words = 0;
  for (const sentence of splitSentences(text).flatMap(cutLongSentence)) {
    parts.push(sentence);
    words += countWords(sentence);
    if (words < ENOUGH_WORDS) continue;
    passages.push(parts.join(" "));
    parts = [];
    words = 0;
  }
  if (parts.length === 0) return passages;
  const before = words < REST_WORDS_MIN ? passages.pop() : undefined;
  passages.push(before === undefined ? parts.join(" ") : `${before} ${parts.join(" ")}`);
  return passages;
}

/** All passages of the speeches, in the order of the speeches, one list for each. */
export function passagesOf(speeches: readonly Speech[]): Passage[][] {
  return speeches.map(({ year, president, party, text }) => {
    const speaker = president.toLowerCase().replaceAll(" ", "-");
    const title = `State of the Union ${year}, ${president}`;
    return cutPassages(text).map((body, i) => ({
      id: `${year}-${speaker}-${i + 1}`,
      title,
      body,
      president,
      party,
      year,
    }));
  });
}

/**
 * `wanted` passages, as many of each speech as of any other while it has enough, evenly spaced within the
 * speech; all passages when there are no more than that. They come in rounds, one of each speech a round,
 * and the speeches of a round from all over the list, so that however few are loaded they are of all times.
 */
export function choosePassages(speeches: readonly (readonly Passage[])[], wanted: number): Passage[] {
  const order = spreadOrder(speeches.length).map((i) => speeches[i]!);
  const quotas = shareOut(
    order.map((passages) => passages.length),
    wanted,
  );
  const chosen: Passage[] = [];
  for (let round = 0; round < Math.max(0, ...quotas); round += 1) {
    for (const [i, passages] of order.entries()) {
      const quota = quotas[i]!;
      if (round < quota) chosen.push(passages[Math.floor(((round + 0.5) * passages.length) / quota)]!);
    }
  }
  return chosen;
}

/**
 * The numbers below `count`, each once, any first few of them spread evenly: steps of the golden section
 * (Fibonacci hashing; Knuth, The Art of Computer Programming, volume 3, section 6.4).
 */
function spreadOrder(count: number): number[] {
  let step = Math.max(1, Math.round(count * 0.618));
  while (greatestCommonDivisor(step, count) > 1) step += 1;
  return Array.from({ length: count }, (_, i) => (i * step) % count);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Equal shares of `wanted`, none above what is there; what does not divide goes to the first. */
function shareOut(available: readonly number[], wanted: number): number[] {
  const shares = available.map(() => 0);
  let left = wanted;
  for (;;) {
    const open = shares.flatMap((share, i) => (share < available[i]! ? [i] : []));
    if (left === 0 || open.length === 0) return shares;
    const each = Math.max(1, Math.floor(left / open.length));
    for (const i of open) {
      const more = Math.min(each, available[i]! - shares[i]!, left);
      shares[i]! += more;
      left -= more;
    }
  }
}

function cutLongSentence(sentence: string): string[] {
  const words = sentence.split(" ");
  const pieces: string[] = [];
  let start = 0;
  while (words.length - start > SENTENCE_WORDS_MAX) {
    const end = findCut(words, start);
    pieces.push(words.slice(start, end).join(" "));
    start = end;
  }
  pieces.push(words.slice(start).join(" "));
  return pieces;
}

/** Index behind the last word that may end a piece, never more than SENTENCE_WORDS_MAX words on. */
function findCut(words: readonly string[], start: number): number {
  const end = start + SENTENCE_WORDS_MAX;
  for (const mark of [";", ","]) {
    // Not in the first half: a short piece before a long one says nothing.
    for (let i = end - 1; i > start + SENTENCE_WORDS_MAX / 2; i -= 1) {
      if (words[i]!.endsWith(mark)) return i + 1;
    }
  }
  return end;
}

function countWords(text: string): number {
  return text.split(" ").length;
}
