/** How a shard's search is put together from its engines: filter, then queries, then aggregations. */
import type { AggregationRequest, PartialAggregation } from "../domain/aggregation.js";
import type {
  HitList,
  QueryExplanation,
  ShardQuery,
  ShardQueryResult,
  TextStatistics,
} from "../domain/shard-query.js";
import type { Bitmap } from "./bitmap.js";
import { BoundedSelection } from "./bounded-selection.js";
import type {
  ColumnEngine,
  DocumentHits,
  QueryAnswer,
  SearchContext,
  TextEngine,
  VectorEngine,
} from "./engine-port.js";
import type { IdTable } from "./id-table.js";

export interface SearchedEngines {
  readonly ids: IdTable;
  readonly columns: ColumnEngine;
  readonly text: TextEngine;
  readonly vectors: VectorEngine;
  readonly live: Bitmap;
}

export function searchShard(
  engines: SearchedEngines,
  query: ShardQuery,
  statistics: ReadonlyMap<string, TextStatistics> | undefined,
): ShardQueryResult {
  const { columns, live, text, vectors } = engines;
  const accept = query.filter === undefined ? undefined : columns.filter(query.filter, live);
  const acceptCount = accept?.count() ?? engines.ids.size;
  if (query.queries.length === 0) return listAccepted(engines, query, accept ?? live, acceptCount);
  const wantMatches = query.queries.length > 1 || Object.keys(query.aggregations).length > 0;
  const context: SearchContext = { accept, live, acceptCount, size: query.size, wantMatches };
  const answers = query.queries.map((part) =>
    part.kind === "text" ? text.search(part, statistics, context) : vectors.search(part, context),
  );
  const matches = wantMatches ? uniteMatches(answers) : undefined;
  return {
    lists: answers.map(({ hits }) => toHitList(hits, query.size, engines.ids)),
    total: answers.length === 1 ? answers[0]!.total : matches!.count(),
    aggregations: matches === undefined ? {} : aggregateAll(query.aggregations, columns, matches),
    explain: query.explain ? answers.map(({ explanation }) => explanation) : [],
  };
}

function listAccepted(
  { ids, columns }: SearchedEngines,
  query: ShardQuery,
  accepted: Bitmap,
  acceptedCount: number,
): ShardQueryResult {
  const first = new BoundedSelection(query.size, (a, b) => ids.compare(a, b));
  if (query.size > 0) accepted.forEach((doc) => first.offer(doc));
  const listed = first.toSorted().map((doc) => ids.idOf(doc));
  const explanation: QueryExplanation = { path: "filter", candidates: acceptedCount, scanned: 0 };
  return {
    lists: [{ ids: listed, scores: new Float64Array(listed.length) }],
    total: acceptedCount,
    aggregations: aggregateAll(query.aggregations, columns, accepted),
    explain: query.explain ? [explanation] : [],
  };
}

function uniteMatches(answers: readonly QueryAnswer[]): Bitmap {
  const [first, ...others] = answers.map(({ matches }) => {
    if (matches === undefined) throw new Error("an engine gave no matches though they were asked for");
    return matches;
  });
  if (others.length === 0) return first!;
  // A copy, as an engine's answer may share its words.
  return others.reduce((united, matches) => united.or(matches), first!.clone());
}

/** The same hits by id, equal scores in byte order of ids, cut to `size`. */
function toHitList({ docs, scores }: DocumentHits, size: number, ids: IdTable): HitList {
  if (isStrictlyDescending(scores)) {
    const count = Math.min(size, docs.length);
    return {
      ids: Array.from(docs.subarray(0, count), (doc) => ids.idOf(doc)),
      scores: scores.slice(0, count),
    };
  }
  const places = Array.from(docs, (_, place) => place)
    .sort((a, b) => scores[b]! - scores[a]! || ids.compare(docs[a]!, docs[b]!))
    .slice(0, size);
  return {
    ids: places.map((place) => ids.idOf(docs[place]!)),
    scores: Float64Array.from(places, (place) => scores[place]!),
  };
}

/** No two are equal, so their order is decided already. */
function isStrictlyDescending(scores: Float64Array): boolean {
  for (let i = 1; i < scores.length; i += 1) if (!(scores[i - 1]! > scores[i]!)) return false;
  return true;
}

function aggregateAll(
  requests: Readonly<Record<string, AggregationRequest>>,
  columns: ColumnEngine,
  matches: Bitmap,
): Record<string, PartialAggregation> {
  // Names are the client's: `__proto__` is one too, and is kept as any other by fromEntries.
  return Object.fromEntries(
    Object.entries(requests).map(([name, request]) => [name, columns.aggregate(request, matches)]),
  );
}
