/**
 * Searches a collection: text statistics of all shards, the query on one copy of each, the merge,
 * and the fields of the page's hits. A shard that gives no answer in time is missing from the
 * results, and the results say so.
 */
import { checkSearch } from "@prism/api/check-search";
import type { ClusterSettings } from "@prism/api/cluster";
import type { ConsistencyAnswer } from "@prism/api/consistency";
import type { Limits } from "@prism/api/limits";
import { Problem } from "@prism/api/problem-code";
import { refuse } from "@prism/api/schema";
import type {
  AggregationResult,
  CountRequest,
  SearchRequest,
  ShardExplanation,
  ShardFailure,
} from "@prism/api/search";
import { ShardCall } from "@prism/proto/frame-kind";
import {
  SearchRequest as WireSearchRequest,
  SearchResponse as WireSearchResponse,
  StatisticsRequest,
  StatisticsResponse,
  type Document,
  type FieldStatistics,
} from "@prism/proto/gen/node";
import { mergeAggregations, type PartialAggregation } from "../domain/aggregation.js";
import type { NodeId } from "../domain/cluster-map.js";
import type { FusedHit } from "../domain/fusion.js";
import { mergeStatistics } from "../domain/merge-statistics.js";
import { refusePartial, summarizeShards, type ShardsSummary } from "../domain/partial-results.js";
import { rankHits, rankingRuleOf } from "../domain/rank-hits.js";
import { decodeRankedHit } from "../domain/ranked-hit-codec.js";
import { planCount, planSearch, termsToCount } from "../domain/search-plan.js";
import { decodeScores, encodeShardQuery } from "../domain/shard-query-codec.js";
import type { HitList, QueryExplanation, ShardQuery } from "../domain/shard-query.js";
import type { CancelSignal } from "./cancellation.js";
import type { ClusterDirectory, CollectionEntry } from "./cluster-directory.js";
import { toShardFailure, type CopyReader } from "./copy-reader.js";
import { Deadline } from "./deadline.js";
import { HitFetcher, withFields, type PageHit } from "./hit-fetcher.js";
import type { EncodeAtLevel, LevelAnswer, LevelReader } from "./level-reader.js";
import { ReadSession, type Downgrade, type SeenShard } from "./read-level.js";

const utf8 = new TextDecoder();

const toUtf8 = new TextEncoder();
const NOTHING = new Uint8Array(0);

const NO_PAGE: PageOfFields = {
  fetchLimit: 0,
  fetchOffset: 0,
  include: [],
  hasInclude: false,
  rankingJson: NOTHING,
};

/** The statistics round ends here, so that a silent shard leaves time for the search itself. */
const STATISTICS_SHARE = 0.3;
/** Of the time for a search: kept to fetch the hits' fields and to answer. */
const ANSWER_SHARE = 0.15;
const LONGEST_ANSWER_MS = 250;

export interface SearchAnswer {
  readonly complete: boolean;
  readonly total: { readonly value: number; readonly relation: "eq" | "gte" };
  readonly consistency: ConsistencyAnswer;
  readonly shards: ShardsSummary;
  readonly session: string;
  readonly hits: readonly PageHit[];
  readonly aggregations: Readonly<Record<string, AggregationResult>>;
  readonly explain: readonly ShardExplanation[] | undefined;
}

/** One shard's answer, decoded. */
interface ShardAnswer {
  readonly shard: number;
  readonly node: NodeId;
  readonly tookMs: number;
  readonly lists: readonly HitList[];
  readonly total: number;
  readonly aggregations: Readonly<Record<string, PartialAggregation>>;
  readonly explain: readonly QueryExplanation[];
  readonly documents: readonly Document[];
  /** Undefined: to be ranked from the lists. */
  readonly page: readonly FusedHit[] | undefined;
  readonly seen: SeenShard;
  readonly downgrade: Downgrade | undefined;
}

type PageOfFields = Pick<
  WireSearchRequest,
  "fetchLimit" | "fetchOffset" | "include" | "hasInclude" | "rankingJson"
>;

interface Round {
  readonly collection: CollectionEntry;
  readonly query: ShardQuery;
  readonly session: ReadSession;
  readonly deadline: Deadline;
  readonly signal: CancelSignal | undefined;
  /** Whose fields the shard's answer is to bring along, when one shard alone makes the page. */
  readonly page: PageOfFields | undefined;
}

interface CountedTerms {
  readonly statistics: FieldStatistics[];
  /** By shard: who answered at the level asked for, and what that showed. */
  readonly shown: ReadonlyMap<number, { readonly node: NodeId; readonly seen: SeenShard }>;
}

interface Answers {
  readonly answers: readonly ShardAnswer[];
  readonly failures: ShardFailure[];
}

export class SearchService {
  readonly #directory: ClusterDirectory;
  readonly #reader: LevelReader;
  readonly #fetcher: HitFetcher;
  readonly #limits: Limits;

