import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { didYouMean, editDistance } from "./did-you-mean.js";

/** The definition, without a table: exponential, for short words. */
function definedDistance(a: string, b: string): number {
  if (a === "" || b === "") return a.length + b.length;
  const replaced = definedDistance(a.slice(1), b.slice(1)) + (a[0] === b[0] ? 0 : 1);
  const best = Math.min(definedDistance(a.slice(1), b) + 1, definedDistance(a, b.slice(1)) + 1, replaced);
  const swapped = a.length > 1 && b.length > 1 && a[0] === b[1] && a[1] === b[0];
  return swapped ? Math.min(best, definedDistance(a.slice(2), b.slice(2)) + 1) : best;
}

describe("editDistance", () => {
  it.each([
    ["", "", 0],
    ["abc", "abc", 0],
    ["analyser", "analyzer", 1],
    ["filed", "field", 1],
    ["ca", "abc", 3],
  ])("from %j to %j is %d", (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  it("is what the definition says", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 5 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b)).toBe(definedDistance(a, b));
      }),
    );
  });

  it("is above the bound when the true distance is, and exact otherwise", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 6 });
    fc.assert(
      fc.property(word, word, fc.nat({ max: 3 }), (a, b, bound) => {
        const exact = editDistance(a, b);
        const bounded = editDistance(a, b, bound);
        expect(exact <= bound ? bounded === exact : bounded > bound).toBe(true);
      }),
    );
  });
});

describe("didYouMean", () => {
  it("finds the word of one typo", () => {
    expect(didYouMean("analyser", ["name", "type", "analyzer"])).toBe("analyzer");
  });

  it("ignores case", () => {
    expect(didYouMean("CLUSTER", ["Single", "Cluster"])).toBe("Cluster");
  });

  it("prefers the word that begins alike among equally near ones", () => {
    expect(didYouMean("node", ["mode", "nodes"])).toBe("nodes");
    expect(didYouMean("node", ["nodes", "mode"])).toBe("nodes");
  });

  it("stays silent when nothing is near", () => {
    expect(didYouMean("colour", ["size", "shards"])).toBeUndefined();
    expect(didYouMean("x", ["y"])).toBeUndefined();
    expect(didYouMean("", ["a"])).toBeUndefined();
  });

  it("does not look at words longer than any of ours", () => {
    expect(didYouMean("a".repeat(100_000), ["a".repeat(100_000)])).toBeUndefined();
  });
});
