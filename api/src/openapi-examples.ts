/** One working sequence of requests, shown in the OpenAPI document and executed by tests. */

export const EXAMPLE_COLLECTION = "speeches";
export const EXAMPLE_ID = "1901-17";

export const EXAMPLES = {
  acceptDataLoss: { confirm: `${EXAMPLE_COLLECTION}/0` },
  putCollection: {
    shards: 3,
    fields: [
      { name: "title", type: "text", analyzer: "english" },
      { name: "party", type: "keyword" },
      { name: "year", type: "integer" },
      { name: "givenAt", type: "date" },
      { name: "embedding", type: "vector", dimensions: 3, metric: "cosine" },
    ],
  },
  patchCollection: { fields: [{ name: "place", type: "keyword" }] },
  putDocument: {
    title: "War and taxes",
    party: "Republican",
    year: 1901,
    givenAt: "1901-12-03",
    embedding: [0.1, 0.2, 0.3],
  },
  createDocument: { title: "On the roads", party: ["Whig", "Republican"], year: 1852 },
  patchDocument: { title: "War and taxes, revised", party: null },
  bulk: [
    { id: "1902-1", document: { title: "On trusts", party: "Republican", year: 1902 }, opId: "load-1" },
    { action: "patch", id: EXAMPLE_ID, document: { place: "Washington" } },
    { action: "delete", id: "1852-3" },
  ],
  search: {
    queries: [
      { text: { query: "war and taxes", fields: { title: 2 }, operator: "or" }, weight: 1 },
      { vector: { field: "embedding", values: [0.1, 0.2, 0.25], candidates: 100 }, weight: 1 },
    ],
    fusion: { method: "rrf", rankConstant: 60, window: 100 },
    filter: {
      and: [
        { field: "year", gte: 1900, lt: 2000 },
        { field: "party", in: ["Whig", "Republican"] },
        { not: { field: "title", exists: false } },
      ],
    },
    aggregations: {
      byParty: { terms: { field: "party", size: 10 } },
      decades: { histogram: { field: "year", interval: 10 } },
      years: { stats: { field: "year" } },
    },
    limit: 10,
    include: ["title", "year"],
  },
  count: { filter: { field: "givenAt", gte: "1900-01-01", lt: "2000-01-01" } },
} as const;