  constructor(directory: ClusterDirectory, reader: LevelReader, copies: CopyReader, limits: Limits) {
    this.#directory = directory;
    this.#reader = reader;
    this.#fetcher = new HitFetcher(copies);
    this.#limits = limits;
  }

  /**
   * Throws Problem: every violation of the request; `partialResults` when too few shards answered;
   * `historyLost` when the session's history was given up.
   */
  async search(name: string, request: SearchRequest, signal?: CancelSignal): Promise<SearchAnswer> {
    const collection = this.#check(name, request);
    const query = planSearch(request, collection.spec);
    const round = this.#round(collection, query, request, signal, onlyPage(collection, request));
    const { answers, failures } = await this.#ask(round);
    const page = pageOf(request, answers);
    const hits = await this.#withFields(round, page, answers, failures, request.include);
    const answer = this.#conclude(round, request, answers, failures);
    return {
      ...answer,
      hits,
      aggregations: aggregate(query, answers),
      explain: request.explain
        ? answers.map(({ shard, node, tookMs, explain }) => ({ shard, node, tookMs, queries: [...explain] }))
        : undefined,
    };
  }

  /** As search, without hits. */
  async count(
    name: string,
    request: CountRequest,
    signal?: CancelSignal,
  ): Promise<Omit<SearchAnswer, "hits" | "aggregations" | "explain">> {
    const collection = this.#check(name, request);
    const query = planCount(request, collection.spec);
    const round = this.#round(collection, query, request, signal, undefined);
    const { answers, failures } = await this.#ask(round);
    return this.#conclude(round, request, answers, failures);
  }

  /** A shard that fails to give them is added to `failures`. */
  async #withFields(
    round: Round,
    page: readonly FusedHit[],
    answers: readonly ShardAnswer[],
    failures: ShardFailure[],
    include: readonly string[] | undefined,
  ): Promise<readonly PageHit[]> {
    if (round.page !== undefined) {
      return withFields(
        page,
        answers.flatMap((answer) => answer.documents),
      );
    }
    const ranked = new Map(
      answers.map(({ shard, node, seen }) => [shard, { node, read: round.session.levelAfter(seen) }]),
    );
    const fetched = await this.#fetcher.fetch(round.collection, page, ranked, include, round);
    failures.push(...fetched.failures);
    return fetched.hits;
  }

  #check(name: string, request: SearchRequest | CountRequest): CollectionEntry {
    const collection = this.#directory.collection(name);
    const violations = checkSearch(request, collection.spec, this.#limits);
    return violations.length > 0 ? refuse("search", violations) : collection;
  }

  #settings(): ClusterSettings["search"] {
    return this.#directory.index().map.settings.search;
  }

  #round(
    collection: CollectionEntry,
    query: ShardQuery,
    request: SearchRequest | CountRequest,
    signal: CancelSignal | undefined,
    page: PageOfFields | undefined,
  ): Round {
    const session = new ReadSession(request.consistency, collection.uid);
    const deadline = Deadline.in(request.timeoutMs ?? this.#settings().timeoutMs);
    return { collection, query, session, deadline, signal, page };
  }

  /** Asks every shard; one that fails is in `failures`. Throws `historyLost` alone. */
  async #ask(round: Round): Promise<Answers> {
    const { statistics, shown } = await this.#statistics(round);
    const encoded = encodeShardQuery(round.query);
    const { deadline, session } = round;
    const shardDeadline = deadline.before(Math.min(LONGEST_ANSWER_MS, deadline.totalMs * ANSWER_SHARE));
    const settled = await Promise.allSettled(
      round.collection.shards.map(async (_, number): Promise<ShardAnswer> => {
        const encode: EncodeAtLevel = (level) =>
          WireSearchRequest.encode({ ...encoded, ...(round.page ?? NO_PAGE), statistics, ...level });
        const target = { collection: round.collection, number };
        const known = shown.get(number);
        const options = { deadline: shardDeadline, signal: round.signal, preferred: known?.node };
        return decodeAnswer(
          number,
          await this.#reader.read(target, ShardCall.search, encode, session, options, known?.seen),
        );
      }),
    );
    const answers: ShardAnswer[] = [];
    const failures: ShardFailure[] = [];
    settled.forEach((outcome, number) => {
      if (outcome.status === "fulfilled") answers.push(outcome.value);
      else failures.push(toShardFailure(number, outcome.reason));
    });
    const lost = failures.find((failure) => failure.reason === "historyLost");
    if (lost !== undefined) throw new Problem("historyLost", `shard ${lost.shard}: ${lost.detail}`);
    return { answers, failures };
  }

  /** A shard that gives none leaves the others' scores a little off; whether that matters the search round tells. */
  async #statistics(round: Round): Promise<CountedTerms> {
    const fields = termsToCount(round.query);
    const shown = new Map<number, { readonly node: NodeId; readonly seen: SeenShard }>();
    if (fields.length === 0 || round.collection.shards.length === 1) return { statistics: [], shown };
    const deadline = round.deadline.share(STATISTICS_SHARE);
    const answers = await Promise.allSettled(
      round.collection.shards.map(async (_, number) => {
        const encode: EncodeAtLevel = (level) => StatisticsRequest.encode({ fields, ...level });
        const target = { collection: round.collection, number };
        const options = { deadline, signal: round.signal };
        const answer = await this.#reader.read(target, ShardCall.statistics, encode, round.session, options);
        const { fields: counted, appliedSeq: seq, historyId } = StatisticsResponse.decode(answer.payload);
        // What was confirmed for the statistics, after the request came, holds for the search as well.
        if (answer.downgrade === undefined && !round.session.isEventual) {
          shown.set(number, { node: answer.node, seen: { shard: number, historyId, seq } });
        }
        return counted;
      }),
    );
    const counted = answers.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    return { statistics: mergeStatistics(counted), shown };
  }

  #conclude(
    round: Round,
    request: SearchRequest | CountRequest,
    answers: readonly ShardAnswer[],
    failures: readonly ShardFailure[],
  ): Omit<SearchAnswer, "hits" | "aggregations" | "explain"> {
    const settings = this.#settings();
    const shards = summarizeShards(round.collection.shards.length, failures);
    const refusal = refusePartial(shards, {
      allowPartialResults: request.allowPartialResults ?? settings.allowPartialResults,
      minSuccessfulShards: request.minSuccessfulShards ?? settings.minSuccessfulShards,
    });
    if (refusal !== undefined) throw levelRefusal(shards, round.session) ?? refusal;
    const complete = shards.failed === 0;
    const downgrades = answers.flatMap(({ downgrade }) => downgrade ?? []);
    return {
      complete,
      total: {
        value: answers.reduce((sum, answer) => sum + answer.total, 0),
        relation: complete ? "eq" : "gte",
      },
      consistency: round.session.answered(complete, downgrades),
      shards,
      session: round.session.after(answers.map((answer) => answer.seen)),
    };
  }
}

