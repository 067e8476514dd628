/** HTTP to one API server: credentials, TLS, deadlines, waiting out 429. */
import { Pool, type Dispatcher } from "undici";
import { ApiError, apiErrorOf } from "./api-error.js";
import { Deadline, delay } from "./deadline.js";
import type { Connection, KubeConfig } from "./kube-config.js";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  /** Until the whole answer is there; of a stream, until its headers are. */
  readonly timeoutMs?: number | undefined;
  /** False when 429 is an answer and not a request to come again. */
  readonly waitsOut429?: boolean;
}

export interface TransportOptions {
  readonly userAgent?: string;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

const REQUEST_TIMEOUT_MS = 30_000;
/** Below the 90 s after which API servers close idle connections. */
const KEEP_ALIVE_MS = 55_000;
const MAX_CONNECTIONS = 128;
const MAX_429_ATTEMPTS = 5;
const DEFAULT_RETRY_AFTER_MS = 1_000;

export class Transport {
  readonly #config: KubeConfig;
  readonly #userAgent: string;
  readonly #random: () => number;
  #pool: { readonly identity: string; readonly pool: Pool } | undefined;
  #isClosed = false;

  constructor(config: KubeConfig, options: TransportOptions = {}) {
    this.#config = config;
    this.#userAgent = options.userAgent ?? "kube-machinery";
    this.#random = options.random ?? Math.random;
  }

  /** The answer's body. Throws ApiError for every status but 2xx, or the caller's abort reason. */
  async request(request: HttpRequest): Promise<string> {
    const deadline = new Deadline(request.timeoutMs ?? REQUEST_TIMEOUT_MS, request.signal);
    try {
      for (let attempt = 1; ; attempt++) {
        const response = await this.#send(request, deadline.signal);
        const text = await response.body.text();
        if (response.statusCode < 300) return text;
        const failure = errorOf(response, text);
        if (failure.status !== 429 || request.waitsOut429 === false || attempt >= MAX_429_ATTEMPTS)
          throw failure;
        // Everybody was told to come back after the same time: spread them.
        const waitMs = (failure.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS) * (1 + this.#random() / 4);
        if (waitMs >= deadline.remainingMs) throw failure;
        await delay(waitMs, deadline.signal);
      }
    } catch (error) {
      throw asApiError(error, deadline, request);
    } finally {
      deadline.dispose();
    }
  }

  /** The answer's body as it comes. Breaking off the iteration cuts the connection. */
  async *stream(request: HttpRequest, inactivityTimeoutMs = 0): AsyncGenerator<Uint8Array> {
    const deadline = new Deadline(request.timeoutMs ?? REQUEST_TIMEOUT_MS, request.signal);
    try {
      const response = await this.#send(request, deadline.signal, inactivityTimeoutMs);
      if (response.statusCode >= 300) throw errorOf(response, await response.body.text());
      deadline.stopClock();
      for await (const chunk of response.body) yield chunk as Uint8Array;
    } catch (error) {
      throw asApiError(error, deadline, request);
    } finally {
      deadline.dispose();
    }
  }

  /** Requests under way fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#pool?.pool.destroy();
  }

  async #send(request: HttpRequest, signal: AbortSignal, bodyTimeout = 0): Promise<Dispatcher.ResponseData> {
    const before = await this.#config.connection();
    const response = await this.#dispatch(request, before, signal, bodyTimeout);
    if (response.statusCode !== 401) return response;
    await response.body.dump();
    this.#config.renew();
    const after = await this.#config.connection();
    return this.#dispatch(request, after, signal, bodyTimeout);
  }

  #dispatch(
    request: HttpRequest,
    connection: Connection,
    signal: AbortSignal,
    bodyTimeout: number,
  ): Promise<Dispatcher.ResponseData> {
    if (this.#isClosed) throw new Error("the client is closed");
    const { method, path, query, body, contentType } = request;
    // A server behind a gateway has a path of its own in front.
    const { origin, pathname } = new URL(connection.server);
    return this.#poolFor(origin, connection.tls).request({
      method,
      path: `${pathname.replace(/\/$/, "")}${path}${queryOf(query)}`,
      headers: {
        accept: "application/json",
        "user-agent": this.#userAgent,
        ...connection.headers,
        ...(body === undefined ? {} : { "content-type": contentType ?? "application/json" }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal,
      // The deadlines above bound both; only silence in a stream is left to the connection.
      headersTimeout: 0,
      bodyTimeout,
    });
  }

  /** Another certificate or authority needs other connections; those in use end by themselves. */
  #poolFor(origin: string, tls: Connection["tls"]): Pool {
    const identity = JSON.stringify([origin, tls]);
    if (this.#pool?.identity === identity) return this.#pool.pool;
    void this.#pool?.pool.close();
    const pool = new Pool(origin, {
      connections: MAX_CONNECTIONS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      connect: { ...definedOf(tls), timeout: 10_000, keepAlive: true, keepAliveInitialDelay: 30_000 },
    });
    this.#pool = { identity, pool };
    return pool;
  }
}

function errorOf(response: Dispatcher.ResponseData, body: string): ApiError {
  const retryAfter = response.headers["retry-after"];
  return apiErrorOf(response.statusCode, body, typeof retryAfter === "string" ? retryAfter : undefined);
}

function asApiError(error: unknown, deadline: Deadline, { method, path, signal }: HttpRequest): unknown {
  if (error instanceof ApiError) return error;
  if (signal?.aborted) return signal.reason;
  const cause = error as Error & { code?: string };
  const isTimeout = deadline.isOver || cause.code === "UND_ERR_BODY_TIMEOUT";
  return new ApiError(
    {
      status: 0,
      reason: isTimeout ? "Timeout" : "Unreachable",
      message: `${method} ${path}: ${cause.message || cause.code || "no answer"}`,
    },
    { cause: error },
  );
}

function queryOf(query: HttpRequest["query"] = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) parameters.set(name, String(value));
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

function definedOf<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Partial<T>;
}
