/**
 * A cluster for coordinator tests: its map, and shard calls that decode and encode the real wire
 * messages over documents in maps. A node can be told to freeze, break or refuse. All copies of a
 * shard share one store: what replication does is not this fake's matter.
 */
import { parseClusterSettings } from "@prism/api/cluster";
import { parseCollectionSpec, type CollectionSpec } from "@prism/api/collection";
import { ReadLevelKind, ShardCall, WriteAction } from "@prism/proto/frame-kind";
import * as wire from "@prism/proto/gen/node";
import type {
  AllocationId,
  ClusterMap,
  HistoryId,
  NodeId,
  ShardMap,
  ShardUid,
} from "../domain/cluster-map.js";
import { compareByteOrder } from "../domain/byte-order.js";
import { rankHits, type RankingRule } from "../domain/rank-hits.js";
import { encodeRankedHit } from "../domain/ranked-hit-codec.js";
import { decodeScores, encodeScores, decodeShardQuery } from "../domain/shard-query-codec.js";
import { CurrentMap } from "../services/current-map.js";
import {
  ShardProblem,
  type ShardCallOptions,
  type ShardCalls,
  type ShardTarget,
} from "../services/shard-calls.js";

export type Conduct =
  | { readonly kind: "ok" }
  /** Answers nothing until the caller gives up. */
  | { readonly kind: "frozen" }
  /** Calls can't be sent. */
  | { readonly kind: "unreachable" }
  /** Executes the call, then loses the connection. */
  | { readonly kind: "losesAnswers" }
  | { readonly kind: "refuses"; readonly problem: ShardProblem };

interface Stored {
  readonly fields: Record<string, unknown>;
  readonly term: number;
  readonly seq: number;
}

interface Store {
  readonly documents: Map<string, Stored>;
  readonly outcomes: Map<string, wire.WriteOutcome>;
  seq: number;
}

export interface Call {
  readonly node: NodeId;
  readonly call: ShardCall;
  readonly shard: ShardUid;
  readonly read: wire.ReadLevel | undefined;
}

export class FakeCluster implements ShardCalls {
  readonly view: CurrentMap;
  readonly stores = new Map<ShardUid, Store>();
  readonly made: Call[] = [];
  readonly #conduct = new Map<NodeId, Conduct>();
  #map: ClusterMap;

  constructor(self: string, map: ClusterMap) {
    this.view = new CurrentMap(self as NodeId);
    this.#map = map;
    this.view.offer(map);
  }

  get map(): ClusterMap {
    return this.#map;
  }

  conduct(node: string, conduct: Conduct): void {
    this.#conduct.set(node as NodeId, conduct);
  }

