/** One search of each kind over the loaded passages. */
import type { AggregationResult, Hit, SearchResponse } from "@prism/api/search";
import type { CollectionClient, SearchInput } from "@prism/client";
import type { Embedder } from "./embedder.js";

export interface Shown {
  readonly kind: string;
  /** What a person would ask. */
  readonly asked: string;
  /** As sent, without the numbers of vectors and what is alike in all. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly total: SearchResponse["total"];
  readonly tookMs: number;
  readonly complete: boolean;
  readonly hits: readonly ShownHit[];
  readonly aggregations: Readonly<Record<string, AggregationResult>>;
}

export interface ShownHit {
  readonly id: string;
  readonly score: number;
  readonly year: number;
  readonly president: string;
  readonly body: string;
}

interface Search {
  readonly kind: string;
  readonly asked: string;
  readonly input: SearchInput;
}

const FIELDS = ["year", "president", "body"];
const TOP = { limit: 3, include: FIELDS };

export async function showSearches(speeches: CollectionClient, embedder: Embedder): Promise<Shown[]> {
  const shown: Shown[] = [];
  for (const { kind, asked, input } of await buildSearches(embedder)) {
    const response = await speeches.search(input);
    shown.push({
      kind,
      asked,
      request: shorten(input),
      total: response.total,
      tookMs: response.tookMs,
      complete: response.complete,
      hits: response.results.map(toShownHit),
      aggregations: response.aggregations,
    });
  }
  return shown;
}

async function buildSearches(embedder: Embedder): Promise<Search[]> {
  const nature = "We must protect the land, the water and the air for our grandchildren.";
  const work = "People cannot find work and families are losing their homes.";
  const [natureVector, workVector] = await Promise.all([embedder.embed(nature), embedder.embed(work)]);
  return [
    {
      kind: "text",
      asked: "slavery in the territories",
      input: {
        queries: [{ text: { query: "slavery in the territories", fields: { title: 2, body: 1 } } }],
        ...TOP,
      },
    },
    {
      kind: "vector",
      asked: nature,
      input: { queries: [{ vector: { field: "embedding", values: natureVector } }], ...TOP },
    },
    {
      kind: "hybrid",
      asked: work,
      input: {
        queries: [
          { text: { query: "unemployment", fields: ["body"] } },
          { vector: { field: "embedding", values: workVector } },
        ],
        fusion: { method: "rrf" },
        ...TOP,
      },
    },
    {
      kind: "filtered and counted",
      asked: "war and peace, 1900 to 1999, by party and decade",
      input: {
        queries: [{ text: { query: "war and peace", fields: ["body"] } }],
        filter: { field: "year", gte: 1900, lt: 2000 },
        aggregations: {
          party: { terms: { field: "party", size: 5 } },
          decade: { histogram: { field: "year", interval: 10, offset: 0 } },
        },
        ...TOP,
      },
    },
  ];
}

function shorten({ queries = [], limit: _limit, include: _include, ...rest }: SearchInput): Shown["request"] {
  return {
    queries: queries.map((query) =>
      "vector" in query
        ? { vector: { ...query.vector, values: `<${query.vector.values.length} numbers>` } }
        : query,
    ),
    ...rest,
  };
}

function toShownHit({ id, score, fields = {} }: Hit): ShownHit {
  return {
    id,
    score,
    year: Number(fields["year"]),
    president: String(fields["president"]),
    body: String(fields["body"]),
  };
}
