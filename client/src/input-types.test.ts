/** What the SDK takes is the input form of the schemas: what has a default may be left out. */
import { collectionBodySchema } from "@prism/api/collection";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import { parseCountRequest, parseSearchRequest } from "@prism/api/search";
import { bulkLineSchema } from "@prism/api/document";
import { describe, expect, expectTypeOf, test } from "vitest";
import type {
  BulkOperation,
  CollectionClient,
  CollectionDefinition,
  CountInput,
  SearchInput,
} from "./index.js";

describe("the types of the SDK", () => {
  test("take a search that states nothing that has a default", () => {
    const searches: SearchInput[] = [
      {},
      { queries: [{ text: { query: "war", fields: ["title"] } }] },
      { queries: [{ vector: { field: "embedding", values: [1] } }], fusion: { window: 10 } },
      {
        aggregations: {
          years: { histogram: { field: "year", interval: 10 } },
          parties: { terms: { field: "party" } },
          lengths: { stats: { field: "length" } },
        },
      },
      { consistency: { session: "s" }, filter: { not: { field: "title", exists: true } } },
    ];
    for (const search of searches) expect(parseSearchRequest(search, DEFAULT_LIMITS).limit).toBe(10);
    const counts: CountInput[] = [{}, { filter: { field: "year", gte: 1900 }, minSuccessfulShards: 1 }];
    for (const one of counts) expect(parseCountRequest(one, DEFAULT_LIMITS).queries).toEqual([]);
    expectTypeOf<Parameters<CollectionClient["search"]>[0]>().toEqualTypeOf<SearchInput>();
    // @ts-expect-error a count has no page
    const wrong: CountInput = { limit: 3 };
    expect(() => parseCountRequest(wrong, DEFAULT_LIMITS)).toThrow("limit");
  });

  test("refuse in a search what the schema refuses", () => {
    // @ts-expect-error a histogram needs its interval
    const search: SearchInput = { aggregations: { years: { histogram: { field: "year" } } } };
    expect(() => parseSearchRequest(search, DEFAULT_LIMITS)).toThrow("interval");
  });

  test("take a collection of fields that state nothing that has a default", () => {
    const definition: CollectionDefinition = {
      fields: [
        { name: "title", type: "text" },
        { name: "embedding", type: "vector", dimensions: 3 },
      ],
      replication: { factor: 2 },
    };
    expect(collectionBodySchema.parse(definition)).toMatchObject({
      fields: [{ analyzer: "standard" }, { metric: "cosine" }],
    });
    // @ts-expect-error a vector field needs its dimensions
    const wrong: CollectionDefinition = { fields: [{ name: "embedding", type: "vector" }] };
    expect(() => collectionBodySchema.parse(wrong)).toThrow("dimensions");
  });

  test("take every line of a bulk that the schema takes", () => {
    type Line = (typeof bulkLineSchema)["_input"];
    expectTypeOf<keyof BulkOperation>().toEqualTypeOf<keyof Line>();
    const operation: BulkOperation = { document: { title: "a" } };
    expect(bulkLineSchema.parse(operation).action).toBe("put");
  });
});
