import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { clusterObjectSpecSchema, clusterSpecSchema } from "./cluster.js";
import { collectionBodySchema, collectionObjectSchema, collectionPatchSchema } from "./collection.js";
import { bulkLineSchema } from "./document.js";
import { FIELD_TYPES, fieldSchema } from "./field.js";
import { DEFAULT_LIMITS } from "./limits.js";
import { scanQuerySchema } from "./request-query.js";
import { aggregationSchema, countRequestSchema, searchQuerySchema, searchRequestSchema } from "./search.js";

const GOLDEN = new URL("../testdata/defaults.json", import.meta.url);

/** What each schema makes of an input that says as little as it may. */
function allDefaults(): unknown {
  const fields = FIELD_TYPES.map((type) => {
    const needed = type === "vector" ? { dimensions: 1 } : {};
    return [type, fieldSchema.parse({ name: "f", type, ...needed })];
  });
  return {
    PrismCluster: {
      Cluster: clusterSpecSchema.parse({ version: "0.1.0" }),
      Single: clusterSpecSchema.parse({ version: "0.1.0", mode: "Single" }),
      inKubernetes: clusterObjectSpecSchema.parse({ version: "0.1.0" }),
    },
    PrismCollection: collectionObjectSchema.shape.spec.parse({ clusterRef: { name: "demo" } }),
    collection: collectionBodySchema.parse({}),
    collectionPatch: collectionPatchSchema.parse({}),
    fields: Object.fromEntries(fields) as unknown,
    search: searchRequestSchema.parse({}),
    count: countRequestSchema.parse({}),
    textQuery: searchQuerySchema.parse({ text: { query: "q", fields: ["f"] } }),
    vectorQuery: searchQuerySchema.parse({ vector: { field: "f", values: [1] } }),
    terms: aggregationSchema.parse({ terms: { field: "f" } }),
    histogram: aggregationSchema.parse({ histogram: { field: "f", interval: 1 } }),
    bulkLine: bulkLineSchema.parse({ document: {} }),
    scan: scanQuerySchema.parse({}),
    limits: DEFAULT_LIMITS,
  };
}

describe("the defaults", () => {
  it("are those of testdata/defaults.json: they are part of the API, and stored objects rely on them", () => {
    const golden = JSON.parse(readFileSync(GOLDEN, "utf8")) as unknown;
    expect(allDefaults()).toEqual(golden);
  });
});
