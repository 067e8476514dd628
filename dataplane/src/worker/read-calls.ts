/** Reading calls of one shard copy: committed, applied documents and nothing else. */
import { Problem } from "@prism/api/problem-code";
import { ReadLevelKind, ShardCall } from "@prism/proto/frame-kind";
import * as wire from "@prism/proto/gen/node";
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import type { StoredDocument } from "../adapters/lmdb/entry-codec.js";
import { fromWireStatistics, toWireStatistics } from "../adapters/wire/text-statistics.js";
import { projectionOf, type Projection } from "../domain/document-record.js";
import type { WantedRead } from "../domain/replication/event.js";
import { rankHits, type RankingRule } from "../domain/rank-hits.js";
import { encodeRankedHit } from "../domain/ranked-hit-codec.js";
import type { HitList } from "../domain/shard-query.js";
import { decodeShardQuery, encodeScores } from "../domain/shard-query-codec.js";
import type { ShardIndex } from "../engine/engine-port.js";
import type { CopyVerifications } from "./copy-verifications.js";

/** The copy, as reads see it. */
export interface ReadHost {
  readonly store: ShardStore;
  readonly slot: number;
  readonly historyId: string;
  readonly appliedSeq: number;
  /** Applied and on disk. */
  readonly durableSeq: number;
  readonly index: ShardIndex;
  readonly verifications: CopyVerifications;
  /** @throws {Problem} shardUnavailable when the copy must not answer. */
  assertReadable(): void;
  document(id: string): StoredDocument | undefined;
  /** Puts all that is applied into the store's next commit. */
  flush(): void;
  /** Resolves once applied; rejects with `consistencyNotMet`. */
  whenApplied(seq: number, timeoutMs: number): Promise<void>;
  /** Resolves with the seq to be applied first; rejects with `consistencyNotMet` or `noPrimary`. */
  confirm(wanted: WantedRead, timeoutMs: number): Promise<number>;
  /**
   * How old an answer may be that asks for nothing better: undefined for any age. Set while the node is
   * cut off and the cluster allows no stale reads.
   */
  stalenessLimitMs(): number | undefined;
}

/** The copy's word must be there before the one who asked stops listening, or nobody hears the reason. */
const ANSWER_MS = 100;
/** A node that is cut off says so soon. */
const CUT_OFF_WAIT_MS = 500;

const ALL_FIELDS = ["*"];

/** @throws {Problem} */
export async function answerRead(
  host: ReadHost,
  call: number,
  payload: Uint8Array,
  timeoutMs: number,
): Promise<Uint8Array> {
  host.assertReadable();
  switch (call) {
    case ShardCall.get:
      return await get(host, wire.GetRequest.decode(payload), timeoutMs);
    case ShardCall.statistics:
      return await statistics(host, wire.StatisticsRequest.decode(payload), timeoutMs);
    case ShardCall.search:
      return await search(host, wire.SearchRequest.decode(payload), timeoutMs);
    case ShardCall.fetch:
      return await fetchDocuments(host, wire.FetchRequest.decode(payload), timeoutMs);
    case ShardCall.scan:
      return await scan(host, wire.ScanRequest.decode(payload), timeoutMs);
    case ShardCall.verify:
      return await host.verifications.answer(payload, timeoutMs);
    default:
      throw new Problem("notImplemented", `shard call ${call} is unknown to this node`);
  }
}

/** @throws {Problem} historyLost, staleRead, noPrimary, or consistencyNotMet when the copy did not get there. */
async function reach(host: ReadHost, level: wire.ReadLevel | undefined, timeoutMs: number): Promise<void> {
  assertHistory(host, level);
  const untilMs = performance.now() + timeoutMs - Math.min(ANSWER_MS, timeoutMs / 5);
  const minimumSeq = Math.max(level?.minimumSeq ?? 0, await confirmed(host, level, untilMs));
  if (host.appliedSeq < minimumSeq) {
    await host.whenApplied(minimumSeq, untilMs - performance.now());
    host.assertReadable();
  }
  assertHistory(host, level);
}

function assertHistory(host: ReadHost, level: wire.ReadLevel | undefined): void {
  if (level === undefined || level.minimumSeq === 0 || level.historyId === "") return;
  if (level.historyId === host.historyId) return;
  throw new Problem("historyLost", `the session is of history ${level.historyId}, not ${host.historyId}`);
}

