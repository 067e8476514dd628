import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkSearch } from "./check-search.js";
import { parseCollectionSpec } from "./collection.js";
import { DEFAULT_LIMITS } from "./limits.js";
import type { Violation } from "./problem-code.js";
import { parseCountRequest, parseSearchRequest } from "./search.js";

const SPEC = parseCollectionSpec(
  {
    name: "speeches",
    fields: [
      { name: "title", type: "text" },
      { name: "party", type: "keyword" },
      { name: "year", type: "integer" },
      { name: "words", type: "long" },
      { name: "rating", type: "float" },
      { name: "spoken", type: "boolean" },
      { name: "givenAt", type: "date" },
      { name: "embedding", type: "vector", dimensions: 3 },
      { name: "place", type: "vector", dimensions: 2, metric: "l2" },
    ],
  },
  { replication: { factor: 3, minReplicasForWrite: 2 } },
);

function check(input: unknown): Violation[] {
  return checkSearch(parseSearchRequest(input, DEFAULT_LIMITS), SPEC, DEFAULT_LIMITS);
}

function codes(input: unknown): string[] {
  return check(input).map(({ pointer, code }) => `${pointer} ${code}`);
}

const vector = (values: readonly number[], field = "embedding"): unknown => ({
  queries: [{ vector: { field, values } }],
});

