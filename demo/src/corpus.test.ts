import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { choosePassages, cutPassages, passagesOf, type Passage } from "./corpus.js";
import { splitSentences } from "./sentences.js";

describe("splitSentences", () => {
  test("cuts behind full stops, question marks and exclamation marks, with closing quotes", () => {
    expect(splitSentences('We ask. Why now? "Because!" Then we act.')).toEqual([
      "We ask.",
      "Why now?",
      '"Because!"',
      "Then we act.",
    ]);
  });

  test("does not cut at abbreviations, initials and decimals", () => {
    const text =
      "Mr. Speaker, Gen. U. S. Grant of the U.S. Army saw Washington, D.C. on Jan. 5 and paid $1.50 for it.";
    expect(splitSentences(text)).toEqual([text]);
  });

  test("cuts behind the pronoun I", () => {
    expect(splitSentences("So did I. They did not.")).toEqual(["So did I.", "They did not."]);
  });
});

const sentence = fc
  .array(fc.constantFrom("war", "and", "taxes;", "the", "Union,", "Mr.", "1,234", "peace"), {
    minLength: 1,
    maxLength: 150,
  })
  .map((words) => `We ${words.join(" ")} end.`);

describe("cutPassages", () => {
  test("loses and invents nothing, and keeps passages within their lengths", () => {
    fc.assert(
      fc.property(fc.array(sentence, { maxLength: 20 }), (sentences) => {
        const text = sentences.join(" ");
        const passages = cutPassages(text);
        expect(passages.join(" ")).toBe(text);
        const lengths = passages.map((passage) => passage.split(" ").length);
        expect(Math.max(0, ...lengths)).toBeLessThan(50 + 100 + 20);
        for (const length of lengths.slice(0, -1)) expect(length).toBeGreaterThanOrEqual(50);
      }),
    );
  });

  test("gives a short text as one passage", () => {
    expect(cutPassages("We  meet\nagain.")).toEqual(["We meet again."]);
  });
});

function fakePassages(counts: readonly number[]): Passage[][] {
  return counts.map((count, speech) =>
    Array.from({ length: count }, (_, i) => ({
      id: `${speech}-${i}`,
      title: "",
      body: "",
      president: "",
      party: "",
      year: speech,
    })),
  );
}

describe("choosePassages", () => {
  test("takes as many as wanted, or all there are, each once", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { maxLength: 12 }), fc.nat(200), (counts, wanted) => {
        const speeches = fakePassages(counts);
        const all = speeches.flat();
        const chosen = choosePassages(speeches, wanted);
        expect(chosen).toHaveLength(Math.min(wanted, all.length));
        expect(new Set(chosen).size).toBe(chosen.length);
      }),
    );
  });

  test("takes from every speech alike while it has passages, wherever one stops", () => {
    const counts = fc.array(fc.nat(30), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(counts, fc.nat(200), fc.nat(200), (counts, wanted, loaded) => {
        const chosen = choosePassages(fakePassages(counts), wanted).slice(0, loaded);
        const taken = counts.map((_, speech) => chosen.filter((passage) => passage.year === speech).length);
        const unfilled = taken.filter((count, speech) => count < counts[speech]!);
        for (const count of unfilled) expect(count).toBeGreaterThanOrEqual(Math.max(...taken) - 1);
      }),
    );
  });
});

test("few passages are of all times", () => {
  const chosen = choosePassages(fakePassages(Array.from({ length: 233 }, () => 30)), 1500).slice(0, 47);
  const numbers = chosen.map((passage) => passage.year).sort((a, b) => a - b);
  const gaps = numbers.map((number, i) => number - (numbers[i - 1] ?? 0));
  expect(Math.max(...gaps, 233 - numbers.at(-1)!)).toBeLessThanOrEqual(10);
});

test("two speeches of one year have passages of different ids", () => {
  const text = "We meet again.";
  const speeches = passagesOf([
    { year: 1961, president: "Dwight D Eisenhower", party: "Republican", text },
    { year: 1961, president: "John F Kennedy", party: "Democratic", text },
  ]);
  expect(speeches.flat().map(({ id }) => id)).toEqual([
    "1961-dwight-d-eisenhower-1",
    "1961-john-f-kennedy-1",
  ]);
});