/** Of one shard alone: it knows the ranking and the page, and a second call for its fields can be saved. */
function onlyPage(collection: CollectionEntry, request: SearchRequest): PageOfFields | undefined {
  const { include, limit, offset, queries } = request;
  if (collection.shards.length > 1 || include?.length === 0) return undefined;
  return {
    fetchLimit: limit,
    fetchOffset: offset,
    include: [...(include ?? [])],
    hasInclude: include !== undefined,
    rankingJson: queries.length > 1 ? toUtf8.encode(JSON.stringify(rankingRuleOf(request))) : NOTHING,
  };
}

/** The level is the reason when no shard that failed had another one: it says more than how many are missing. */
function levelRefusal({ failures }: ShardsSummary, { isEventual }: ReadSession): Problem | undefined {
  const code = isEventual ? "staleRead" : "consistencyNotMet";
  const first = failures[0];
  if (first === undefined || failures.some(({ reason }) => reason !== code)) return undefined;
  return new Problem(code, `shard ${first.shard}: ${first.detail}`);
}

function decodeAnswer(shard: number, { node, tookMs, payload, downgrade }: LevelAnswer): ShardAnswer {
  const response = WireSearchResponse.decode(payload);
  return {
    shard,
    node,
    tookMs,
    lists: response.lists.map(({ ids, scores }) => ({ ids, scores: decodeScores(scores) })),
    total: response.total,
    aggregations: parseJson(response.aggregationsJson, {}),
    explain: parseJson(response.explainJson, []),
    documents: response.documents,
    page: response.page.length === 0 ? undefined : response.page.map((hit) => decodeRankedHit(hit, shard)),
    seen: { shard, historyId: response.historyId, seq: response.appliedSeq },
    downgrade,
  };
}

function pageOf(request: SearchRequest, answers: readonly ShardAnswer[]): readonly FusedHit[] {
  const { offset, limit } = request;
  return answers[0]?.page ?? rankHits(rankingRuleOf(request), answers).slice(offset, offset + limit);
}

function parseJson<T>(bytes: Uint8Array, absent: T): T {
  return bytes.length === 0 ? absent : (JSON.parse(utf8.decode(bytes)) as T);
}

function aggregate(
  query: ShardQuery,
  answers: readonly ShardAnswer[],
): Readonly<Record<string, AggregationResult>> {
  return Object.fromEntries(
    Object.entries(query.aggregations).map(([name, request]) => {
      const parts = answers.flatMap((answer) => answer.aggregations[name] ?? []);
      return [name, mergeAggregations(request, parts)];
    }),
  );
}