describe("checkSearch", () => {
  it.each([
    [{}],
    [vector([1, 0, -1])],
    [vector([0, 0], "place")],
    [vector([1e-30, 0], "place")],
    [{ queries: [{ text: { query: "", fields: ["title"] } }] }],
    [{ filter: { field: "id", in: ["a", "b"] } }],
    [{ filter: { field: "title", exists: false } }],
    [{ filter: { field: "embedding", exists: true } }],
    [{ filter: { field: "party", in: [] } }],
    [{ filter: { field: "party", gte: "A", lt: "N" } }],
    [{ filter: { field: "year", gt: 1.5, lte: 1e300 } }],
    [{ filter: { field: "year", equals: -2147483648 } }],
    [{ filter: { field: "words", equals: Number.MAX_SAFE_INTEGER } }],
    [{ filter: { field: "spoken", in: [true, false] } }],
    [{ filter: { field: "givenAt", gte: "1901-01-01", lt: 0 } }],
    [{ filter: { field: "givenAt", equals: "1901-01-01T00:00:00+01:00" } }],
    [{ limit: 9000, offset: 1000 }],
    [{ limit: 0 }],
    [{ include: ["anything"] }],
    [{ timeoutMs: 60_000 }],
    [
      {
        aggregations: {
          a: { terms: { field: "spoken" } },
          b: { histogram: { field: "givenAt", interval: 1000 } },
        },
      },
    ],
    [{ consistency: { level: "readYourWrites", session: "x" } }],
    [{ consistency: { level: "bounded", maxStalenessMs: 100, session: "x" } }],
    [{ consistency: { level: "strong", allowDowngrade: true } }],
  ])("finds nothing wrong with %j", (input) => {
    expect(codes(input)).toEqual([]);
  });

  it.each([
    [vector([1, 2]), "/queries/0/vector/values wrongDimensions"],
    [vector([]), "/queries/0/vector/values wrongDimensions"],
    [vector([0, 0, 0]), "/queries/0/vector/values zeroVector"],
    [vector([1e-50, 0, 0]), "/queries/0/vector/values zeroVector"],
    [vector([1e-30, 0, 0]), "/queries/0/vector/values zeroVector"],
    [vector([1, 1e39, 0]), "/queries/0/vector/values/1 notFinite"],
    [vector([1e38, 1e38], "place"), "/queries/0/vector/values notFinite"],
    [vector([1], "title"), "/queries/0/vector/field wrongFieldType"],
    [vector([1], "embeding"), "/queries/0/vector/field unknownField"],
    [
      { queries: [{ vector: { field: "place", values: [1, 1], candidates: 10_001 } }] },
      "/queries/0/vector/candidates limitExceeded",
    ],
    [
      { queries: [{ text: { query: "a", fields: ["party"] } }] },
      "/queries/0/text/fields/party wrongFieldType",
    ],
    [{ queries: [{ text: { query: "a", fields: ["titel"] } }] }, "/queries/0/text/fields/titel unknownField"],
    [{ queries: [{ text: { query: "a", fields: [] } }] }, "/queries/0/text/fields invalidRequest"],
    [{ filter: { not: { field: "nope", equals: 1 } } }, "/filter/not/field unknownField"],
    [{ filter: { field: "title", equals: "war" } }, "/filter/equals wrongFieldType"],
    [{ filter: { field: "title", in: [] } }, "/filter/in wrongFieldType"],
    [{ filter: { field: "title", gt: "war" } }, "/filter/gt wrongFieldType"],
    [{ filter: { field: "party", gte: 1 } }, "/filter/gte wrongFieldType"],
    [{ filter: { field: "party", equals: 3 } }, "/filter/equals wrongFieldType"],
    [{ filter: { field: "party", in: ["a", 1, 2] } }, "/filter/in/1 wrongFieldType"],
    [{ filter: { field: "year", equals: "1901" } }, "/filter/equals wrongFieldType"],
    [{ filter: { field: "year", equals: 1901.5 } }, "/filter/equals wrongFieldType"],
    [{ filter: { field: "year", equals: 2147483648 } }, "/filter/equals wrongFieldType"],
    [{ filter: { field: "words", equals: 2 ** 53 } }, "/filter/equals wrongFieldType"],
    [{ filter: { field: "year", gt: "1901" } }, "/filter/gt wrongFieldType"],
    [{ filter: { field: "spoken", gt: 0 } }, "/filter/gt wrongFieldType"],
    [{ filter: { field: "spoken", equals: 1 } }, "/filter/equals wrongFieldType"],
    [{ filter: { field: "givenAt", lt: "yesterday" } }, "/filter/lt wrongFieldType"],
    [{ filter: { field: "givenAt", equals: 1.5 } }, "/filter/equals wrongFieldType"],
    [{ filter: { field: "embedding", equals: 1 } }, "/filter/equals wrongFieldType"],
    [{ filter: { field: "id", exists: true } }, "/filter wrongFieldType"],
    [{ filter: { field: "id", gt: "a" } }, "/filter wrongFieldType"],
    [{ filter: { field: "id", equals: 7 } }, "/filter wrongFieldType"],
    [{ aggregations: { a: { terms: { field: "title" } } } }, "/aggregations/a/terms/field wrongFieldType"],
    [{ aggregations: { a: { terms: { field: "pary" } } } }, "/aggregations/a/terms/field unknownField"],
    [{ aggregations: { a: { stats: { field: "party" } } } }, "/aggregations/a/stats/field wrongFieldType"],
    [
      { aggregations: { a: { histogram: { field: "spoken", interval: 1 } } } },
      "/aggregations/a/histogram/field wrongFieldType",
    ],
    [
      { aggregations: { a: { terms: { field: "party", size: 10_001 } } } },
      "/aggregations/a/terms/size limitExceeded",
    ],
    [{ limit: 9000, offset: 1001 }, "/limit limitExceeded"],
    [{ timeoutMs: 60_001 }, "/timeoutMs limitExceeded"],
    [{ consistency: { level: "bounded" } }, "/consistency/maxStalenessMs invalidRequest"],
    [{ consistency: { level: "strong", maxStalenessMs: 100 } }, "/consistency/maxStalenessMs invalidRequest"],
    [{ consistency: { level: "readYourWrites" } }, "/consistency/session invalidRequest"],
  ])("refuses %j: %s", (input, expected) => {
    expect(codes(input)).toEqual([expected]);
  });

  it("refuses numbers that JSON made infinite, with their own code", () => {
    const parse = (text: string): unknown => JSON.parse(text) as unknown;
    expect(() => check(parse('{"filter": {"field": "year", "equals": 1e999}}'))).toThrow("notFinite");
    expect(() => check(parse('{"filter": {"field": "year", "gt": -1e999}}'))).toThrow("notFinite");
    expect(() => check(parse('{"queries": [{"vector": {"field": "v", "values": [1e999]}}]}'))).toThrow(
      "notFinite",
    );
  });

  it("says which field may have been meant, of those of the right type", () => {
    expect(check({ filter: { field: "yaer", equals: 1 } })[0]?.detail).toContain('did you mean "year"?');
    const [violation] = check({ queries: [{ text: { query: "a", fields: ["titl"] } }] });
    expect(violation?.detail).toBe('speeches has no field "titl" (did you mean "title"?)');
  });

  it("tells all that is wrong at once", () => {
    const input = {
      queries: [{ text: { query: "a", fields: ["party"] } }, { vector: { field: "embedding", values: [1] } }],
      filter: { and: [{ field: "nope", equals: 1 }, { or: [{ field: "title", gt: 1 }] }] },
      aggregations: { a: { terms: { field: "title" } } },
      limit: 10_001,
    };
    expect(codes(input)).toEqual([
      "/queries/0/text/fields/party wrongFieldType",
      "/queries/1/vector/values wrongDimensions",
      "/filter/and/0/field unknownField",
      "/filter/and/1/or/0/gt wrongFieldType",
      "/limit limitExceeded",
      "/aggregations/a/terms/field wrongFieldType",
    ]);
  });

  it("holds included fields to the collection when it takes no others", () => {
    const request = parseSearchRequest({ include: ["title", "boby"] }, DEFAULT_LIMITS);
    const strict = { ...SPEC, unknownFields: "Reject" } as const;
    expect(checkSearch(request, strict, DEFAULT_LIMITS).map((v) => v.pointer)).toEqual(["/include/1"]);
  });

  it("checks a count alike", () => {
    const request = parseCountRequest({ filter: { field: "nope", exists: true } }, DEFAULT_LIMITS);
    expect(checkSearch(request, SPEC, DEFAULT_LIMITS).map((v) => v.code)).toEqual(["unknownField"]);
  });

  it("judges one value of an in list as it judges equals", () => {
    const value = fc.oneof(
      fc.string(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.maxSafeInteger(),
    );
    const field = fc.constantFrom(...SPEC.fields.map((one) => one.name));
    fc.assert(
      fc.property(field, value, (name, one) => {
        const single = check({ filter: { field: name, equals: one } }).map((v) => v.code);
        expect(check({ filter: { field: name, in: [one] } }).map((v) => v.code)).toEqual(single);
      }),
    );
  });
});