  /** Publishes a newer map. */
  change(change: (map: ClusterMap) => Partial<ClusterMap>): void {
    this.#map = { ...this.#map, ...change(this.#map), revision: this.#map.revision + 1 };
    this.view.offer(this.#map);
  }

  /** Makes another copy primary of every shard, as the control plane does. */
  promote(node: string): void {
    this.change((map) => ({
      shards: map.shards.map((shard) => ({
        ...shard,
        primary: `${shard.uid}@${node}` as AllocationId,
        term: shard.term + 1,
        version: shard.version + 1,
      })),
    }));
  }

  isReachable(node: NodeId): boolean {
    return this.#conduct.get(node)?.kind !== "unreachable";
  }

  async call(
    target: ShardTarget,
    call: ShardCall,
    payload: Uint8Array,
    options: ShardCallOptions,
  ): Promise<Uint8Array> {
    const read = readLevelOf(call, payload);
    this.made.push({ node: target.node, shard: target.shard, call, read });
    if (read?.kind === ReadLevelKind.strong) this.#assertPrimary(target);
    const conduct = this.#conduct.get(target.node) ?? { kind: "ok" };
    switch (conduct.kind) {
      case "ok":
        return await Promise.resolve(this.#answer(target, call, payload));
      case "losesAnswers":
        this.#answer(target, call, payload);
        throw new ShardProblem("shardUnavailable", "the connection broke", {
          executed: call === ShardCall.write ? "unknown" : "no",
        });
      case "unreachable":
        throw new ShardProblem("shardUnavailable", "no connection", { executed: "no" });
      case "refuses":
        throw conduct.problem;
      case "frozen":
        return await unanswered(call, options);
    }
  }

  store(shard: ShardUid): Store {
    const known = this.stores.get(shard);
    if (known !== undefined) return known;
    const store: Store = { documents: new Map(), outcomes: new Map(), seq: 0 };
    this.stores.set(shard, store);
    return store;
  }

  #assertPrimary({ shard: uid, node }: ShardTarget): void {
    const shard = this.#map.shards.find((one) => one.uid === uid);
    const primary = shard?.copies.find((copy) => copy.id === shard.primary)?.node;
    if (primary === node) return;
    throw new ShardProblem("noPrimary", "not the primary", { executed: "no", primaryNode: primary });
  }

  #answer(target: ShardTarget, call: ShardCall, payload: Uint8Array): Uint8Array {
    const shard = this.#map.shards.find((one) => one.uid === target.shard);
    if (shard === undefined) throw new ShardProblem("shardUnavailable", "no such shard", { executed: "no" });
    const store = this.store(target.shard);
    const position = { appliedSeq: store.seq, historyId: shard.historyId };
    switch (call) {
      case ShardCall.write:
        return this.#write(shard, target.node, wire.WriteRequest.decode(payload), store);
      case ShardCall.get: {
        const { id } = wire.GetRequest.decode(payload);
        const document = toDocument(id, store.documents.get(id));
        return wire.GetResponse.encode({
          found: document !== undefined,
          ...(document === undefined ? {} : { document }),
          ...position,
        });
      }
      case ShardCall.statistics:
        return wire.StatisticsResponse.encode({
          fields: statistics(wire.StatisticsRequest.decode(payload), store),
          ...position,
        });
      case ShardCall.search: {
        const request = wire.SearchRequest.decode(payload);
        const found = search(request, store);
        const { fetchLimit, fetchOffset, rankingJson } = request;
        const ranked = rankingJson.length === 0 ? undefined : rankAll(found.lists, rankingJson);
        const page = ranked?.slice(fetchOffset, fetchOffset + fetchLimit) ?? [];
        const ids =
          ranked === undefined
            ? (found.lists[0]?.ids.slice(fetchOffset, fetchOffset + fetchLimit) ?? [])
            : page.map((hit) => hit.id);
        const documents = ids.map((id) => toDocument(id, store.documents.get(id))!);
        const lists = ranked === undefined ? found.lists : [];
        return wire.SearchResponse.encode({ ...found, lists, page, documents, ...position });
      }
      case ShardCall.fetch: {
        const documents = wire.FetchRequest.decode(payload).ids.flatMap(
          (id) => toDocument(id, store.documents.get(id)) ?? [],
        );
        return wire.FetchResponse.encode({ documents });
      }
      case ShardCall.scan: {
        const { after, limit } = wire.ScanRequest.decode(payload);
        const ids = [...store.documents.keys()].filter(
          (id) => after === "" || compareByteOrder(id, after) > 0,
        );
        const page = ids.sort(compareByteOrder).slice(0, limit);
        const documents = page.map((id) => toDocument(id, store.documents.get(id))!);
        return wire.ScanResponse.encode({ documents, ...position });
      }
      case ShardCall.verify:
      case ShardCall.replication:
        throw new Error("not of this fake");
    }
  }

  #write(shard: ShardMap, node: NodeId, request: wire.WriteRequest, store: Store): Uint8Array {
    const primary = shard.copies.find((copy) => copy.id === shard.primary);
    if (primary?.node !== node) {
      throw new ShardProblem("noPrimary", "not the primary", { executed: "no", primaryNode: primary?.node });
    }
    const outcomes = request.items.map((item) => {
      const known = store.outcomes.get(item.operationId);
      if (known !== undefined) return known;
      const outcome = execute(item, shard.term, store);
      if (outcome.error === undefined) store.outcomes.set(item.operationId, outcome);
      return outcome;
    });
    const { historyId } = shard;
    return wire.WriteResponse.encode({ outcomes, historyId, copies: shard.inSync.length, zones: 1 });
  }
}

