/** HTTP to one API server: credentials, TLS, deadlines, waiting out 429. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
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

/** For one object. A list may take longer, and says so. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Below the 90 s after which API servers close idle connections. */
const KEEP_ALIVE_MS = 55_000;
/** Below the minute after which some load balancers forget a silent connection. */
const TCP_KEEP_ALIVE_MS = 30_000;
const MAX_CONNECTIONS = 128;
const MAX_429_ATTEMPTS = 5;
const DEFAULT_RETRY_AFTER_MS = 1_000;

type Agent = HttpAgent | HttpsAgent;

export class Transport {
  readonly #config: KubeConfig;
  readonly #userAgent: string;
  readonly #random: () => number;
  /** The newest is used; earlier ones hold what was begun with other certificates. */
  readonly #agents = new Map<string, Agent>();
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
        const answer = await this.#send(request, deadline.signal);
        const text = await textOf(answer);
        if (isSuccess(answer)) return text;
        const failure = errorOf(answer, text);
        if (failure.status !== 429 || request.waitsOut429 === false || attempt >= MAX_429_ATTEMPTS)
          throw failure;
        // Everybody was told to come back after the same time: spread them.
        const waitMs = (failure.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS) * (1 + this.#random() / 4);
        if (waitMs >= deadline.remainingMs) throw failure;
        await delay(waitMs, deadline.signal);
      }
    } catch (error) {
      if (deadline.isOver) this.#dropIdleConnections();
      throw asApiError(error, deadline, request);
    } finally {
      deadline.dispose();
    }
  }

  /**
   * The answer's body as it comes. Breaking off the iteration cuts the connection. After so long without a byte
   * it ends with `reason` "Timeout".
   */
  async *stream(request: HttpRequest, inactivityTimeoutMs?: number): AsyncGenerator<Uint8Array> {
    const deadline = new Deadline(request.timeoutMs ?? REQUEST_TIMEOUT_MS, request.signal);
    let silence: NodeJS.Timeout | undefined;
    try {
      const answer = await this.#send(request, deadline.signal);
      if (!isSuccess(answer)) throw errorOf(answer, await textOf(answer));
      deadline.stopClock();
      if (inactivityTimeoutMs !== undefined)
        silence = setTimeout(() => answer.destroy(new Silence(inactivityTimeoutMs)), inactivityTimeoutMs);
      for await (const chunk of answer) {
        silence?.refresh();
        yield chunk as Uint8Array;
      }
    } catch (error) {
      if (deadline.isOver) this.#dropIdleConnections();
      throw asApiError(error, deadline, request);
    } finally {
      clearTimeout(silence);
      deadline.dispose();
    }
  }

  /** Requests under way fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const agent of this.#agents.values()) agent.destroy();
  }

  async #send(request: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const before = await this.#config.connection();
    const answer = await this.#dispatch(request, before, signal);
    if (answer.statusCode !== 401) return answer;
    answer.resume();
    this.#config.renew(before);
    const after = await this.#config.connection();
    return this.#dispatch(request, after, signal);
  }

  async #dispatch(
    request: HttpRequest,
    connection: Connection,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    try {
      return await this.#exchange(request, connection, signal);
    } catch (error) {
      // The server closed an idle connection in the moment that it was used again.
      if (!(error instanceof StaleConnection) || request.method !== "GET") throw error;
      return this.#exchange(request, connection, signal);
    }
  }

  #exchange(request: HttpRequest, connection: Connection, signal: AbortSignal): Promise<IncomingMessage> {
    if (this.#isClosed) throw new Error("the client is closed");
    // A server behind a gateway has a path of its own in front.
    const { origin, pathname, protocol } = new URL(connection.server);
    const url = `${origin}${pathname.replace(/\/$/, "")}${request.path}${queryOf(request.query)}`;
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const options = {
      method: request.method,
      agent: this.#agentFor(origin, connection.tls, protocol === "https:"),
      signal,
      headers: {
        accept: "application/json",
        "user-agent": this.#userAgent,
        ...connection.headers,
        ...(body && {
          "content-type": request.contentType ?? "application/json",
          "content-length": body.length,
        }),
      },
    };
    return new Promise((resolve, reject) => {
      const outgoing = protocol === "https:" ? httpsRequest(url, options) : httpRequest(url, options);
      outgoing.once("response", resolve);
      outgoing.once("socket", (socket) => socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS));
      // Stays for as long as the answer is read: its errors come here too, where they are late for anybody.
      outgoing.on("error", (error: NodeJS.ErrnoException) => {
        const isStale = outgoing.reusedSocket && error.code === "ECONNRESET";
        reject(isStale ? new StaleConnection(error.message, { cause: error }) : error);
      });
      outgoing.end(body);
    });
  }

  /**
   * After a request that nobody answered: the idle connections beside its own may lead to the same dead end, and
   * each of them would cost the next request its whole time.
   */
  #dropIdleConnections(): void {
    for (const { freeSockets } of this.#agents.values())
      for (const socket of Object.values(freeSockets).flat()) socket?.destroy();
  }

  /** Another certificate or authority needs other connections; those in use end by themselves. */
  #agentFor(origin: string, tls: Connection["tls"], isTls: boolean): Agent {
    const identity = JSON.stringify([origin, tls]);
    const known = this.#agents.get(identity);
    if (known) return known;
    const options = { keepAlive: true, maxSockets: MAX_CONNECTIONS, timeout: KEEP_ALIVE_MS };
    const agent = isTls ? new HttpsAgent({ ...options, ...definedOf(tls) }) : new HttpAgent(options);
    for (const [old, { sockets }] of this.#agents)
      if (Object.keys(sockets).length === 0) this.#agents.delete(old);
    this.#agents.set(identity, agent);
    return agent;
  }
}

/** Nothing was heard of a request over a connection that had been idle. */
class StaleConnection extends Error {}

class Silence extends Error {
  constructor(ms: number) {
    super(`silent for ${ms} ms`);
  }
}

function isSuccess({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString();
}

function errorOf({ statusCode = 0, headers }: IncomingMessage, body: string): ApiError {
  return apiErrorOf(statusCode, body, headers["retry-after"]);
}

function asApiError(error: unknown, deadline: Deadline, { method, path, signal }: HttpRequest): unknown {
  if (error instanceof ApiError) return error;
  if (signal?.aborted) return signal.reason;
  const cause = (deadline.isOver ? deadline.signal.reason : error) as Error & { code?: string };
  return new ApiError(
    {
      status: 0,
      reason: deadline.isOver || cause instanceof Silence ? "Timeout" : "Unreachable",
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
