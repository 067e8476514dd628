/** One collection: documents, bulk, search. Made by PrismClient.collection. */
import type { CollectionSpec } from "@prism/api/collection";
import type { AcceptDataLoss, DataLoss, DataLossAccepted } from "@prism/api/data-loss";
import type {
  DocumentBody,
  DocumentResponse,
  ReadDocument,
  ScanResponse,
  WriteResponse,
} from "@prism/api/document";
import type { CountResponse, SearchResponse } from "@prism/api/search";
import { bulkSettings, type BulkOperation, type BulkOptions, type BulkReport } from "./bulk-options.js";
import { BulkWriter } from "./bulk-writer.js";
import {
  DEFAULT_VERIFY_TIMEOUT_MS,
  worstStatus,
  type ShardVerification,
  type VerifyResponse,
} from "@prism/api/verify";
import { newOperationId } from "./operation-id.js";
import { PrismError } from "./prism-error.js";
import { addConsistency, resolveConsistency, type ReadConsistency } from "./read-consistency.js";
import type { RoutingTable } from "./routing-table.js";
import type { CountInput, SearchInput } from "./search-input.js";
import type { SessionKeeper } from "./session-keeper.js";
import type { Answer, Call, Transport } from "./transport.js";

export interface CallOptions {
  /** The whole call, all attempts included. Default: the client's. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface WriteOptions extends CallOptions {
  /** Makes your own retry exact across processes. The SDK makes one for each call when left out. */
  readonly operationId?: string;
  /** "<term>.<seq>" (an ETag, with its quotes or without) of the version to be replaced; another version is refused with versionConflict. */
  readonly ifMatch?: string;
  /** Value of the shard key, for delete and patch in collections that have one. */
  readonly shardKey?: string;
  /**
   * `searchable`: wait, once the write is acknowledged, until every in-sync copy shows it; the answer's
   * `searchable` says whether that was met in time. The write stands either way. Default `committed`.
   */
  readonly waitFor?: "committed" | "searchable";
}

export interface ScanOptions extends CallOptions {
  readonly include?: readonly string[];
  /** Documents per request, at most 1,000. Default 500. */
  readonly pageSize?: number;
  /** Default readYourWrites once this client has written or seen something, else eventual. */
  readonly consistency?: ReadConsistency;
}

export interface ReadOptions extends CallOptions {
  readonly include?: readonly string[];
  readonly shardKey?: string;
  /** Default readYourWrites once this client has written or seen something, else eventual. */
  readonly consistency?: ReadConsistency;
}

export interface VerifyOptions extends CallOptions {
  /** Numbers of shards. Default: all. */
  readonly shards?: readonly number[];
  /** Differing documents to name for each shard, at most 1,000. Default 10. */
  readonly differences?: number;
  /** Called with each shard as it has been compared. */
  readonly onShard?: (shard: ShardVerification) => void;
}

/**
 * Reads see what this client has written and seen (read-your-writes) unless they ask for another level.
 *
 * `historyLost` from a read says that the cluster gave up the past of a shard which this client had seen:
 * acknowledged writes may be gone. It stays until `forgetSession`, which accepts that; then read again
 * what matters. A collection that was deleted and made anew is another one: its reads know no session yet.
 */
export class CollectionClient {
  readonly name: string;
  readonly #transport: Transport;
  readonly #routing: RoutingTable | undefined;
  readonly #session: SessionKeeper;

  constructor(name: string, transport: Transport, routing: RoutingTable | undefined, session: SessionKeeper) {
    this.name = name;
    this.#transport = transport;
    this.#routing = routing;
    this.#session = session;
  }

