/** A checked search request as what each shard is asked, and what is done with the answers. */
import type { CollectionSpec } from "@prism/api/collection";
import { parseDate } from "@prism/api/date";
import type { Aggregation, CountRequest, Filter, SearchQuery, SearchRequest } from "@prism/api/search";
import type { FieldTerms } from "@prism/proto/gen/node";
import type { AggregationRequest } from "./aggregation.js";
import type { FilterValue, ShardQuery, TextQuery, VectorQuery } from "./shard-query.js";

/** The query for every shard. The request has passed checkSearch. */
export function planSearch(request: SearchRequest, spec: CollectionSpec): ShardQuery {
  const aggregations = Object.fromEntries(
    Object.entries(request.aggregations).map(([name, one]) => [name, toAggregation(one)]),
  );
  const size = request.queries.length > 1 ? fusionWindow(request) : request.offset + request.limit;
  return { ...planMatching(request, spec), aggregations, size, explain: request.explain };
}

export function planCount(request: CountRequest, spec: CollectionSpec): ShardQuery {
  return { ...planMatching(request, spec), aggregations: {}, size: 0, explain: false };
}

/** Hits of each query that are fused: never fewer than the page asks for, or a page could lack results that exist. */
export function fusionWindow(request: SearchRequest): number {
  return request.limit === 0 ? 0 : Math.max(request.fusion.window, request.offset + request.limit);
}

/** What the statistics round asks; empty when scores need no statistics of other shards. */
export function termsToCount(query: ShardQuery): FieldTerms[] {
  return query.queries.flatMap((one) =>
    one.kind === "text" ? Object.keys(one.fields).map((field) => ({ field, query: one.query })) : [],
  );
}

function planMatching(
  request: SearchRequest | CountRequest,
  spec: CollectionSpec,
): Pick<ShardQuery, "queries" | "filter"> {
  const queries = request.queries.map(toQuery);
  if (request.filter === undefined) return { queries };
  const dates = new Set(spec.fields.filter((field) => field.type === "date").map((field) => field.name));
  return { queries, filter: withDatesInMs(request.filter, dates) };
}

function toQuery(query: SearchQuery): TextQuery | VectorQuery {
  if ("text" in query) return { kind: "text", ...query.text };
  const { field, values, candidates } = query.vector;
  return { kind: "vector", field, values: new Float32Array(values), candidates };
}

function toAggregation(aggregation: Aggregation): AggregationRequest {
  if ("terms" in aggregation) return { kind: "terms", ...aggregation.terms };
  if ("histogram" in aggregation) return { kind: "histogram", ...aggregation.histogram };
  return { kind: "stats", ...aggregation.stats };
}

function withDatesInMs(filter: Filter, dates: ReadonlySet<string>): Filter {
  if ("and" in filter) return { and: filter.and.map((part) => withDatesInMs(part, dates)) };
  if ("or" in filter) return { or: filter.or.map((part) => withDatesInMs(part, dates)) };
  if ("not" in filter) return { not: withDatesInMs(filter.not, dates) };
  if (!dates.has(filter.field) || "exists" in filter) return filter;
  if ("equals" in filter) return { field: filter.field, equals: toMs(filter.equals) };
  if ("in" in filter) return { field: filter.field, in: filter.in.map(toMs) };
  const { field, ...bounds } = filter;
  return { field, ...Object.fromEntries(Object.entries(bounds).map(([key, bound]) => [key, toMs(bound)])) };
}

function toMs<T extends FilterValue>(value: T): T | number {
  return typeof value === "string" ? (parseDate(value) ?? value) : value;
}