async function confirmed(
  host: ReadHost,
  level: wire.ReadLevel | undefined,
  untilMs: number,
): Promise<number> {
  const leftMs = untilMs - performance.now();
  switch (level?.kind) {
    case ReadLevelKind.strong:
      return await host.confirm({ level: "strong" }, leftMs);
    case ReadLevelKind.bounded:
      return await host.confirm({ level: "bounded", maxStalenessMs: level.maxStalenessMs }, leftMs);
    default: {
      const maxStalenessMs = host.stalenessLimitMs();
      if (maxStalenessMs === undefined) return 0;
      const wanted = { level: "bounded", maxStalenessMs } as const;
      return await host.confirm(wanted, Math.min(leftMs, CUT_OFF_WAIT_MS)).catch((error: unknown) => {
        if (!(error instanceof Problem) || error.code !== "consistencyNotMet") throw error;
        const detail = `this node is cut off from the control plane, and the copy may be stale (${error.detail})`;
        throw new Problem("staleRead", detail, { cause: error });
      });
    }
  }
}

function project(document: StoredDocument, projection: Projection): wire.Document {
  const { id, term, seq, record } = document;
  return { id, term, seq, fields: projection(record) };
}

async function get(host: ReadHost, request: wire.GetRequest, timeoutMs: number): Promise<Uint8Array> {
  await reach(host, request.read, timeoutMs);
  const document = host.document(request.id);
  const projection = projectionOf(request.hasInclude ? request.include : ALL_FIELDS);
  const { appliedSeq, historyId } = host;
  return wire.GetResponse.encode({
    found: document !== undefined,
    ...(document === undefined ? {} : { document: project(document, projection) }),
    appliedSeq,
    historyId,
  });
}

async function statistics(
  host: ReadHost,
  request: wire.StatisticsRequest,
  timeoutMs: number,
): Promise<Uint8Array> {
  await reach(host, request.read, timeoutMs);
  const fields = request.fields.map(({ field, query }) =>
    toWireStatistics(field, host.index.statistics(field, query)),
  );
  const { appliedSeq, historyId } = host;
  return wire.StatisticsResponse.encode({ fields, appliedSeq, historyId });
}

async function search(host: ReadHost, request: wire.SearchRequest, timeoutMs: number): Promise<Uint8Array> {
  await reach(host, request.read, timeoutMs);
  const query = decodeShardQuery(request);
  const shared = request.statistics.length === 0 ? undefined : fromWireStatistics(request.statistics);
  const result = host.index.search(query, shared);
  const { fetchOffset, fetchLimit, rankingJson } = request;
  const fetched = <T>(hits: readonly T[]): readonly T[] => hits.slice(fetchOffset, fetchOffset + fetchLimit);
  const page =
    rankingJson.length === 0
      ? undefined
      : fetched(rankHits(toRule(rankingJson), [{ shard: 0, lists: result.lists }]));
  const ids = page?.map(({ id }) => id) ?? fetched(result.lists[0]?.ids ?? []);
  return wire.SearchResponse.encode({
    lists: page === undefined ? result.lists.map(toWireList) : [],
    total: result.total,
    aggregationsJson: Buffer.from(JSON.stringify(result.aggregations)),
    appliedSeq: host.appliedSeq,
    historyId: host.historyId,
    explainJson: query.explain ? Buffer.from(JSON.stringify(result.explain)) : new Uint8Array(0),
    documents: documentsOf(host, ids, request),
    page: page?.map(encodeRankedHit) ?? [],
  });
}

function toWireList({ ids, scores }: HitList): wire.HitList {
  return { ids: [...ids], scores: encodeScores(scores) };
}

function toRule(json: Uint8Array): RankingRule {
  return JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.length).toString()) as RankingRule;
}

async function fetchDocuments(
  host: ReadHost,
  request: wire.FetchRequest,
  timeoutMs: number,
): Promise<Uint8Array> {
  await reach(host, request.read, timeoutMs);
  return wire.FetchResponse.encode({ documents: documentsOf(host, request.ids, request) });
}

/** Those that exist, in the order of the ids. */
function documentsOf(
  host: ReadHost,
  ids: readonly string[],
  asked: { readonly include: readonly string[]; readonly hasInclude: boolean },
): wire.Document[] {
  const projection = projectionOf(asked.hasInclude ? asked.include : undefined);
  return ids.flatMap((id) => {
    const document = host.document(id);
    return document === undefined ? [] : [project(document, projection)];
  });
}

/** In byte order of ids, out of the store alone: what was acknowledged before the call came is there by then. */
async function scan(host: ReadHost, request: wire.ScanRequest, timeoutMs: number): Promise<Uint8Array> {
  await reach(host, request.read, timeoutMs);
  if (host.durableSeq < host.appliedSeq) {
    host.flush();
    await host.store.durable();
  }
  host.assertReadable();
  const projection = projectionOf(request.hasInclude ? request.include : undefined);
  const documents: wire.Document[] = [];
  const { store, slot, durableSeq, historyId } = host;
  if (request.limit > 0) {
    for (const { doc } of store.ids(slot, request.after)) {
      const document = store.document(slot, doc);
      if (document !== undefined) documents.push(project(document, projection));
      if (documents.length >= request.limit) break;
    }
  }
  return wire.ScanResponse.encode({ documents, appliedSeq: durableSeq, historyId });
}
