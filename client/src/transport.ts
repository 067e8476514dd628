/**
 * One call of the API: attempts over the endpoints until it succeeds, may not be repeated, or its time
 * is up. Knows HTTP and problems, nothing of documents.
 */
import { problemSchema } from "@prism/api/problem";
import { setTimeout as delay } from "node:timers/promises";
import { Agent, errors } from "undici";
import { EndpointPool } from "./endpoint-pool.js";
import { PrismError } from "./prism-error.js";
import { decideRetry, type AttemptOutcome, type RetryLimits } from "./retry-policy.js";

export interface TransportSettings {
  readonly endpoints: readonly string[];
  readonly apiKey: string | undefined;
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
  readonly retry: RetryLimits;
  readonly connections: number;
}

export interface Call {
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** Below /api/v1, with its query. */
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Executing twice is the same as once. */
  readonly repeatable: boolean;
  /** Base URLs to try first: the nodes that hold the data. */
  readonly preferred?: readonly string[];
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The base URL that answered. */
  readonly url: string;
}

interface Failure {
  readonly outcome: AttemptOutcome;
  readonly error: PrismError;
}

/** Connection errors that come before any byte of the request went out. */
const UNSENT = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

export class Transport {
  readonly #settings: TransportSettings;
  readonly #agent: Agent;
  readonly #pool: EndpointPool;

  constructor(settings: TransportSettings) {
    this.#settings = settings;
    this.#pool = new EndpointPool(settings.endpoints);
    this.#agent = new Agent({
      connections: settings.connections,
      connect: { timeout: 2000 },
      keepAliveTimeout: 10_000,
    });
  }

  /** @throws {PrismError} when the call failed for good. */
  async call(call: Call): Promise<Answer> {
    const deadlineMs = performance.now() + (call.timeoutMs ?? this.#settings.timeoutMs);
    let avoid: string | undefined;
    for (let attempt = 1; ; attempt += 1) {
      const remainingMs = deadlineMs - performance.now();
      if (remainingMs <= 0) throw deadlineExceeded(attempt - 1);
      const url = this.#pool.pick(call.preferred ?? [], avoid, performance.now());
      const result = await this.#attempt(url, call, remainingMs, attempt);
      if (!("outcome" in result)) return result;
      const decision = decideRetry(
        result.outcome,
        attempt,
        call.repeatable,
        this.#settings.retry,
        deadlineMs - performance.now(),
        Math.random(),
      );
      if (!decision.retry || call.signal?.aborted === true) throw result.error;
      avoid = decision.elsewhere ? url : undefined;
      if (decision.waitMs > 0) await this.#pause(decision.waitMs, call.signal, attempt);
    }
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }

  async #pause(waitMs: number, signal: AbortSignal | undefined, attempts: number): Promise<void> {
    try {
      await delay(waitMs, undefined, signal === undefined ? {} : { signal });
    } catch (cause) {
      throw aborted(attempts, "no", cause);
    }
  }

  async #attempt(url: string, call: Call, remainingMs: number, attempts: number): Promise<Answer | Failure> {
    const timeoutMs = Math.min(remainingMs, this.#settings.attemptTimeoutMs);
    const timeout = AbortSignal.timeout(Math.max(1, Math.ceil(timeoutMs)));
    const signal = call.signal === undefined ? timeout : AbortSignal.any([call.signal, timeout]);
    try {
      const response = await this.#agent.request({
        origin: url,
        path: `/api/v1${call.path}`,
        method: call.method,
        headers: this.#headers(call),
        body: call.body ?? null,
        signal,
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      const text = await response.body.text();
      this.#pool.worked(url);
      const answer = { status: response.statusCode, headers: response.headers, text, url };
      return response.statusCode < 400 ? answer : toFailure(answer, attempts);
    } catch (error) {
      if (call.signal?.aborted === true)
        throw aborted(attempts, call.method === "GET" ? "no" : "unknown", error);
      this.#pool.failed(url, performance.now());
      return toConnectionFailure(error, url, attempts);
    }
  }

  #headers(call: Call): Record<string, string> {
    const headers: Record<string, string> = { accept: "application/json", ...call.headers };
    if (call.body !== undefined) headers["content-type"] = call.contentType ?? "application/json";
    if (this.#settings.apiKey !== undefined) headers["authorization"] = `Bearer ${this.#settings.apiKey}`;
    return headers;
  }
}

function toFailure(answer: Answer, attempts: number): Failure {
  const retryAfter = Number(answer.headers["retry-after"]);
  const retryAfterMs = Number.isFinite(retryAfter) ? retryAfter * 1000 : undefined;
  const body = problemSchema.safeParse(parseJson(answer.text));
  if (!body.success) {
    const error = new PrismError(
      "unexpectedAnswer",
      `${answer.url} answered ${answer.status} without a problem`,
      {
        status: answer.status,
        retryable: answer.status >= 502,
        executed: "unknown",
        attempts,
      },
    );
    return {
      outcome: { kind: "answered", retryable: error.retryable, executed: "unknown", retryAfterMs },
      error,
    };
  }
  const { retryable, executed } = body.data;
  return {
    outcome: { kind: "answered", retryable, executed, retryAfterMs },
    error: PrismError.ofProblem(body.data, attempts),
  };
}

function toConnectionFailure(cause: unknown, url: string, attempts: number): Failure {
  const code = (cause as { code?: unknown } | null)?.code;
  if (typeof code === "string" && UNSENT.has(code)) {
    const detail = `no connection to ${url} (${code})`;
    return {
      outcome: { kind: "unsent" },
      error: new PrismError("unreachable", detail, { retryable: true, executed: "no", attempts, cause }),
    };
  }
  const timedOut =
    (cause as { name?: unknown } | null)?.name === "TimeoutError" ||
    cause instanceof errors.HeadersTimeoutError;
  const [name, detail] = timedOut
    ? (["deadlineExceeded", `${url} did not answer in time`] as const)
    : (["connectionLost", `the connection to ${url} broke before the answer`] as const);
  const error = new PrismError(name, detail, { retryable: true, executed: "unknown", attempts, cause });
  return { outcome: { kind: "lost" }, error };
}

function deadlineExceeded(attempts: number): PrismError {
  return new PrismError("deadlineExceeded", "the call's time is up", {
    retryable: true,
    executed: "unknown",
    attempts,
  });
}

function aborted(attempts: number, executed: "no" | "unknown", cause: unknown): PrismError {
  return new PrismError("aborted", "the caller gave up", { retryable: false, executed, attempts, cause });
}

/** The value of a JSON text, or undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
