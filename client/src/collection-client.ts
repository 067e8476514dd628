/** One collection: documents, bulk, search. Made by PrismClient.collection. */
import type { CollectionSpec } from "@prism/api/collection";
import type { DocumentBody, DocumentResponse, ScanResponse, WriteResponse } from "@prism/api/document";
import type { CountResponse, SearchResponse } from "@prism/api/search";
import { BulkWriter, type BulkOperation, type BulkOptions, type BulkReport } from "./bulk-writer.js";
import { newOperationId } from "./operation-id.js";
import { PrismError } from "./prism-error.js";
import type { RoutingTable } from "./routing-table.js";
import type { SearchInput } from "./search-input.js";
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
  /** "<term>.<seq>" of the version to be replaced; another version is refused with versionConflict. */
  readonly ifMatch?: string;
  /** Value of the shard key, for delete and patch in collections that have one. */
  readonly shardKey?: string;
}

export interface ReadOptions extends CallOptions {
  readonly include?: readonly string[];
  readonly shardKey?: string;
  /** Default readYourWrites once this client has written, else eventual. */
  readonly consistency?: "eventual" | "readYourWrites";
}

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
    return this.#json({ method: "GET", path: this.#path, repeatable: true, ...options });
  }

  /** Writes a document, new or not. */
  async put(id: string, document: DocumentBody, options: WriteOptions = {}): Promise<WriteResponse> {
    return this.#write("PUT", id, document, options, {});
  }

  /** Writes a document that must not exist yet. @throws {PrismError} documentExists */
  async create(id: string, document: DocumentBody, options: WriteOptions = {}): Promise<WriteResponse> {
    return this.#write("PUT", id, document, options, { "if-none-match": "*" });
  }

  /** Writes a document under an id that the server makes. */
  async add(document: DocumentBody, options: WriteOptions = {}): Promise<WriteResponse> {
    const headers = { "idempotency-key": options.operationId ?? newOperationId() };
    const body = JSON.stringify(document);
    const call = {
      method: "POST",
      path: `${this.#path}/documents`,
      body,
      headers,
      repeatable: true,
    } as const;
    return this.#noted(await this.#json<WriteResponse>({ ...call, ...timing(options) }));
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
    const session = options.consistency === "eventual" ? "" : this.#session.token;
    if (session !== "") {
      query.set("session", session);
    }
    const preferred = this.#holders(options.shardKey ?? id, "read", options.shardKey !== undefined);
    const path = `${this.#path}/documents/${encodeURIComponent(id)}${withQuestionMark(query)}`;
    try {
      return await this.#json({ method: "GET", path, repeatable: true, preferred, ...timing(options) });
    } catch (error) {
      if (error instanceof PrismError && error.code === "documentNotFound") return undefined;
      throw error;
    }
  }

  /** Every document, in the order of their ids, page by page as it is read. */
  async *scan(options: ReadOptions & { readonly pageSize?: number } = {}): AsyncGenerator<DocumentResponse> {
    let cursor: string | null = "";
    while (cursor !== null) {
      const query = new URLSearchParams({ limit: String(options.pageSize ?? 500) });
      if (cursor !== "") query.set("cursor", cursor);
      if (options.include !== undefined) query.set("include", options.include.join(","));
      const path = `${this.#path}/documents${withQuestionMark(query)}`;
      const page: ScanResponse = await this.#json({
        method: "GET",
        path,
        repeatable: true,
        ...timing(options),
      });
      yield* page.documents;
      cursor = page.cursor;
    }
  }

  /** Sees what this client has written, unless the request names a consistency of its own. */
  async search(request: SearchInput, options: CallOptions = {}): Promise<SearchResponse> {
    const answer: SearchResponse = await this.#read("search", request, options);
    this.#session.note(answer.session);
    return answer;
  }

  async count(
    request: Pick<SearchInput, "queries" | "filter" | "consistency"> = {},
    options: CallOptions = {},
  ): Promise<CountResponse> {
    return this.#read("count", request, options);
  }

  /**
   * Sends many operations, with back-pressure: the source is read no faster than it is sent.
   *
   * @throws {PrismError} when a whole request failed for good
   */
  async bulk(
    source: Iterable<BulkOperation> | AsyncIterable<BulkOperation>,
    options: BulkOptions = {},
  ): Promise<BulkReport> {
    const send = async (body: string, signal: AbortSignal | undefined): Promise<Answer> =>
      this.#transport.call({
        method: "POST",
        path: `${this.#path}/bulk`,
        body,
        contentType: "application/x-ndjson",
        repeatable: true,
        ...(signal === undefined ? {} : { signal }),
      });
    return new BulkWriter(send, (session) => this.#session.note(session), options).run(source);
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
    if (options.ifMatch !== undefined) headers["if-match"] = `"${options.ifMatch}"`;
    const query = new URLSearchParams(options.shardKey === undefined ? {} : { shardKey: options.shardKey });
    const keyField = this.#routing?.shardKeyOf(this.name);
    const keyValue = keyField === undefined ? options.shardKey : document?.[keyField];
    const preferred = this.#holders(
      typeof keyValue === "string" ? keyValue : id,
      "write",
      typeof keyValue === "string",
    );
    const response: WriteResponse = await this.#json({
      method,
      path: `${this.#path}/documents/${encodeURIComponent(id)}${withQuestionMark(query)}`,
      ...(document === undefined ? {} : { body: JSON.stringify(document) }),
      headers,
      repeatable: true,
      preferred,
      ...timing(options),
    });
    return this.#noted(response);
  }

  async #read<T>(what: "search" | "count", request: object, options: CallOptions): Promise<T> {
    const token = this.#session.token;
    const own = "consistency" in request || token === "";
    const body = own ? request : { ...request, consistency: { level: "readYourWrites", session: token } };
    const path = `${this.#path}/${what}`;
    return this.#json({
      method: "POST",
      path,
      body: JSON.stringify(body),
      repeatable: true,
      ...timing(options),
    });
  }

  async #json<T>(call: Call): Promise<T> {
    const answer = await this.#transport.call(call);
    return JSON.parse(answer.text) as T;
  }

  #noted(response: WriteResponse): WriteResponse {
    this.#session.note(response.session);
    return response;
  }

  /** Without the shard key's value there is no telling which node it is. */
  #holders(key: string, purpose: "read" | "write", keyIsShardKey: boolean): readonly string[] {
    if (this.#routing === undefined) return [];
    const holders = this.#routing.holdersOf(this.name, key, purpose, performance.now());
    const needsShardKey = this.#routing.shardKeyOf(this.name) !== undefined;
    return needsShardKey && !keyIsShardKey ? [] : holders;
  }
}

function timing(options: CallOptions): { timeoutMs?: number; signal?: AbortSignal } {
  return {
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
}

function withQuestionMark(query: URLSearchParams): string {
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