function execute(item: wire.WriteItem, term: number, store: Store): wire.WriteOutcome {
  const current = store.documents.get(item.id);
  const refuse = (code: string, detail: string): wire.WriteOutcome => ({
    result: "",
    term: 0,
    seq: 0,
    error: { code, detail, executed: "no", errorsJson: new Uint8Array(0), primaryNode: "" },
  });
  if (item.ifMatch !== "" && item.ifMatch !== `${current?.term}.${current?.seq}`) {
    return refuse("versionConflict", "another version");
  }
  if (current !== undefined && (item.ifNoneMatch || item.action === WriteAction.create)) {
    return refuse("documentExists", "it is there");
  }
  if (item.action === WriteAction.patch && current === undefined) return refuse("documentNotFound", "none");
  store.seq += 1;
  const { seq } = store;
  if (item.action === WriteAction.delete) {
    const result = store.documents.delete(item.id) ? "deleted" : "unchanged";
    return { result, term, seq };
  }
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(new TextDecoder().decode(item.document)) as Record<string, unknown>;
  } catch {
    store.seq -= 1;
    return refuse("invalidJson", "the document is not JSON");
  }
  const whole = item.action === WriteAction.patch ? { ...current?.fields, ...fields } : fields;
  store.documents.set(item.id, { fields: whole, term, seq });
  return { result: current === undefined ? "created" : "updated", term, seq };
}

function toDocument(id: string, stored: Stored | undefined): wire.Document | undefined {
  if (stored === undefined) return undefined;
  const fields = new TextEncoder().encode(JSON.stringify(stored.fields));
  return { id, fields, term: stored.term, seq: stored.seq };
}

/** A document's words are those of its field `title`; its score is how often the query's words are in it. */
function wordsOf(stored: Stored): string[] {
  const { title } = stored.fields;
  return (typeof title === "string" ? title : "")
    .toLowerCase()
    .split(/\W+/)
    .filter((word) => word !== "");
}

function statistics(request: wire.StatisticsRequest, store: Store): wire.FieldStatistics[] {
  return request.fields.map(({ field, query }) => ({
    field,
    documents: store.documents.size,
    totalLength: [...store.documents.values()].reduce((sum, one) => sum + wordsOf(one).length, 0),
    terms: query.split(" ").map((term) => ({
      term,
      documentFrequency: [...store.documents.values()].filter((one) => wordsOf(one).includes(term)).length,
    })),
  }));
}

function rankAll(lists: readonly wire.HitList[], rankingJson: Uint8Array): wire.RankedHit[] {
  const rule = JSON.parse(new TextDecoder().decode(rankingJson)) as RankingRule;
  const decoded = lists.map(({ ids, scores }) => ({ ids, scores: decodeScores(scores) }));
  return rankHits(rule, [{ shard: 0, lists: decoded }]).map(encodeRankedHit);
}

