import fc from "fast-check";
import type { FieldStatistics } from "@prism/proto/gen/node";
import { describe, expect, it } from "vitest";
import { mergeStatistics } from "./merge-statistics.js";

const words = fc.constantFrom("war", "tax", "road");
const corpus = fc.array(fc.array(words, { maxLength: 5 }), { maxLength: 12 });

function statisticsOf(docs: readonly (readonly string[])[], terms: readonly string[]): FieldStatistics {
  return {
    field: "title",
    documents: docs.length,
    totalLength: docs.reduce((sum, one) => sum + one.length, 0),
    terms: terms.map((term) => ({
      term,
      documentFrequency: docs.filter((one) => one.includes(term)).length,
    })),
  };
}

describe("merging text statistics", () => {
  it("gives of three shards what one shard with all documents counts", () => {
    const terms = ["war", "tax"];
    fc.assert(
      fc.property(corpus, corpus, corpus, (...shards) => {
        const merged = mergeStatistics(shards.map((docs) => [statisticsOf(docs, terms)]));
        expect(merged).toEqual([statisticsOf(shards.flat(), terms)]);
      }),
    );
  });

  it("counts a field's documents once when two queries use it", () => {
    const docs = [["war"], ["tax", "war"]];
    const shard = [statisticsOf(docs, ["war"]), statisticsOf(docs, ["tax"])];
    const [merged] = mergeStatistics([shard, shard]);
    expect(merged).toEqual(statisticsOf([...docs, ...docs], ["war", "tax"]));
  });
});
