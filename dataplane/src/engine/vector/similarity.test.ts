import { Problem } from "@prism/api/problem-code";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { prepareVector, similarityOf } from "./similarity.js";
import { scoreOf } from "./testing/clustered-vectors.js";

const METRICS = ["cosine", "dot", "l2"] as const;

function codeOf(metric: (typeof METRICS)[number], values: readonly number[]): string | undefined {
  try {
    prepareVector({ name: "embedding", dimensions: 3, metric }, Float32Array.from(values));
    return undefined;
  } catch (error) {
    return error instanceof Problem ? error.code : String(error);
  }
}

describe("Similarity", () => {
  it("is what the definition says, for every number of dimensions", () => {
    const pair = fc
      .integer({ min: 1, max: 19 })
      .chain((dimensions) =>
        fc.tuple(
          ...[0, 1].map(() =>
            fc.array(fc.integer({ min: -50, max: 50 }), { minLength: dimensions, maxLength: dimensions }),
          ),
        ),
      )
      .filter((vectors) => vectors.every((values) => values.some((value) => value !== 0)));
    fc.assert(
      fc.property(fc.constantFrom(...METRICS), pair, (metric, [a, b]) => {
        const field = { name: "embedding", dimensions: a!.length, metric };
        const [left, right] = [Float32Array.from(a!), Float32Array.from(b!)];
        const block = new Float32Array(40).fill(9);
        block.set(prepareVector(field, left), 7);
        const score = similarityOf(metric)(block, 7, prepareVector(field, right));
        expect(score).toBeCloseTo(scoreOf(metric, left, right), 6);
      }),
    );
  });

  it("is 1 for the same vector with l2, and falls with the distance itself, not its square", () => {
    const l2 = similarityOf("l2");
    const block = Float32Array.of(0, 0, 3, 4);
    expect(l2(block, 0, Float32Array.of(0, 0))).toBe(1);
    expect(l2(block, 2, Float32Array.of(0, 0))).toBe(1 / 6);
  });

  it("never leaves -1 to 1 with cosine", () => {
    const cosine = similarityOf("cosine");
    for (let i = 1; i < 500; i += 1) {
      const field = { name: "embedding", dimensions: 7, metric: "cosine" } as const;
      const vector = prepareVector(
        field,
        Float32Array.from({ length: 7 }, (_, j) => i * 0.37 + j),
      );
      expect(cosine(vector, 0, vector)).toBeLessThanOrEqual(1);
      expect(cosine(vector, 0, vector)).toBeCloseTo(1, 6);
    }
  });
});

describe("A vector", () => {
  it("is refused by name of the fault before anything is stored", () => {
    for (const metric of METRICS) {
      expect(codeOf(metric, [1, 2])).toBe("wrongDimensions");
      expect(codeOf(metric, [1, NaN, 2])).toBe("notFinite");
      expect(codeOf(metric, [1, Infinity, 2])).toBe("notFinite");
      expect(codeOf(metric, [1e-5, 2, 3])).toBeUndefined();
    }
    expect(codeOf("cosine", [0, 0, -0])).toBe("zeroVector");
    expect(codeOf("dot", [0, 0, 0])).toBeUndefined();
    expect(codeOf("l2", [1e19, 0, 0])).toBe("notFinite");
  });

  it("of any finite length has a direction", () => {
    const field = { name: "embedding", dimensions: 3, metric: "cosine" } as const;
    for (const scale of [1e-30, 1, 3e38]) {
      const [x, y, z] = prepareVector(field, Float32Array.of(scale, 0, 0));
      expect([x, y, z]).toEqual([1, 0, 0]);
    }
  });
});
