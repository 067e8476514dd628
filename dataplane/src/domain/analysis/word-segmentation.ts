/**
 * Cuts text into lower-case words. A word starts with a letter or digit and goes on over letters, digits
 * and combining marks; single apostrophes between two of these belong to it (`don't`, `o'neil`, `90's`).
 * Every Han and Hiragana character is a word of its own, as in Unicode's UAX #29 word boundaries.
 * Everything else separates: unlike UAX #29 also `_`, `.` and `,`, so that `snake_case` and
 * `example.com` are found by their parts.
 *
 * Text is first brought to NFKC and lower-cased without a locale, so that canonically equal spellings,
 * full-width letters and ligatures are one; accents stay. `’` and `ʼ` count as `'`.
 */

/** Longer words are cut into words of this many UTF-16 units (Lucene's default). */
export const MAX_WORD_LENGTH = 255;

const SEPARATOR = 0;
const WORD = 1;
const APOSTROPHE = 2;

const ASCII_KINDS = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (/[0-9A-Za-z]/.test(character)) return WORD;
  return character === "'" ? APOSTROPHE : SEPARATOR;
});

const APOSTROPHES = /[\u2019\u02bc]/g;
const SINGLE = "[\\p{Script=Han}\\p{Script=Hiragana}]";
const START = `[[\\p{L}\\p{N}]--${SINGLE}]`;
const CONTINUE = `[[\\p{L}\\p{N}\\p{M}]--${SINGLE}]`;
const UNICODE_WORD = new RegExp(`${SINGLE}\\p{M}*|${START}${CONTINUE}*(?:'${CONTINUE}+)*`, "gv");

export function segmentWords(text: string): string[] {
  return asciiWords(text) ?? unicodeWords(text);
}

/** The same words as `unicodeWords`, several times as fast; undefined when the text is not all ASCII. */
function asciiWords(text: string): string[] | undefined {
  const words: string[] = [];
  const lower = text.toLowerCase();
  const length = text.length;
  let start = -1;
  for (let i = 0; i < length; i += 1) {
    const code = text.charCodeAt(i);
    if (code > 127) return undefined;
    const kind = ASCII_KINDS[code];
    if (kind === WORD) {
      if (start < 0) start = i;
    } else if (start >= 0) {
      if (kind === APOSTROPHE && i + 1 < length && ASCII_KINDS[text.charCodeAt(i + 1) & 127] === WORD)
        continue;
      pushWord(words, lower.slice(start, i));
      start = -1;
    }
  }
  if (start >= 0) pushWord(words, lower.slice(start));
  return words;
}

function unicodeWords(text: string): string[] {
  const words: string[] = [];
  const normal = text.normalize("NFKC").toLowerCase().replace(APOSTROPHES, "'");
  for (const word of normal.match(UNICODE_WORD) ?? []) pushWord(words, word);
  return words;
}

function pushWord(words: string[], word: string): void {
  let start = 0;
  while (word.length - start > MAX_WORD_LENGTH) {
    let end = start + MAX_WORD_LENGTH;
    // A cut between the halves of a surrogate pair would make two words that no text contains.
    if ((word.charCodeAt(end) & 0xfc00) === 0xdc00) end -= 1;
    words.push(word.slice(start, end));
    start = end;
  }
  words.push(start === 0 ? word : word.slice(start));
}
