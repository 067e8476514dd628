import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "./limits.js";
import { Problem } from "./problem-code.js";
import { parseCountRequest, parseSearchRequest } from "./search.js";

function violationsOf(input: unknown): string[] {
  try {
    parseSearchRequest(input, DEFAULT_LIMITS);
  } catch (error) {
    if (error instanceof Problem) return error.violations.map(({ pointer, code }) => `${pointer} ${code}`);
    throw error;
  }
  return [];
}

function nested(depth: number): unknown {
  let filter: unknown = { field: "a", equals: 1 };
  for (let i = 0; i < depth; i += 1) filter = { not: filter };
  return filter;
}

describe("the form of a search", () => {
  it("needs nothing: all documents by id", () => {
    expect(parseSearchRequest({}, DEFAULT_LIMITS)).toMatchObject({ queries: [], limit: 10, offset: 0 });
  });

  it("takes text fields as a list as well as with boosts", () => {
    const queries = [
      { text: { query: "a", fields: ["title", "body"] } },
      { text: { query: "a", fields: { x: 2 } } },
    ];
    expect(parseSearchRequest({ queries }, DEFAULT_LIMITS).queries).toEqual([
      { text: { query: "a", fields: { title: 1, body: 1 }, operator: "or" }, weight: 1 },
      { text: { query: "a", fields: { x: 2 }, operator: "or" }, weight: 1 },
    ]);
  });

  it.each([
    [{ queries: [{}] }, "/queries/0"],
    [
      { queries: [{ text: { query: "a", fields: ["a"] }, vector: { field: "b", values: [] } }] },
      "/queries/0",
    ],
    [{ queries: [{ text: { query: "a", fields: { a: 0 } } }] }, "/queries/0/text/fields/a"],
    [{ queries: [{ text: { query: "a", fields: "a" } }] }, "/queries/0/text/fields"],
    [{ queries: [{ text: { query: 1, fields: ["a"] } }] }, "/queries/0/text/query"],
    [{ queries: [{ vector: { field: "a", values: ["1"] } }] }, "/queries/0/vector/values/0"],
    [{ queries: [{ text: { query: "a", fields: ["a"] }, weight: 0 }] }, "/queries/0/weight"],
    [{ queries: {} }, "/queries"],
    [{ filter: {} }, "/filter"],
    [{ filter: [] }, "/filter"],
    [{ filter: { and: [] } }, "/filter/and"],
    [{ filter: { and: [{ field: "a", equals: 1 }], field: "b" } }, "/filter"],
    [{ filter: { and: [{ field: "a", equals: 1 }], or: [{ field: "a", equals: 1 }] } }, "/filter"],
    [{ filter: { field: "a" } }, "/filter"],
    [{ filter: { equals: 1 } }, "/filter"],
    [{ filter: { field: "a", equals: 1, exists: true } }, "/filter"],
    [{ filter: { field: "a", gt: 1, gte: 1 } }, "/filter"],
    [{ filter: { field: "a", lt: 1, lte: 1 } }, "/filter"],
    [{ filter: { field: "a", equals: null } }, "/filter/equals"],
    [{ filter: { not: { and: [{ field: "a", gt: true }] } } }, "/filter/not/and/0/gt"],
    [{ aggregations: { a: {} } }, "/aggregations/a"],
    [{ aggregations: { a: { terms: { field: "a" }, stats: { field: "a" } } } }, "/aggregations/a"],
    [
      { aggregations: { a: { histogram: { field: "a", interval: 0 } } } },
      "/aggregations/a/histogram/interval",
    ],
    [{ aggregations: { a: { terms: { field: "a", size: 0 } } } }, "/aggregations/a/terms/size"],
    [{ fusion: { method: "rff" } }, "/fusion/method"],
    [{ consistency: { level: "eventually" } }, "/consistency/level"],
    [{ limit: -1 }, "/limit"],
    [{ limit: "10" }, "/limit"],
    [{ timeoutMs: 0 }, "/timeoutMs"],
    [{ include: "title" }, "/include"],
  ])("refuses %j at %s", (input, pointer) => {
    expect(violationsOf(input)).toEqual([`${pointer} invalidRequest`]);
  });

  it("tells all that is wrong at once", () => {
    const input = { quries: [], filter: { field: "a", lq: 3 }, limit: 0.5 };
    expect(violationsOf(input)).toEqual([
      "/filter/lq invalidRequest",
      "/filter invalidRequest",
      "/limit invalidRequest",
      "/quries invalidRequest",
    ]);
  });
});

describe("the size of a search", () => {
  const many = (length: number): unknown[] => Array.from({ length }, () => ({ field: "a", equals: 1 }));

  it("may be at each limit", () => {
    const { filterDepth, filterClauses, inValues, dimensions, queries } = DEFAULT_LIMITS;
    expect(violationsOf({ filter: nested(filterDepth) })).toEqual([]);
    expect(violationsOf({ filter: { or: many(filterClauses - 1) } })).toEqual([]);
    expect(
      violationsOf({ filter: { field: "a", in: Array.from({ length: inValues }, (_, i) => i) } }),
    ).toEqual([]);
    const vector = { field: "v", values: Array.from({ length: dimensions }, () => 1) };
    expect(violationsOf({ queries: Array.from({ length: queries }, () => ({ vector })) })).toEqual([]);
  });

  it.each([
    ["depth", { filter: nested(17) }, `/filter${"/not".repeat(17)}`],
    ["clauses", { filter: { or: many(1024) } }, "/filter"],
    ["clauses in one list", { filter: { or: many(1025) } }, "/filter/or"],
    ["in values", { filter: { field: "a", in: Array.from({ length: 10_001 }, () => 1) } }, "/filter/in"],
    [
      "numbers",
      { queries: [{ vector: { field: "v", values: Array.from({ length: 4097 }, () => 1) } }] },
      "/queries/0/vector/values",
    ],
    ["queries", { queries: Array.from({ length: 9 }, () => ({})) }, "/queries"],
    [
      "characters",
      { queries: [{ text: { query: "a".repeat(8193), fields: ["a"] } }] },
      "/queries/0/text/query",
    ],
    ["bytes", { queries: [{ text: { query: "ä".repeat(4097), fields: ["a"] } }] }, "/queries/0/text/query"],
    [
      "aggregations",
      { aggregations: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [i, {}])) },
      "/aggregations",
    ],
    ["included fields", { include: Array.from({ length: 257 }, () => "a") }, "/include"],
  ])("is refused by its limit with too many %s", (_, input, pointer) => {
    expect(violationsOf(input)).toEqual([`${pointer} limitExceeded`]);
  });

  it("is measured before anything recurses into it", () => {
    expect(violationsOf({ filter: nested(200_000) })).toHaveLength(1);
    const wide = { or: Array.from({ length: 1000 }, () => ({ and: many(1000) })) };
    expect(violationsOf({ filter: wide })).toEqual(["/filter limitExceeded"]);
  });

  it("is held to the limits in a count too", () => {
    expect(() => parseCountRequest({ filter: nested(17) }, DEFAULT_LIMITS)).toThrow("limits.filterDepth");
    expect(() => parseCountRequest({ limit: 10 }, DEFAULT_LIMITS)).toThrow('unknown key "limit"');
  });
});
