/** The door of the SDK: endpoints, defaults, collections. */
import type { CollectionSpec } from "@prism/api/collection";
import type { RoutingResponse } from "@prism/api/routing";
import type { StatusResponse } from "@prism/api/status";
import { CollectionClient, type CallOptions } from "./collection-client.js";
import { RoutingTable } from "./routing-table.js";
import { SessionKeeper } from "./session-keeper.js";
import { Transport, type Call } from "./transport.js";

export interface PrismClientOptions {
  /** Base URLs of nodes or of a service, such as http://localhost:3080. At least one. */
  readonly endpoints: string | readonly string[];
  /** Sent as `Authorization: Bearer`. */
  readonly apiKey?: string;
  /** A whole call, all attempts included. Default 30,000. */
  readonly timeoutMs?: number;
  /** One attempt; then another node is asked if that is safe. Default 10,000. */
  readonly attemptTimeoutMs?: number;
  /** Attempts after the first. Default 6; 0 turns retries off. */
  readonly retries?: number;
  /** Ceiling of the first pause between attempts, doubling. Default 50. */
  readonly retryBaseDelayMs?: number;
  /** Default 2,000. */
  readonly retryMaxDelayMs?: number;
  /** Go straight to the node that holds a document. Default true. */
  readonly routing?: boolean;
  /** Connections per node. Default 64. */
  readonly connections?: number;
}

export interface CollectionDefinition {
  readonly shards?: number;
  readonly replication?: { readonly factor?: number; readonly minReplicasForWrite?: number };
  readonly shardKey?: string;
  readonly unknownFields?: "Store" | "Reject";
  readonly deletionProtection?: boolean;
  readonly fields: readonly Readonly<Record<string, unknown>>[];
}

export class PrismClient {
  readonly #transport: Transport;
  readonly #routing: RoutingTable | undefined;
  readonly #session = new SessionKeeper();

  /** @throws {TypeError} when an endpoint is not an http or https URL. */
  constructor(options: PrismClientOptions) {
    const given = typeof options.endpoints === "string" ? [options.endpoints] : options.endpoints;
    this.#transport = new Transport({
      endpoints: given.map(toOrigin),
      apiKey: options.apiKey,
      timeoutMs: options.timeoutMs ?? 30_000,
      attemptTimeoutMs: options.attemptTimeoutMs ?? 10_000,
      retry: {
        retries: options.retries ?? 6,
        baseDelayMs: options.retryBaseDelayMs ?? 50,
        maxDelayMs: options.retryMaxDelayMs ?? 2000,
      },
      connections: options.connections ?? 64,
    });
    if (given.length === 0)
      throw new TypeError("endpoints: name at least one, such as http://localhost:3080");
    this.#routing =
      (options.routing ?? true) ? new RoutingTable(async (name) => this.routing(name)) : undefined;
  }

  /** A handle; nothing is asked of the cluster yet. */
  collection(name: string): CollectionClient {
    return new CollectionClient(name, this.#transport, this.#routing, this.#session);
  }

  /** Creates a collection, or finds it made already alike. @throws {PrismError} collectionDiffers */
  async createCollection(
    name: string,
    definition: CollectionDefinition,
    options: CallOptions = {},
  ): Promise<CollectionSpec> {
    const body = JSON.stringify(definition);
    this.#routing?.forget(name);
    return this.#json({ method: "PUT", path: collectionPath(name), body, repeatable: true, ...options });
  }

  /** Adds fields to a collection. */
  async addFields(
    name: string,
    fields: CollectionDefinition["fields"],
    options: CallOptions = {},
  ): Promise<CollectionSpec> {
    const body = JSON.stringify({ fields });
    return this.#json({ method: "PATCH", path: collectionPath(name), body, repeatable: true, ...options });
  }

  async deleteCollection(name: string, options: CallOptions = {}): Promise<void> {
    this.#routing?.forget(name);
    await this.#transport.call({
      method: "DELETE",
      path: collectionPath(name),
      repeatable: true,
      ...options,
    });
  }

  async listCollections(options: CallOptions = {}): Promise<readonly CollectionSpec[]> {
    const answer = await this.#json<{ collections: readonly CollectionSpec[] }>({
      method: "GET",
      path: "/collections",
      repeatable: true,
      ...options,
    });
    return answer.collections;
  }

  async status(options: CallOptions = {}): Promise<StatusResponse> {
    return this.#json({ method: "GET", path: "/status", repeatable: true, ...options });
  }

  async routing(name: string, options: CallOptions = {}): Promise<RoutingResponse> {
    return this.#json({
      method: "GET",
      path: `${collectionPath(name)}/routing`,
      repeatable: true,
      ...options,
    });
  }

  /** Token of all that this client has written and seen; hand it to another client for read-your-writes there. */
  get session(): string {
    return this.#session.token;
  }

  /** Reads from now on see at least what `token` covers. */
  joinSession(token: string): void {
    this.#session.note(token);
  }

  /** Closes the connections, after the calls under way. */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  async #json<T>(call: Call): Promise<T> {
    const answer = await this.#transport.call(call);
    return JSON.parse(answer.text) as T;
  }
}

function collectionPath(name: string): string {
  return `/collections/${encodeURIComponent(name)}`;
}

function toOrigin(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new TypeError(`endpoints: "${endpoint}" is not an http or https URL such as http://localhost:3080`);
  }
  return url.origin;
}