  get #path(): string {
    return `/collections/${encodeURIComponent(this.name)}`;
  }

  /** The collection's definition. */
  async describe(options: CallOptions = {}): Promise<CollectionSpec> {
    return this.#transport.json({ method: "GET", path: this.#path, effect: "read", ...timing(options) });
  }

  /** Writes a document, new or not. */
  async put(id: string, document: DocumentBody, options: WriteOptions = {}): Promise<WriteResponse> {
    return this.#write("PUT", id, document, options, {});
  }

  /** Writes a document that must not exist yet. @throws {PrismError} documentExists */
  async create(id: string, document: DocumentBody, options: WriteOptions = {}): Promise<WriteResponse> {
    return this.#write("PUT", id, document, options, { "if-none-match": "*" });
  }

  /**
   * Writes a document under an id that the server makes of the operation id: so an attempt whose answer
   * was lost can be repeated without making a second document.
   */
  async add(document: DocumentBody, options: WriteOptions = {}): Promise<WriteResponse> {
    const headers = { "idempotency-key": options.operationId ?? newOperationId() };
    const body = JSON.stringify(document);
    const query = new URLSearchParams(waitForOf(options));
    const call = {
      method: "POST",
      path: `${this.#path}/documents${withQuestionMark(query)}`,
      body,
      headers,
      effect: "exact",
    } as const;
    return this.#noted(await this.#transport.json<WriteResponse>({ ...call, ...timing(options) }));
  }

  /** Merges into a document (RFC 7396: null removes a field). @throws {PrismError} documentNotFound */
  async patch(id: string, changes: DocumentBody, options: WriteOptions = {}): Promise<WriteResponse> {
    return this.#write("PATCH", id, changes, options, {});
  }

  /** Deletes a document; a missing one is `unchanged`. */
  async delete(id: string, options: WriteOptions = {}): Promise<WriteResponse> {
    return this.#write("DELETE", id, undefined, options, {});
  }

  /** A document with all its fields, or undefined when there is none. */
  async get(id: string, options: ReadOptions = {}): Promise<DocumentResponse | undefined> {
    const query = new URLSearchParams();
    if (options.include !== undefined) query.set("include", options.include.join(","));
    if (options.shardKey !== undefined) query.set("shardKey", options.shardKey);
    addConsistency(query, resolveConsistency(options.consistency, this.session));
    const preferred = this.#holders(options.shardKey ?? id, "read", options.shardKey !== undefined);
    const path = `${this.#documentPath(id)}${withQuestionMark(query)}`;
    try {
      const answer: DocumentResponse = await this.#transport.json({
        method: "GET",
        path,
        effect: "read",
        preferred,
        onPreferredFailed: this.#onHolderFailed,
        ...timing(options),
      });
      this.#session.note(this.name, answer.session);
      return answer;
    } catch (error) {
      if (error instanceof PrismError && error.code === "documentNotFound") return undefined;
      throw error;
    }
  }

  /** Every document, in the order of their ids, page by page as it is read. */
  async *scan(options: ScanOptions = {}): AsyncGenerator<ReadDocument> {
    let cursor: string | null = "";
    while (cursor !== null) {
      const query = new URLSearchParams({ limit: String(options.pageSize ?? 500) });
      if (cursor !== "") query.set("cursor", cursor);
      if (options.include !== undefined) query.set("include", options.include.join(","));
      addConsistency(query, resolveConsistency(options.consistency, this.session));
      const path = `${this.#path}/documents${withQuestionMark(query)}`;
      const call = { method: "GET", path, effect: "read", ...timing(options) } as const;
      const page: ScanResponse = await this.#transport.json(call);
      this.#session.note(this.name, page.session);
      yield* page.documents;
      cursor = page.cursor;
    }
  }

  /**
   * Sees what this client has written, unless the request names a consistency of its own.
   * `request.timeoutMs` is the time after which the cluster answers with the shards that it has;
   * `options.timeoutMs` the time after which this call fails.
   */
  async search(request: SearchInput, options: CallOptions = {}): Promise<SearchResponse> {
    return this.#read("search", request, options);
  }

  async count(request: CountInput = {}, options: CallOptions = {}): Promise<CountResponse> {
    return this.#read("count", request, options);
  }

  /**
   * Sends many operations, with back-pressure: the source is read no faster than it is sent. Each line
   * carries an operation id, so what is sent again is applied once. Operations on one document are applied in
   * the order of the source: one is sent when every earlier one on its document is settled.
   *
   * @throws {PrismError} when a whole request failed for good: a missing collection, say
   * @throws {RangeError} when an option is out of range
   */
  async bulk(
    source: Iterable<BulkOperation> | AsyncIterable<BulkOperation>,
    options: BulkOptions = {},
  ): Promise<BulkReport> {
    const settings = bulkSettings(options);
    const query = new URLSearchParams(waitForOf(options));
    const send = async (body: string, signal: AbortSignal): Promise<Answer> =>
      this.#transport.call({
        method: "POST",
        path: `${this.#path}/bulk${withQuestionMark(query)}`,
        body,
        contentType: "application/x-ndjson",
        effect: "exact",
        timeoutMs: settings.timeoutMs,
        attemptTimeoutMs: settings.idleTimeoutMs,
        answersPieceByPiece: true,
        retries: settings.lineRetries,
        signal,
      });
    const writer = new BulkWriter(send, (token) => this.#session.note(this.name, token), settings);
    const progress = await writer.run(source);
    const searchable = options.waitFor === "searchable" ? { searchable: writer.searchable } : {};
    return { ...progress, session: this.#session.tokenOf(this.name), ...searchable };
  }

  /**
   * Whether all in-sync copies of each shard hold the same, at one sequence number, while writes go on.
   * One request for each shard. `timeoutMs` is for each of them; default 600,000.
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyResponse> {
    const { shards, differences, onShard, timeoutMs = DEFAULT_VERIFY_TIMEOUT_MS, signal } = options;
    const startedMs = performance.now();
    const numbers = shards ?? Array.from({ length: (await this.describe(options)).shards }, (_, i) => i);
    const compared: ShardVerification[] = [];
    for (const number of numbers) {
      const query = new URLSearchParams({ shards: String(number), timeoutMs: String(timeoutMs) });
      if (differences !== undefined) query.set("differences", String(differences));
      const answer: VerifyResponse = await this.#transport.json({
        method: "GET",
        path: `${this.#path}/verify${withQuestionMark(query)}`,
        effect: "read",
        needsMs: timeoutMs + ANSWER_MARGIN_MS,
        ...(signal === undefined ? {} : { signal }),
      });
      for (const shard of answer.shards) onShard?.(shard);
      compared.push(...answer.shards);
    }
    const status = worstStatus(compared.map((shard) => shard.status));
    const tookMs = Math.round(performance.now() - startedMs);
    return { collection: this.name, status, tookMs, shards: compared };
  }

  /** What is left of a shard, and whether its loss of data can be accepted. */
  async dataLoss(shard: number, options: CallOptions = {}): Promise<DataLoss> {
    const path = this.#dataLossPath(shard);
    return this.#transport.json({ method: "GET", path, effect: "read", ...timing(options) });
  }

  /**
   * Goes on with what is left of a shard none of whose in-sync copies can be reached: acknowledged writes
   * that only those had are lost. @throws {PrismError} dataLossRefused
   */
  async acceptDataLoss(
    shard: number,
    wish: AcceptDataLoss,
    options: CallOptions = {},
  ): Promise<DataLossAccepted> {
    const path = this.#dataLossPath(shard);
    const body = JSON.stringify(wish);
    return this.#transport.json({ method: "POST", path, body, effect: "once", ...timing(options) });
  }

  #dataLossPath(shard: number): string {
    return `${this.#path}/shards/${shard}/data-loss`;
  }

  /** Read-your-writes token of what this client has written and seen here; "" for nothing. */
  get session(): string {
    return this.#session.tokenOf(this.name);
  }

  /** Reads from now on may miss what was written before: the way on after `historyLost`. */
  forgetSession(): void {
    this.#session.forget(this.name);
  }

  // ---------------------------------------------------------------- shared ways

  async #write(
    method: "PUT" | "PATCH" | "DELETE",
    id: string,
    document: DocumentBody | undefined,
    options: WriteOptions,
    extra: Readonly<Record<string, string>>,
  ): Promise<WriteResponse> {
    const headers: Record<string, string> = {
      "idempotency-key": options.operationId ?? newOperationId(),
      ...extra,
    };
    if (options.ifMatch !== undefined) headers["if-match"] = `"${options.ifMatch.replaceAll('"', "")}"`;
    const query = new URLSearchParams(waitForOf(options));
    if (options.shardKey !== undefined) query.set("shardKey", options.shardKey);
    const keyField = this.#routing?.shardKeyOf(this.name);
    const keyValue = options.shardKey ?? (keyField === undefined ? undefined : document?.[keyField]);
    const isShardKey = typeof keyValue === "string";
    const response: WriteResponse = await this.#transport.json({
      method,
      path: `${this.#documentPath(id)}${withQuestionMark(query)}`,
      ...(document === undefined ? {} : { body: JSON.stringify(document) }),
      headers,
      effect: "exact",
      preferred: this.#holders(isShardKey ? keyValue : id, "write", isShardKey),
      onPreferredFailed: this.#onHolderFailed,
      ...timing(options),
    });
    return this.#noted(response);
  }

  async #read<T extends { readonly session: string }>(
    what: "search" | "count",
    request: Pick<SearchInput, "consistency" | "timeoutMs">,
    options: CallOptions,
  ): Promise<T> {
    const consistency = resolveConsistency(request.consistency, this.session);
    const answer: T = await this.#transport.json({
      method: "POST",
      path: `${this.#path}/${what}`,
      body: JSON.stringify({ ...request, consistency }),
      effect: "read",
      ...searchTiming(request.timeoutMs, options),
    });
    this.#session.note(this.name, answer.session);
    return answer;
  }

  #documentPath(id: string): string {
    if (id === "") throw new TypeError("a document's id must not be empty");
    return `${this.#path}/documents/${encodeURIComponent(id)}`;
  }

  #noted(response: WriteResponse): WriteResponse {
    this.#session.note(this.name, response.session);
    return response;
  }

  readonly #onHolderFailed = (): void => this.#routing?.expire(this.name, performance.now());

  /** Without the shard key's value there is no telling which node it is. */
  #holders(key: string, purpose: "read" | "write", keyIsShardKey: boolean): readonly string[] {
    if (this.#routing === undefined) return [];
    const holders = this.#routing.holdersOf(this.name, key, purpose, performance.now());
    const needsShardKey = this.#routing.shardKeyOf(this.name) !== undefined;
    return needsShardKey && !keyIsShardKey ? [] : holders;
  }
}

function waitForOf({ waitFor }: Pick<WriteOptions, "waitFor">): Record<string, string> {
  return waitFor === undefined ? {} : { waitFor };
}

function timing(options: CallOptions): { timeoutMs?: number; signal?: AbortSignal } {
  return {
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
}

/** So long after the cluster's own time limit its answer may still arrive. */
const ANSWER_MARGIN_MS = 2000;

/** A search that may take longer than an attempt usually does gets the time that it asks for. */
function searchTiming(
  searchTimeoutMs: number | undefined,
  options: CallOptions,
): Pick<Call, "needsMs" | "timeoutMs" | "signal"> {
  const needsMs = searchTimeoutMs === undefined ? 0 : searchTimeoutMs + ANSWER_MARGIN_MS;
  return { needsMs, ...timing(options) };
}

function withQuestionMark(query: URLSearchParams): string {
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
