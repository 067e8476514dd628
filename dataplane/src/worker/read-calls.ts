/** Reading calls of one shard copy: committed, applied documents and nothing else. */
import { Problem } from "@prism/api/problem-code";
import { ShardCall } from "@prism/proto/frame-kind";
import * as wire from "@prism/proto/gen/node";
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import type { StoredDocument } from "../adapters/lmdb/entry-codec.js";
import { fromWireStatistics, toWireStatistics } from "../adapters/wire/text-statistics.js";
import { projectionOf, type Projection } from "../domain/document-record.js";
import { decodeShardQuery, encodeScores } from "../domain/shard-query-codec.js";
import type { ShardIndex } from "../engine/engine-port.js";

/** The copy, as reads see it. */
export interface ReadHost {
  readonly store: ShardStore;
  readonly slot: number;
  readonly historyId: string;
  readonly appliedSeq: number;
  /** Applied and on disk. */
  readonly durableSeq: number;
  readonly index: ShardIndex;
  /** @throws {Problem} shardUnavailable when the copy must not answer. */
  assertReadable(): void;
  document(id: string): StoredDocument | undefined;
  /** Resolves once applied; rejects with `timeout`. */
  whenApplied(seq: number, timeoutMs: number): Promise<void>;
}

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
      return fetchDocuments(host, wire.FetchRequest.decode(payload));
    case ShardCall.scan:
      return await scan(host, wire.ScanRequest.decode(payload), timeoutMs);
    default:
      throw new Problem("notImplemented", `shard call ${call} is unknown to this node`);
  }
}

/** @throws {Problem} historyLost, or timeout when the copy did not get there. */
async function reach(host: ReadHost, level: wire.ReadLevel | undefined, timeoutMs: number): Promise<void> {
  if (level === undefined || level.minimumSeq === 0) return;
  if (level.historyId !== "" && level.historyId !== host.historyId) {
    throw new Problem("historyLost", `the session is of history ${level.historyId}, not ${host.historyId}`);
  }
  if (host.appliedSeq >= level.minimumSeq) return;
  await host.whenApplied(level.minimumSeq, timeoutMs);
  host.assertReadable();
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
  return wire.StatisticsResponse.encode({ fields });
}

async function search(host: ReadHost, request: wire.SearchRequest, timeoutMs: number): Promise<Uint8Array> {
  await reach(host, request.read, timeoutMs);
  const query = decodeShardQuery(request);
  const shared = request.statistics.length === 0 ? undefined : fromWireStatistics(request.statistics);
  const result = host.index.search(query, shared);
  const { fetchOffset, fetchLimit } = request;
  const page = result.lists[0]?.ids.slice(fetchOffset, fetchOffset + fetchLimit) ?? [];
  return wire.SearchResponse.encode({
    lists: result.lists.map(({ ids, scores }) => ({ ids: [...ids], scores: encodeScores(scores) })),
    total: result.total,
    aggregationsJson: Buffer.from(JSON.stringify(result.aggregations)),
    appliedSeq: host.appliedSeq,
    historyId: host.historyId,
    explainJson: query.explain ? Buffer.from(JSON.stringify(result.explain)) : new Uint8Array(0),
    documents: documentsOf(host, page, request),
  });
}

function fetchDocuments(host: ReadHost, request: wire.FetchRequest): Uint8Array {
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
  if (host.durableSeq < host.appliedSeq) await host.store.durable();
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
