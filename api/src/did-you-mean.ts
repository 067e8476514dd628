/**
 * The nearest known word to a mistyped one.
 *
 * Distance: optimal string alignment, the restricted form of Damerau-Levenshtein (insert, delete,
 * replace, swap of neighbours, no piece edited twice). F. Damerau, "A technique for computer detection
 * and correction of spelling errors", CACM 7(3), 1964.
 */

/** Longer words are no typos of ours; the bound keeps a hostile key from costing quadratic time. */
const LONGEST_WORD = 64;

/**
 * The distance, or any number above `bound` once it is known to be above: only the cells within `bound`
 * of the diagonal are computed (E. Ukkonen, "Algorithms for approximate string matching", 1985).
 */
export function editDistance(a: string, b: string, bound: number = Math.max(a.length, b.length)): number {
  const beyond = bound + 1;
  if (Math.abs(a.length - b.length) > bound) return beyond;
  const width = b.length + 1;
  let beforePrevious = new Uint16Array(width).fill(beyond);
  let previous = Uint16Array.from({ length: width }, (_, j) => Math.min(j, beyond));
  let current = new Uint16Array(width).fill(beyond);
  for (let i = 1; i <= a.length; i += 1) {
    const from = Math.max(1, i - bound);
    const to = Math.min(b.length, i + bound);
    // Cells beside the band hold what an older row left there.
    current[from - 1] = from === 1 ? Math.min(i, beyond) : beyond;
    if (to < b.length) current[to + 1] = beyond;
    for (let j = from; j <= to; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1), beyond);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, beforePrevious[j - 2]! + 1);
      }
      current[j] = best;
    }
    [beforePrevious, previous, current] = [previous, current, beforePrevious];
  }
  return previous[b.length]!;
}

/**
 * The known word nearest to `word`, ignoring case; undefined when none is near: at most one edit in
 * words up to five letters, two up to eight, three above.
 */
export function didYouMean(word: string, known: Iterable<string>): string | undefined {
  if (word.length === 0 || word.length > LONGEST_WORD) return undefined;
  const lower = word.toLowerCase();
  const allowed = word.length <= 5 ? 1 : word.length <= 8 ? 2 : 3;
  let nearest: string | undefined;
  let nearestDistance = allowed + 1;
  let nearestPrefix = -1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) > nearestDistance) continue;
    const distance = editDistance(lower, candidate.toLowerCase(), allowed);
    // A word of which nothing remains is no likeness: "a" is one edit from "b".
    if (distance > allowed || distance >= Math.max(word.length, candidate.length)) continue;
    // Of equally near words the one that begins alike: "node" means "nodes", not "mode".
    const prefix = commonPrefix(lower, candidate.toLowerCase());
    if (distance > nearestDistance || (distance === nearestDistance && prefix <= nearestPrefix)) continue;
    nearest = candidate;
    nearestDistance = distance;
    nearestPrefix = prefix;
  }
  return nearest;
}

function commonPrefix(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}

/** ` (did you mean "x"?)`, or "" when nothing is near: to be put behind what was wrong. */
export function hint(word: string, known: Iterable<string>): string {
  const nearest = didYouMean(word, known);
  return nearest === undefined ? "" : ` (did you mean "${nearest}"?)`;
}