/** Text: matching words, times the documents that the statistics speak of. Vector: the sum of the two vectors' products. */
function search(
  request: wire.SearchRequest,
  store: Store,
): Pick<wire.SearchResponse, "lists" | "total" | "aggregationsJson" | "explainJson"> {
  const query = decodeShardQuery({ queryJson: request.queryJson, vectors: request.vectors });
  const documents = [...store.documents];
  const scorers = query.queries.map((one) => (stored: Stored): number => {
    if (one.kind === "vector") {
      const values = (stored.fields[one.field] ?? []) as number[];
      return values.reduce((sum, value, i) => sum + value * one.values[i]!, 0);
    }
    const scale = request.statistics[0]?.documents ?? store.documents.size;
    const words = wordsOf(stored);
    return scale * one.query.split(" ").filter((word) => words.includes(word)).length;
  });
  if (scorers.length === 0) scorers.push(() => 0);
  const isFilterOnly = query.queries.length === 0;
  const matches = new Set<string>();
  const lists = scorers.map((score) => {
    const hits = documents
      .map(([id, stored]) => ({ id, score: score(stored) }))
      .filter((hit) => isFilterOnly || hit.score > 0)
      .sort((a, b) => b.score - a.score || compareByteOrder(a.id, b.id));
    for (const hit of hits) matches.add(hit.id);
    const kept = hits.slice(0, query.size);
    return {
      ids: kept.map((hit) => hit.id),
      scores: encodeScores(Float64Array.from(kept, (hit) => hit.score)),
    };
  });
  const aggregations = Object.fromEntries(
    Object.entries(query.aggregations).map(([name, { field }]) => {
      const counts = new Map<string, number>();
      for (const id of matches) {
        const key = String(store.documents.get(id)!.fields[field]);
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      return [name, { kind: "terms", buckets: [...counts], otherCount: 0, cutCount: 0 }];
    }),
  );
  return {
    lists,
    total: matches.size,
    aggregationsJson: new TextEncoder().encode(JSON.stringify(aggregations)),
    explainJson: new Uint8Array(0),
  };
}

function readLevelOf(call: ShardCall, payload: Uint8Array): wire.ReadLevel | undefined {
  switch (call) {
    case ShardCall.get:
      return wire.GetRequest.decode(payload).read;
    case ShardCall.statistics:
      return wire.StatisticsRequest.decode(payload).read;
    case ShardCall.search:
      return wire.SearchRequest.decode(payload).read;
    case ShardCall.fetch:
      return wire.FetchRequest.decode(payload).read;
    case ShardCall.scan:
      return wire.ScanRequest.decode(payload).read;
    default:
      return undefined;
  }
}

function unanswered(call: ShardCall, options: ShardCallOptions): Promise<never> {
  return new Promise((_, reject) => {
    const giveUp = (): void => {
      clearTimeout(timer);
      const executed = call === ShardCall.write ? "unknown" : "no";
      reject(new ShardProblem("timeout", "no answer", { executed }));
    };
    const timer = setTimeout(giveUp, options.timeoutMs);
    options.signal?.addEventListener("abort", giveUp);
  });
}

export interface FakeMapOptions {
  /** Node ids; node i stands in zone i mod 3. Default n1. */
  readonly nodes?: readonly string[];
  /** Name and what is not default. */
  readonly collections?: readonly (Partial<CollectionSpec> & { readonly name: string })[];
  /** Copies per shard, on the nodes in turn. Default 1. */
  readonly factor?: number;
}

const FIELDS = [
  { name: "title", type: "text" },
  { name: "party", type: "keyword" },
  { name: "year", type: "integer" },
  { name: "givenAt", type: "date" },
  { name: "embedding", type: "vector", dimensions: 2 },
];

export function fakeMap(options: FakeMapOptions = {}): ClusterMap {
  const nodeIds = (options.nodes ?? ["n1"]) as readonly NodeId[];
  const settings = parseClusterSettings({
    version: "0.1.0",
    nodes: nodeIds.length,
    replication: { minReplicasForWrite: 1 },
  });
  const collections = (options.collections ?? [{ name: "speeches", shards: 3 }]).map((one) => ({
    uid: `uid-${one.name}`,
    name: one.name,
    generation: 1,
    spec: parseCollectionSpec(
      { fields: FIELDS, ...one },
      { replication: { factor: options.factor ?? 1, minReplicasForWrite: 1 } },
      { name: one.name },
    ),
  }));
  const zoneOf = (i: number): string => "abc"[i % 3]!;
  return {
    clusterId: "cluster-1",
    clusterName: "test",
    revision: 1,
    leaderEpoch: 1,
    settings,
    nodes: nodeIds.map((id, i) => ({
      id,
      name: id,
      peerAddress: "",
      httpUrl: `http://${id}.test:3080`,
      zone: zoneOf(i),
      rack: "",
      region: "",
      attributes: {},
      state: "alive",
      bootId: `boot-${id}`,
    })),
    collections,
    deletedCollections: [],
    shards: collections.flatMap((collection) =>
      Array.from({ length: collection.spec.shards }, (_, number) =>
        fakeShard(collection, number, nodeIds, options.factor ?? 1, zoneOf),
      ),
    ),
  };
}

function fakeShard(
  collection: { readonly uid: string; readonly name: string },
  number: number,
  nodes: readonly NodeId[],
  factor: number,
  zoneOf: (node: number) => string,
): ShardMap {
  const uid = `${collection.name}-${number}` as ShardUid;
  const copies = Array.from({ length: factor }, (_, i) => {
    const at = (number + i) % nodes.length;
    return { id: `${uid}@${nodes[at]}` as AllocationId, node: nodes[at]!, zone: zoneOf(at) };
  });
  return {
    uid,
    collectionUid: collection.uid,
    number,
    version: 1,
    term: 1,
    historyId: "history-1" as HistoryId,
    primary: copies[0]!.id,
    inSync: copies.map((copy) => copy.id),
    recovering: [],
    copies,
    bootstrap: "",
  };
}
