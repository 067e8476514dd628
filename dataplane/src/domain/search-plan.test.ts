import { parseCollectionSpec } from "@prism/api/collection";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import { parseSearchRequest, type SearchRequest } from "@prism/api/search";
import { describe, expect, it } from "vitest";
import { planSearch, termsToCount } from "./search-plan.js";
import { decodeShardQuery, encodeShardQuery } from "./shard-query-codec.js";

const spec = parseCollectionSpec(
  {
    fields: [
      { name: "title", type: "text" },
      { name: "givenAt", type: "date" },
      { name: "year", type: "integer" },
      { name: "embedding", type: "vector", dimensions: 2 },
    ],
  },
  { replication: { factor: 1, minReplicasForWrite: 1 } },
  { name: "speeches" },
);

const request = (body: unknown): SearchRequest => parseSearchRequest(body, DEFAULT_LIMITS);

describe("planning a search", () => {
  it("turns dates of date fields into milliseconds, wherever they stand in the filter", () => {
    const filter = {
      and: [
        { field: "givenAt", gte: "1970-01-02", lt: "1970-01-03T00:00:00Z" },
        { or: [{ not: { field: "givenAt", in: ["1970-01-01"] } }, { field: "givenAt", exists: true }] },
        { field: "title", exists: false },
        { field: "year", gte: 1900 },
      ],
    };
    expect(planSearch(request({ filter }), spec).filter).toEqual({
      and: [
        { field: "givenAt", gte: 86_400_000, lt: 172_800_000 },
        { or: [{ not: { field: "givenAt", in: [0] } }, { field: "givenAt", exists: true }] },
        { field: "title", exists: false },
        { field: "year", gte: 1900 },
      ],
    });
  });

  it("asks each shard for as many hits as the page, or the fusion, may need of it", () => {
    const text = { text: { query: "a", fields: ["title"] } };
    expect(planSearch(request({ queries: [text], limit: 10, offset: 20 }), spec).size).toBe(30);
    expect(planSearch(request({ queries: [text, text], limit: 10 }), spec).size).toBe(100);
    expect(planSearch(request({ queries: [text, text], limit: 150, offset: 20 }), spec).size).toBe(170);
    expect(planSearch(request({ queries: [text, text], limit: 0 }), spec).size).toBe(0);
  });

  it("asks for the statistics of every text field of every query", () => {
    const queries = [
      { text: { query: "a b", fields: { title: 2 } } },
      { vector: { field: "embedding", values: [1, 2] } },
      { text: { query: "c", fields: ["title"] } },
    ];
    expect(termsToCount(planSearch(request({ queries }), spec))).toEqual([
      { field: "title", query: "a b" },
      { field: "title", query: "c" },
    ]);
  });

  it("survives the wire: the query as JSON, its vectors as 32-bit floats", () => {
    const queries = [
      { vector: { field: "embedding", values: [0.1, -2] } },
      { text: { query: "war", fields: ["title"], operator: "and" } },
      { vector: { field: "embedding", values: [3, 4], candidates: 7 } },
    ];
    const aggregations = { years: { histogram: { field: "year", interval: 10 } } };
    const query = planSearch(
      request({ queries, aggregations, filter: { field: "year", equals: 1901 } }),
      spec,
    );
    const encoded = encodeShardQuery(query);
    expect(new TextDecoder().decode(encoded.queryJson)).not.toContain("values");
    expect(decodeShardQuery(encoded)).toEqual(query);
    expect([...encoded.vectors[0]!]).toEqual([0xcd, 0xcc, 0xcc, 0x3d, 0, 0, 0, 0xc0]);
  });
});
