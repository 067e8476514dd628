/**
 * Shard workers in the test's own thread, real in all but the thread: stores in a directory, messages
 * through the worker protocol. Several make a cluster whose links the test holds.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseClusterSettings } from "@prism/api/cluster";
import { parseCollectionSpec, type CollectionSpec } from "@prism/api/collection";
import { DEFAULT_LIMITS, type Limits } from "@prism/api/limits";
import { ReadLevelKind, ShardCall, WriteAction } from "@prism/proto/frame-kind";
import * as wire from "@prism/proto/gen/node";
import { open as openLmdb } from "lmdb";
import { encodeShardQuery, decodeScores } from "../../domain/shard-query-codec.js";
import type { ShardQuery } from "../../domain/shard-query.js";
import type {
  AllocationId,
  ClusterMap,
  HistoryId,
  NodeId,
  ShardMap,
  ShardUid,
} from "../../domain/cluster-map.js";
import { ShardWorker } from "../shard-worker.js";
import type { FromWorker, ToWorker } from "../worker-message.js";

export const SHARD = "shard-1" as ShardUid;
const COLLECTION = "collection-1";

export const SPEC: CollectionSpec = parseCollectionSpec(
  {
    name: "books",
    shards: 1,
    fields: [
      { name: "title", type: "text" },
      { name: "year", type: "integer" },
      { name: "genre", type: "keyword" },
      { name: "embedding", type: "vector", dimensions: 2, metric: "cosine" },
    ],
  },
  { replication: { factor: 1, minReplicasForWrite: 1 } },
);

export interface MapChange {
  readonly revision?: number;
  readonly shard?: Partial<ShardMap>;
  readonly spec?: CollectionSpec;
  readonly generation?: number;
  readonly minReplicasForWrite?: number;
  readonly allowStaleReads?: boolean;
  /** Without the shard's record, or without the collection too. */
  readonly without?: "shard" | "collection";
  readonly deletionOnRecord?: boolean;
}

/** Copy `a<i>` on node `n<i>`, all in sync, `a1` primary. */
export function clusterMap(nodes: number, change: MapChange = {}): ClusterMap {
  const ids = Array.from({ length: nodes }, (_, i) => `a${i + 1}` as AllocationId);
  const shard: ShardMap = {
    uid: SHARD,
    collectionUid: COLLECTION,
    number: 0,
    version: 1,
    term: 1,
    historyId: "history-1" as HistoryId,
    primary: ids[0]!,
    inSync: ids,
    recovering: [],
    copies: ids.map((id, i) => ({ id, node: `n${i + 1}` as NodeId, zone: `z${i + 1}` })),
    bootstrap: "nonce",
    ...change.shard,
  };
  const spec = change.spec ?? SPEC;
  const minReplicasForWrite = change.minReplicasForWrite ?? Math.min(nodes, 2);
  const replication = { factor: Math.max(nodes, minReplicasForWrite), minReplicasForWrite };
  return {
    clusterId: "cluster-1",
    clusterName: "test",
    revision: change.revision ?? shard.version,
    leaderEpoch: 1,
    settings: parseClusterSettings({
      version: "0.1.0",
      health: { replicaTimeoutMs: 500, heartbeatIntervalMs: 100 },
      partition: { allowStaleReads: change.allowStaleReads ?? true },
    }),
    nodes: [],
    deletedCollections: change.deletionOnRecord === true ? [COLLECTION] : [],
    collections:
      change.without === "collection"
        ? []
        : [
            {
              uid: COLLECTION,
              name: "books",
              spec: { ...spec, replication },
              generation: change.generation ?? 1,
            },
          ],
    shards: change.without === undefined ? [shard] : [],
  };
}

export interface Written {
  readonly outcomes: readonly wire.WriteOutcome[];
  readonly copies: number;
  readonly zones: number;
}

export interface WriteStatement {
  readonly id: string;
  readonly action?: keyof typeof WriteAction;
  readonly document?: unknown;
  readonly operationId?: string;
  readonly ifMatch?: string;
  readonly ifNoneMatch?: boolean;
}

let operations = 0;

export function writeItem(statement: WriteStatement): wire.WriteItem {
  operations += 1;
  return {
    operationId: statement.operationId ?? `operation-${operations}`,
    action: WriteAction[statement.action ?? "put"],
    id: statement.id,
    document:
      statement.document === undefined ? new Uint8Array(0) : Buffer.from(JSON.stringify(statement.document)),
    ifMatch: statement.ifMatch ?? "",
    ifNoneMatch: statement.ifNoneMatch ?? false,
  };
}

export class CallFailed extends Error {
  readonly error: wire.CallError;

  constructor(error: wire.CallError) {
    super(`${error.code}: ${error.detail}`);
    this.error = error;
  }
}

export class WorkerHarness {
  readonly nodeId: string;
  readonly directory: string;
  readonly messages: FromWorker[] = [];
  readonly worker: ShardWorker;
  /** Sees every message the worker posts. */
  onMessage: (message: FromWorker) => void = () => undefined;
  #nextId = 1;
  readonly #answers = new Map<
    number,
    (message: FromWorker & { kind: "answer" | "closed" | "drained" }) => void
  >();

