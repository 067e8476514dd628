/**
 * Search and count as HTTP takes and gives them. The schema checks the form of a request alone; what
 * depends on the collection (fields, types, dimensions, limits) is checked by check-search.ts.
 */
import * as z from "zod";
import { consistencyAnswerSchema, consistencySchema } from "./consistency.js";
import { problemCodeSchema } from "./problem.js";
import { plainSearch, type PlainSearchSchema } from "./plain-search.js";
import { oneOf, parseWith, refuse, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";
import type { Limits } from "./limits.js";
import { checkSearchSize } from "./search-size.js";

/** Stands wherever a score is documented. */
export const SCORE_MEANING =
  "Higher is always better. One query: its own score: BM25 over all shards for text; for vectors cosine in [-1, 1] " +
  "as it is, dot as it is, l2 as 1 / (1 + distance). Several queries: fused, after the hits of all shards are " +
  "merged: rrf is the sum of weight / (rankConstant + rank); weighted is the sum of weight times the score scaled " +
  "by min and max over the query's merged candidates. No query: 0, and hits come in the order of their ids.";

const count = z.int().min(0);
const fieldName = z.string().min(1).max(128);

export type FilterValue = string | number | boolean;

/** Each clause is exactly one of these forms; a field with several values matches when any of them does. */
export type Filter =
  | { readonly and: readonly Filter[] }
  | { readonly or: readonly Filter[] }
  | { readonly not: Filter }
  | { readonly field: string; readonly equals: FilterValue }
  | { readonly field: string; readonly in: readonly FilterValue[] }
  | { readonly field: string; readonly exists: boolean }
  | {
      readonly field: string;
      readonly gt?: number | string;
      readonly gte?: number | string;
      readonly lt?: number | string;
      readonly lte?: number | string;
    };

export interface TextClause {
  readonly query: string;
  /** Field name to boost. */
  readonly fields: Readonly<Record<string, number>>;
  readonly operator: "or" | "and";
}

export interface VectorClause {
  readonly field: string;
  readonly values: readonly number[];
  readonly candidates: number;
}

export type SearchQuery =
  | { readonly text: TextClause; readonly weight: number }
  | { readonly vector: VectorClause; readonly weight: number };

export type Aggregation =
  | { readonly terms: { readonly field: string; readonly size: number } }
  | { readonly histogram: { readonly field: string; readonly interval: number; readonly offset: number } }
  | { readonly stats: { readonly field: string } };

const filterValue = z.union([z.string(), z.number(), z.boolean()], "must be a string, a number or a boolean");
const bound = z.union([z.number(), z.string()], "must be a number, a date or a string");

const COMPOUNDS = ["and", "or", "not"] as const;
const RANGE = ["gt", "gte", "lt", "lte"] as const;
const CONDITIONS = ["equals", "in", "exists"] as const;

const statedFilter = strictObject({
  get and() {
    return z.array(filterSchema).min(1).optional();
  },
  get or() {
    return z.array(filterSchema).min(1).optional();
  },
  get not() {
    return filterSchema.optional();
  },
  field: fieldName.optional(),
  equals: filterValue.optional(),
  in: z.array(filterValue).optional(),
  exists: z.boolean().optional(),
  gt: bound.optional(),
  gte: bound.optional(),
  lt: bound.optional(),
  lte: bound.optional(),
});

export const filterSchema: z.ZodType<Filter, unknown> = z
  .lazy(() => statedFilter)
  .superRefine((clause, context) => {
    const message = describeFilterForm(clause);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  })
  .transform((clause) => clause as Filter)
  .meta({
    description:
      "One of and, or, not; or a field with one of equals, in, exists; or a field with gt, gte, lt, lte. " +
      "A field with several values matches when any of them does; a missing field matches only exists: false and not. " +
      "Keywords are compared in byte order; text and vector fields take exists alone; the field id takes equals and in.",
    oneOf: [{ required: ["and"] }, { required: ["or"] }, { required: ["not"] }, { required: ["field"] }],
  });

function describeFilterForm(clause: Readonly<Record<string, unknown>>): string | undefined {
  const has = (key: string): boolean => clause[key] !== undefined;
  const compounds = COMPOUNDS.filter(has);
  const conditions = CONDITIONS.filter(has);
  const ranges = RANGE.filter(has);
  if (compounds.length > 0) {
    const alone = compounds.length === 1 && !has("field") && conditions.length + ranges.length === 0;
    return alone ? undefined : `${compounds[0]} must stand alone in its clause`;
  }
  if (!has("field")) return "must have and, or, not, or field";
  const forms = conditions.length + (ranges.length > 0 ? 1 : 0);
  if (forms === 0) return "field needs one of equals, in, exists, gt, gte, lt, lte";
  if (forms > 1) return "field takes one condition per clause; join several by and";
  if (has("gt") && has("gte")) return "gt and gte exclude each other";
  if (has("lt") && has("lte")) return "lt and lte exclude each other";
  return undefined;
}

function exactlyOne(names: readonly string[]) {
  return (value: Readonly<Record<string, unknown>>): boolean =>
    names.filter((name) => value[name] !== undefined).length === 1;
}

const boost = z.number().positive().max(1_000_000);
const fieldBoosts = z
  .union(
    [
      z.record(fieldName, boost),
      z.array(fieldName).transform((names) => Object.fromEntries(names.map((name) => [name, 1]))),
    ],
    "must be field names with boosts greater than 0, or a list of field names",
  )
  .describe("Field names with boosts, or a list of names (boost 1).");

const textClause = strictObject({
  query: z.string(),
  fields: fieldBoosts,
  operator: oneOf(["or", "and"])
    .default("or")
    .describe("and: every term must be found, in any of the fields."),
});

const vectorClause = strictObject({
  field: fieldName,
  // Dimensions, range and length depend on the field: see checkVector.
  values: z.array(z.number()),
  candidates: z.int().min(1).default(100).describe("Candidates the index is asked for at least, per shard."),
});

const weight = z.number().positive().max(1_000_000).default(1);

export const searchQuerySchema: z.ZodType<SearchQuery, unknown> = strictObject({
  text: textClause.optional(),
  vector: vectorClause.optional(),
  weight,
})
  .refine(exactlyOne(["text", "vector"]), "must have exactly one of text and vector")
  .transform((query) => query as SearchQuery)
  .meta({ oneOf: [{ required: ["text"] }, { required: ["vector"] }] });

const terms = strictObject({ field: fieldName, size: z.int().min(1).default(10) });
const histogram = strictObject({
  field: fieldName,
  interval: z.number().positive().describe("Milliseconds for dates."),
  offset: z.number().default(0),
});
const stats = strictObject({ field: fieldName });

export const aggregationSchema: z.ZodType<Aggregation, unknown> = strictObject({
  terms: terms.optional(),
  histogram: histogram.optional(),
  stats: stats.optional(),
})
  .refine(exactlyOne(["terms", "histogram", "stats"]), "must have exactly one of terms, histogram and stats")
  .transform((aggregation) => aggregation as Aggregation)
  .meta({ oneOf: [{ required: ["terms"] }, { required: ["histogram"] }, { required: ["stats"] }] });

const fusion = strictObject({
  method: oneOf(["rrf", "weighted"])
    .default("rrf")
    .describe(
      "rrf: ranks after all shards are merged. weighted: scores scaled to 0..1 over the merged candidates.",
    ),
  rankConstant: z.number().min(0).max(10_000).default(60),
  window: z
    .int()
    .min(1)
    .default(100)
    .describe("Hits of each query that are fused; at least limit + offset are."),
});

const aggregationName = z.string().min(1).max(128);

const matching = {
  queries: z.array(searchQuerySchema).default([]),
  filter: filterSchema.optional(),
  consistency: consistencySchema.prefault({}),
  allowPartialResults: z.boolean().optional().describe("Default: the cluster's search.allowPartialResults."),
  minSuccessfulShards: count
    .max(256)
    .optional()
    .describe("Default: the cluster's search.minSuccessfulShards."),
  timeoutMs: z.int().min(1).optional().describe("Default: the cluster's search.timeoutMs."),
};

export const searchRequestSchema = strictObject({
  ...matching,
  fusion: fusion.prefault({}),
  aggregations: z.record(aggregationName, aggregationSchema).default({}),
  limit: count.default(10),
  offset: count.default(0),
  include: z
    .array(fieldName)
    .optional()
    .describe("Fields to return, * for all; []: none. Left out: all but vectors."),
  explain: z.boolean().default(false),
});

export const countRequestSchema = strictObject(matching);

const PLAIN: PlainSearchSchema = {
  defaults: searchRequestSchema.parse({}),
  parts: new Map<string, z.ZodType>([
    ["filter", filterSchema],
    ["consistency", consistencySchema],
    ["fusion", fusion],
    ["aggregations", z.record(aggregationName, aggregationSchema)],
  ]),
};

const bucketKey = z.union([z.string(), z.number(), z.boolean()]);

export const aggregationResultSchema = z.union([
  strictObject({
    buckets: z.array(strictObject({ key: bucketKey, count })),
    otherCount: count.describe("Values in buckets that are not listed."),
    errorBound: count.describe("A listed count may be too small by this much; 0: exact."),
  }),
  strictObject({ buckets: z.array(strictObject({ key: bucketKey, count })) }),
  strictObject({
    count,
    sum: z.number(),
    min: z.number().nullable(),
    max: z.number().nullable(),
    mean: z.number().nullable(),
  }),
]);

export const shardFailureSchema = strictObject({
  shard: count,
  node: z.string().optional().describe("The node asked last, if any could be asked."),
  reason: problemCodeSchema,
  detail: z.string(),
});

const shardsAnswered = strictObject({
  total: count,
  successful: count,
  failed: count,
  failures: z.array(shardFailureSchema),
});

const answered = {
  tookMs: z.number().min(0),
  complete: z.boolean().describe("false: at least one shard is missing from the results."),
  total: strictObject({ value: count, relation: oneOf(["eq", "gte"]) }),
  consistency: consistencyAnswerSchema,
  shards: shardsAnswered,
  session: z.string(),
  requestId: z.string(),
};

export const hitSchema = strictObject({
  id: z.string(),
  score: z.number().describe(SCORE_MEANING),
  parts: z.array(strictObject({ query: count, score: z.number(), rank: count.min(1) })),
  fields: z.record(z.string(), z.unknown()).optional(),
});

export const shardExplanationSchema = strictObject({
  shard: count,
  node: z.string(),
  tookMs: z.number().min(0),
  queries: z.array(
    strictObject({
      path: oneOf(["graph", "exact", "graph+tail", "postings", "filter"]),
      candidates: count,
      scanned: count,
    }),
  ),
});

export const searchResponseSchema = strictObject({
  ...answered,
  results: z.array(hitSchema),
  aggregations: z.record(z.string(), aggregationResultSchema),
  explain: z.array(shardExplanationSchema).optional(),
});

export const countResponseSchema = strictObject({ ...answered, count });

/**
 * The form of a search, its size held to the limits before the schema walks it. What depends on the
 * collection is checked by checkSearch.
 *
 * @throws {Problem} with every violation.
 */
export function parseSearchRequest(input: unknown, limits: Limits): SearchRequest {
  const tooLarge = checkSearchSize(input, limits);
  if (tooLarge.length > 0) refuse("search", tooLarge);
  return plainSearch(input, PLAIN) ?? parseWith(searchRequestSchema, input, "search");
}

/** As parseSearchRequest. @throws {Problem} with every violation. */
export function parseCountRequest(input: unknown, limits: Limits): CountRequest {
  const tooLarge = checkSearchSize(input, limits);
  if (tooLarge.length > 0) refuse("count", tooLarge);
  return parseWith(countRequestSchema, input, "count");
}

/** A text query as a request states it; so with all types named ...Input: what has a default may be left out. */
export type TextClauseInput = Immutable<z.input<typeof textClause>>;
export type VectorClauseInput = Immutable<z.input<typeof vectorClause>>;
export type SearchQueryInput = { readonly weight?: number | undefined } & (
  { readonly text: TextClauseInput } | { readonly vector: VectorClauseInput }
);
export type AggregationInput = Immutable<
  | { terms: z.input<typeof terms> }
  | { histogram: z.input<typeof histogram> }
  | { stats: z.input<typeof stats> }
>;
/** Schemas that hold exactly one of several forms have no input type of their own. */
interface OpaqueParts {
  readonly queries?: readonly SearchQueryInput[] | undefined;
  readonly filter?: Filter | undefined;
  readonly aggregations?: Readonly<Record<string, AggregationInput>> | undefined;
}
export type SearchRequestInput = Immutable<
  Omit<z.input<typeof searchRequestSchema>, keyof OpaqueParts> & OpaqueParts
>;
export type CountRequestInput = Immutable<
  Omit<z.input<typeof countRequestSchema>, keyof OpaqueParts> & Omit<OpaqueParts, "aggregations">
>;

export type SearchRequest = Immutable<z.output<typeof searchRequestSchema>>;
export type CountRequest = Immutable<z.output<typeof countRequestSchema>>;
export type AggregationResult = Immutable<z.output<typeof aggregationResultSchema>>;
export type ShardFailure = Immutable<z.output<typeof shardFailureSchema>>;
export type ShardExplanation = Immutable<z.output<typeof shardExplanationSchema>>;
export type Hit = Immutable<z.output<typeof hitSchema>>;
export type SearchResponse = Immutable<z.output<typeof searchResponseSchema>>;
export type CountResponse = Immutable<z.output<typeof countResponseSchema>>;
