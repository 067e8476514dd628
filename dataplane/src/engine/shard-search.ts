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
import type { ColumnEngine, DocumentHits, QueryAnswer, TextEngine, VectorEngine } from "./engine-port.js";
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
  const hasAggregations = Object.keys(query.aggregations).length > 0;
  const isOne = query.queries.length === 1;
  const answers: QueryAnswer[] = [];
  // Vectors first: what they match is at hand, and often it is all there is to match.
  let isAllMatched = false;
  for (const kind of ["vector", "text"] as const) {
    query.queries.forEach((part, i) => {
      if (part.kind !== kind) return;
      const wantMatches = !isAllMatched && (hasAggregations || !isOne);
      const context = { accept, live, acceptCount, size: query.size, wantMatches };
      const answer =
        part.kind === "text" ? text.search(part, statistics, context) : vectors.search(part, context);
      answers[i] = answer;
      isAllMatched ||= wantMatches && answer.total === acceptCount;
    });
  }
  const needsUnion = !isAllMatched && (hasAggregations || !isOne);
  const matches = needsUnion ? uniteMatches(answers) : (accept ?? live);
  return {
    lists: answers.map(({ hits }) => toHitList(hits, query.size, engines.ids)),
    total: isOne ? answers[0]!.total : needsUnion ? matches.count() : acceptCount,
    aggregations: aggregateAll(query.aggregations, columns, matches),
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
  const ordered = Array.from(docs);
  const count = Math.min(size, ordered.length);
  // Hits come by score, so that only runs of equal ones are to be put in order.
  for (let from = 0, to = 1; from < count; from = to, to += 1) {
    while (to < ordered.length && scores[to] === scores[from]) to += 1;
    if (to - from === 1) continue;
    const run = ordered.slice(from, to).sort((a, b) => ids.compare(a, b));
    for (let i = 0; i < run.length; i += 1) ordered[from + i] = run[i]!;
  }
  ordered.length = count;
  return { ids: ordered.map((doc) => ids.idOf(doc)), scores: scores.slice(0, count) };
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
