import fc from "fast-check";
import { expect, test } from "vitest";
import { analyze, createAnalyzer } from "./analyzer.js";
import { MAX_WORD_LENGTH, segmentWords } from "./word-segmentation.js";

const standard = (text: string): string[] => analyze(createAnalyzer("standard"), text);
const english = (text: string): string[] => analyze(createAnalyzer("english"), text);
const keyword = (text: string): string[] => analyze(createAnalyzer("keyword"), text);

test("Words are runs of letters, digits and marks in lower case.", () => {
  expect(standard("The QUICK brown-fox, 42 times (x2)!")).toEqual([
    "the",
    "quick",
    "brown",
    "fox",
    "42",
    "times",
    "x2",
  ]);
  expect(standard("snake_case example.com 3.14")).toEqual(["snake", "case", "example", "com", "3", "14"]);
  expect(standard("")).toEqual([]);
  expect(standard(" ... ''' ")).toEqual([]);
});

test("Apostrophes between letters or digits belong to the word, all others do not.", () => {
  expect(standard("Don't 'quote' O'Neil's dogs' 90's rock'n'roll a''b")).toEqual([
    "don't",
    "quote",
    "o'neil's",
    "dogs",
    "90's",
    "rock'n'roll",
    "a",
    "b",
  ]);
  expect(standard("don’t donʼt don＇t")).toEqual(["don't", "don't", "don't"]);
});

test("Accents stay, while spellings that Unicode calls compatible become one.", () => {
  expect(standard("Café naïve Straße")).toEqual(["café", "naïve", "straße"]);
  expect(standard("cafe\u0301")).toEqual(standard("caf\u00e9"));
  expect(standard("ＦＵＬＬ ﬁsh")).toEqual(["full", "fish"]);
});

test("Scripts without spaces give a word per Han or Hiragana character and keep other runs whole.", () => {
  expect(standard("東京タワーへ行く")).toEqual(["東", "京", "タワー", "へ", "行", "く"]);
  expect(standard("Ελλάδα Россия 한국어 हिन्दी")).toEqual(["ελλάδα", "россия", "한국어", "हिन्दी"]);
});

test("Overlong words are cut at the limit, never through a surrogate pair.", () => {
  expect(standard("x".repeat(600)).map((word) => word.length)).toEqual([255, 255, 90]);
  const cut = standard(`x${"𝔸𐐨".normalize("NFC").slice(2).repeat(200)}`);
  expect(cut.map((word) => word.length)).toEqual([255, 146]);
  for (const word of cut) expect(encodeURIComponent(word)).not.toBe("");
});

test("English drops possessives and stop words and stems the rest.", () => {
  expect(english("The nation's relational databases are running")).toEqual([
    "nation",
    "relat",
    "databas",
    "run",
  ]);
  expect(english("It's a dog's life, don't")).toEqual(["dog", "life", "don't"]);
  expect(english("caresses ponies ties caress cats feed agreed plastered motoring sing")).toEqual([
    "caress",
    "poni",
    "ti",
    "caress",
    "cat",
    "feed",
    "agre",
    "plaster",
    "motor",
    "sing",
  ]);
  expect(english("naïvetés x2s")).toEqual(["naïvetés", "x2s"]);
});

test("English gives the same for a word however often it is asked.", () => {
  const analyzer = createAnalyzer("english");
  for (let i = 0; i < 70_000; i += 1) analyzer.term(`word${i}`);
  expect(analyzer.term("running")).toBe("run");
  expect(analyzer.term("running")).toBe("run");
  expect(analyzer.term("the")).toBeUndefined();
  expect(analyzer.term("the")).toBeUndefined();
});

test("Keyword keeps the whole value unchanged.", () => {
  expect(keyword(" New York ’ ")).toEqual([" New York ’ "]);
  expect(keyword("")).toEqual([]);
});

test("The ASCII path and the Unicode path agree on ASCII text.", () => {
  const character = fc.oneof(
    fc.constantFrom("'", "_", " ", ".", "a", "B", "7"),
    fc.nat(127).map((code) => String.fromCharCode(code)),
  );
  fc.assert(
    fc.property(fc.array(character, { maxLength: 60 }), fc.boolean(), (characters, long) => {
      const text = characters.join("") + (long ? "y".repeat(MAX_WORD_LENGTH) : "");
      expect(segmentWords(text)).toEqual(segmentWords(`${text} é`).slice(0, -1));
    }),
    { numRuns: 500 },
  );
});

test("Any text gives words within the limits, and never throws.", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      for (const word of standard(text)) {
        expect(word.length).toBeGreaterThan(0);
        expect(word.length).toBeLessThanOrEqual(MAX_WORD_LENGTH);
      }
      for (const term of english(text)) expect(term.length).toBeGreaterThan(0);
    }),
  );
});
