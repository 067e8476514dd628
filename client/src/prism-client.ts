/** The door of the SDK: endpoints, defaults, collections. */
import type { CollectionBody, CollectionSpec } from "@prism/api/collection";
import type { RoutingResponse } from "@prism/api/routing";
import type { StatusResponse } from "@prism/api/status";
import { CollectionClient, type CallOptions } from "./collection-client.js";
import { PrismError } from "./prism-error.js";
import { RoutingTable } from "./routing-table.js";
import { SessionKeeper } from "./session-keeper.js";
import { Transport } from "./transport.js";

export interface PrismClientOptions {
  /** Base URLs of nodes or of a service, such as http://localhost:3080. At least one. */
  readonly endpoints: string | readonly string[];
  /** Sent as `Authorization: Bearer`. */
  readonly apiKey?: string;
  /** A whole call, all attempts included. Default 30,000. */
  readonly timeoutMs?: number;
  /** One attempt; then another node is asked if that is safe. Default 10,000. */
  readonly attemptTimeoutMs?: number;
  /**
   * A connection over which nothing comes for this long while an answer is owed, not even a sign of life, is given
   * up for a new one, which behind a Service leads to another node. Default 800, at least 50; 0 waits for
   * attemptTimeoutMs. Writes are repeated under their operation id, which is applied once.
   */
  readonly silenceTimeoutMs?: number;
  /**
   * An attempt without an answer for this long is joined by a second one elsewhere, if the retry budget has one; the
   * first answer counts. Not for bulk and calls that are given more than attemptTimeoutMs. Default 1,500; 0 turns it off.
   */
  readonly hedgeDelayMs?: number;
  /** A new connection must have answered a first small request by then. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Attempts after the first, within timeoutMs. Default 30; 0 turns retries off. */
  readonly retries?: number;
  /**
   * The retry budget: so many repeats each second, and one for every five calls; up to 100 are saved up. Repeats
   * beyond it wait their turn. Default 10.
   */
  readonly retriesPerSecond?: number;
  /** Ceiling of the first pause between attempts, doubling. Default 50. */
  readonly retryBaseDelayMs?: number;
  /** Default 2,000. */
  readonly retryMaxDelayMs?: number;
  /** Go straight to the node that holds a document. Default true. */
  readonly routing?: boolean;
  /** Connections per node. Default 64. */
  readonly connections?: number;
}

/** Beyond it no node shows signs of life as seldom as would do. */
const LONGEST_SILENCE_MS = 60_000;

/** The body of PUT /collections/{c}: what has a default may be left out. */
export type CollectionDefinition = Omit<CollectionBody, "name">;
/** A field as a definition states it. */
export type FieldInput = NonNullable<CollectionDefinition["fields"]>[number];

/**
 * A cluster as a program sees it. One client per process is enough: it keeps connections, the health of
 * endpoints, and the session of what it has written and seen.
 *
 * Calls throw PrismError. They are repeated on other nodes only where that is safe: reads, and writes
 * under an operation id, which the SDK makes for each call; the cluster applies it at most once.
 */
export class PrismClient {
  readonly #transport: Transport;
  readonly #routing: RoutingTable | undefined;
  readonly #session = new SessionKeeper();

