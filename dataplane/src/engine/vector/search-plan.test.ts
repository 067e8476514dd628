import { describe, expect, it } from "vitest";
import { isGraphWorth, planGraphResults, type SearchPlanInput } from "./search-plan.js";

function planFor(changes: Partial<SearchPlanInput>): SearchPlanInput {
  const all = { size: 10, candidates: 100, graphSize: 100_000, documents: 100_000, accepted: 100_000 };
  return { metric: "cosine", dimensions: 128, ...all, ...changes };
}

describe("The plan of a vector search", () => {
  it("asks the graph for the candidates when there is no filter, whatever the dimensions", () => {
    for (const dimensions of [1, 8, 128, 4_096]) {
      const few = { graphSize: 20_000, documents: 20_000, accepted: 20_000 };
      expect(planGraphResults(planFor({ dimensions, ...few }))).toBe(100);
      expect(planGraphResults(planFor({ dimensions, ...few, size: 300 }))).toBe(300);
    }
  });

  it("asks for more the fewer documents pass the filter, and scans when few do", () => {
    expect(planGraphResults(planFor({ accepted: 50_000 }))).toBe(100);
    expect(planGraphResults(planFor({ accepted: 10_000 }))).toBe(400);
    expect(planGraphResults(planFor({ accepted: 4_000 }))).toBeUndefined();
    expect(planGraphResults(planFor({ accepted: 1 }))).toBeUndefined();
  });

  it("scans rather than ask for more than half of the graph, or more than native code is asked for", () => {
    expect(isGraphWorth(600, planFor({ graphSize: 1_000 }))).toBe(false);
    expect(isGraphWorth(20_000, planFor({ graphSize: 1e7, documents: 1e7, accepted: 1e7 }))).toBe(false);
  });
});