  constructor(
    options: {
      nodeId?: string;
      directory?: string;
      limits?: Partial<Limits>;
      openDatabase?: typeof openLmdb;
    } = {},
  ) {
    this.nodeId = options.nodeId ?? "n1";
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), "prism-worker-"));
    this.worker = new ShardWorker(
      {
        worker: 0,
        workers: 1,
        stores: 1,
        dataDirectory: this.directory,
        nodeId: this.nodeId,
        limits: { ...DEFAULT_LIMITS, ...options.limits },
        indexBudgetBytes: 0,
        bufferBudgetBytes: 0,
      },
      {
        bootId: `boot-${Math.random()}`,
        sync: true,
        post: (message) => this.#post(message),
        openDatabase: options.openDatabase ?? openLmdb,
      },
    );
    this.worker.start();
  }

  #post(message: FromWorker): void {
    this.messages.push(message);
    if (message.kind === "answer" || message.kind === "closed" || message.kind === "drained") {
      this.#answers.get(message.id)?.(message);
    }
    this.onMessage(message);
  }

  send(message: ToWorker): void {
    this.worker.handle(message);
  }

  applyMap(map: ClusterMap): void {
    this.send({ kind: "map", map });
  }

  async call(call: number, payload: Uint8Array, timeoutMs = 20_000): Promise<Uint8Array> {
    const id = this.#nextId++;
    const answer = new Promise<FromWorker>((resolve) => this.#answers.set(id, resolve));
    this.send({ kind: "call", id, call, shard: SHARD, timeoutMs, payload });
    const message = await answer;
    if (message.kind !== "answer") throw new Error("not an answer");
    if (message.error !== undefined) throw new CallFailed(message.error);
    return message.payload!;
  }

  async write(statements: readonly WriteStatement[], timeoutMs?: number): Promise<Written> {
    const payload = wire.WriteRequest.encode({ items: statements.map(writeItem) });
    return wire.WriteResponse.decode(await this.call(ShardCall.write, payload, timeoutMs));
  }

  async put(id: string, document: unknown): Promise<wire.WriteOutcome> {
    return (await this.write([{ id, document }])).outcomes[0]!;
  }

  /** The document, or undefined. */
  async get(id: string, minimumSeq = 0): Promise<Record<string, unknown> | undefined> {
    return await this.getAt(id, { minimumSeq });
  }

  /** As get, at a level. */
  async getAt(
    id: string,
    level: Partial<wire.ReadLevel>,
    timeoutMs?: number,
  ): Promise<Record<string, unknown> | undefined> {
    const read = { minimumSeq: 0, historyId: "", kind: ReadLevelKind.applied, maxStalenessMs: 0, ...level };
    const request = wire.GetRequest.encode({ id, include: [], hasInclude: false, read });
    const response = wire.GetResponse.decode(await this.call(ShardCall.get, request, timeoutMs));
    if (response.document === undefined) return undefined;
    return JSON.parse(Buffer.from(response.document.fields).toString()) as Record<string, unknown>;
  }

  async search(query: Partial<ShardQuery>): Promise<{ ids: string[]; scores: number[]; total: number }> {
    const full: ShardQuery = { queries: [], aggregations: {}, size: 10, explain: false, ...query };
    const rankingJson = new Uint8Array(0);
    const page = { fetchLimit: full.size, fetchOffset: 0, include: [], hasInclude: false, rankingJson };
    const request = { ...encodeShardQuery(full), statistics: [], ...page };
    const payload = await this.call(ShardCall.search, wire.SearchRequest.encode(request));
    const response = wire.SearchResponse.decode(payload);
    const list = response.lists[0] ?? { ids: [], scores: new Uint8Array(0) };
    assert.deepEqual(
      response.documents.map((document) => document.id),
      list.ids,
      "each hit comes with its document",
    );
    return { ids: list.ids, scores: [...decodeScores(list.scores)], total: response.total };
  }

  async searchText(text: string): Promise<string[]> {
    const queries = [{ kind: "text", query: text, fields: { title: 1 }, operator: "or" }] as const;
    return (await this.search({ queries })).ids;
  }

  async scan(after: string, limit: number): Promise<string[]> {
    const payload = wire.ScanRequest.encode({ after, limit, include: [], hasInclude: false });
    return wire.ScanResponse.decode(await this.call(ShardCall.scan, payload)).documents.map(({ id }) => id);
  }

  report(): wire.CopyReport | undefined {
    const message = this.messages.findLast((one) => one.kind === "reports" || one.kind === "ready");
    if (message?.kind !== "reports" && message?.kind !== "ready") return undefined;
    return message.copies.find((copy) => copy.shardUid === SHARD);
  }

  async closed(): Promise<void> {
    await this.#step((id) => ({ kind: "close", id }));
  }

  async drained(timeoutMs: number): Promise<void> {
    await this.#step((id) => ({ kind: "drain", id, timeoutMs }));
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #step(message: (id: number) => ToWorker): Promise<void> {
    const id = this.#nextId++;
    const done = new Promise<FromWorker>((resolve) => this.#answers.set(id, resolve));
    this.send(message(id));
    await done;
  }
}

/** Polls a condition until it holds; fails with its name after a deadline. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