  /**
   * @throws {TypeError} when an endpoint is not the base URL of a node
   * @throws {RangeError} when a number is out of range
   */
  constructor(options: PrismClientOptions) {
    const given = typeof options.endpoints === "string" ? [options.endpoints] : options.endpoints;
    if (given.length === 0)
      throw new TypeError("endpoints: name at least one, such as http://localhost:3080");
    this.#transport = new Transport({
      endpoints: given.map(toOrigin),
      apiKey: options.apiKey,
      timeoutMs: atLeast(1, "timeoutMs", options.timeoutMs ?? 30_000),
      attemptTimeoutMs: atLeast(1, "attemptTimeoutMs", options.attemptTimeoutMs ?? 10_000),
      connectTimeoutMs: atLeast(1, "connectTimeoutMs", options.connectTimeoutMs ?? 5000),
      limits: {
        silenceTimeoutMs: zeroOrAtLeast(50, "silenceTimeoutMs", options.silenceTimeoutMs ?? 800),
        hedgeDelayMs: atLeast(0, "hedgeDelayMs", options.hedgeDelayMs ?? 1500),
      },
      retry: {
        retries: atLeast(0, "retries", options.retries ?? 30),
        baseDelayMs: atLeast(0, "retryBaseDelayMs", options.retryBaseDelayMs ?? 50),
        maxDelayMs: atLeast(0, "retryMaxDelayMs", options.retryMaxDelayMs ?? 2000),
      },
      retriesPerSecond: atLeast(0, "retriesPerSecond", options.retriesPerSecond ?? 10),
      connections: atLeast(1, "connections", options.connections ?? 64),
    });
    this.#routing =
      (options.routing ?? true)
        ? new RoutingTable(async (name) => this.#loadRouting(name, { retries: 1, timeoutMs: 5000 }))
        : undefined;
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
    const path = collectionPath(name);
    const spec = await this.#transport.json<CollectionSpec>({
      method: "PUT",
      path,
      body,
      effect: "exact",
      ...options,
    });
    this.#routing?.forget(name);
    return spec;
  }

  /** Adds fields to a collection. */
  async addFields(
    name: string,
    fields: readonly FieldInput[],
    options: CallOptions = {},
  ): Promise<CollectionSpec> {
    const body = JSON.stringify({ fields });
    const path = collectionPath(name);
    return this.#transport.json({ method: "PATCH", path, body, effect: "exact", ...options });
  }

  /** Deletes a collection with its documents. @throws {PrismError} collectionNotFound, deletionProtected */
  async deleteCollection(name: string, options: CallOptions = {}): Promise<void> {
    const path = collectionPath(name);
    try {
      await this.#transport.call({ method: "DELETE", path, effect: "exact", ...options });
    } catch (error) {
      // After an attempt that got no answer, "there is none" says that it was that attempt's doing.
      const deletedBefore =
        error instanceof PrismError && error.code === "collectionNotFound" && error.executed === "unknown";
      if (!deletedBefore) throw error;
    }
    this.#routing?.forget(name);
    this.#session.drop(name);
  }

  async listCollections(options: CallOptions = {}): Promise<readonly CollectionSpec[]> {
    const answer = await this.#transport.json<{ collections: readonly CollectionSpec[] }>({
      method: "GET",
      path: "/collections",
      effect: "read",
      ...options,
    });
    return answer.collections;
  }

  /** The cluster's state as the answering node knows it: what is wrong, since when, what happens next. */
  async status(options: CallOptions = {}): Promise<StatusResponse> {
    return this.#transport.json({ method: "GET", path: "/status", effect: "read", ...options });
  }

  /** Where a collection's shards are. */
  async routing(name: string, options: CallOptions = {}): Promise<RoutingResponse> {
    return this.#loadRouting(name, options);
  }

  /** Token of all that this client has written and seen; hand it to another client for read-your-writes there. */
  get session(): string {
    return this.#session.token;
  }

  /** Reads from now on see at least what `token` covers. @throws {TypeError} when it is no token */
  joinSession(token: string): void {
    this.#session.join(token);
  }

  /**
   * Reads from now on may miss what this client has written and seen before, in all collections. The way
   * on after `historyLost`, which reads answer until then: see CollectionClient.
   */
  forgetSession(): void {
    this.#session.forgetAll();
  }

  /** Waits for the requests under way, then closes the connections; calls that pause before a retry end with `aborted`. */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  #loadRouting(name: string, options: CallOptions & { readonly retries?: number }): Promise<RoutingResponse> {
    const path = `${collectionPath(name)}/routing`;
    return this.#transport.json({ method: "GET", path, effect: "read", ...options });
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
  if (url.username !== "" || url.password !== "") {
    throw new TypeError(`endpoints: ${url.origin} must have no user and password in it; keys go to apiKey`);
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw new TypeError(`endpoints: "${endpoint}" must end after host and port: ${url.origin}`);
  }
  return url.origin;
}

function atLeast(min: number, name: string, value: number): number {
  if (Number.isFinite(value) && value >= min) return value;
  throw new RangeError(`${name} must be a number from ${min}, not ${value}`);
}

function zeroOrAtLeast(min: number, name: string, value: number): number {
  if (value === 0 || (value >= min && value <= LONGEST_SILENCE_MS)) return value;
  throw new RangeError(`${name} must be 0 or a number from ${min} to ${LONGEST_SILENCE_MS}, not ${value}`);
}
