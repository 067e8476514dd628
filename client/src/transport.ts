/**
 * One call of the API: attempts over the endpoints until it succeeds, may not be repeated, or its time
 * is up. Knows HTTP and problems, nothing of documents.
 */
import { setMaxListeners } from "node:events";
import { Agent } from "undici";
import { EndpointPool } from "./endpoint-pool.js";
import {
  attemptTimedOut,
  parseJson,
  readConnectionError,
  readErrorAnswer,
  type AttemptFailure,
} from "./error-answer.js";
import { PrismError } from "./prism-error.js";
import { decideRetry, type RetryLimits } from "./retry-policy.js";
import { SilenceWatch } from "./silence-watch.js";

export interface TransportSettings {
  readonly endpoints: readonly string[];
  readonly apiKey: string | undefined;
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
  readonly silenceTimeoutMs: number;
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
  /** `read`: changes nothing. `exact`: changes at most once however often it is sent. `once`: neither. */
  readonly effect: "read" | "exact" | "once";
  /** Base URLs to try first: the nodes that hold the data. */
  readonly preferred?: readonly string[];
  /** One of them did not answer: what made them the right ones may be old. */
  readonly onPreferredFailed?: () => void;
  /** Default: the settings' timeoutMs, or needsMs if that is longer. */
  readonly timeoutMs?: number;
  /** Default: the settings' attemptTimeoutMs, or needsMs if that is longer. */
  readonly attemptTimeoutMs?: number;
  /** An answer that takes so long is not late. */
  readonly needsMs?: number;
  /** The attempt's time starts anew with each piece of its answer. */
  readonly answersPieceByPiece?: boolean;
  readonly retries?: number;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The base URL that answered. */
  readonly url: string;
}

/** A node whose host is down answers nothing; in a data centre a connection takes a millisecond. */
const CONNECT_TIMEOUT_MS = 2000;

export class Transport {
  readonly #settings: TransportSettings;
  readonly #agent: Agent;
  readonly #pool: EndpointPool;
  readonly #silence: SilenceWatch;
  readonly #closing = new AbortController();

  constructor(settings: TransportSettings) {
    this.#settings = settings;
    // Every call that waits for its next attempt listens, and each leaves with its wait: no leak to be warned of.
    setMaxListeners(0, this.#closing.signal);
    this.#pool = new EndpointPool(settings.endpoints, Math.floor(Math.random() * settings.endpoints.length));
    this.#silence = new SilenceWatch(settings.silenceTimeoutMs);
    this.#agent = new Agent({
      connections: settings.connections,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      keepAliveTimeout: 10_000,
    });
  }

  /** @throws {PrismError} when the call failed for good. */
  async call(call: Call): Promise<Answer> {
    const timeoutMs = call.timeoutMs ?? Math.max(this.#settings.timeoutMs, call.needsMs ?? 0);
    const deadlineMs = performance.now() + timeoutMs;
    const retry = { ...this.#settings.retry, retries: call.retries ?? this.#settings.retry.retries };
    let avoid: string | undefined;
    // Once an attempt may have been executed, no later refusal can take that back.
    let executed: "no" | "unknown" = "no";
    for (let attempt = 1; ; attempt += 1) {
      this.#checkGivenUp(call, attempt - 1, executed);
      const url = this.#pool.pick(call.preferred ?? [], avoid, performance.now());
      const result = await this.#attempt(url, call, deadlineMs);
      if (!("outcome" in result)) return result;
      if (mayHaveExecuted(result, call)) executed = "unknown";
      this.#checkGivenUp(call, attempt, executed);
      const remainingMs = deadlineMs - performance.now();
      const { outcome } = result;
      const decision = decideRetry(
        outcome,
        attempt,
        call.effect !== "once",
        retry,
        remainingMs,
        Math.random(),
      );
      if (!decision.retry) throw toError(result, attempt, executed);
      avoid = url;
      if (decision.waitMs > 0) await this.#pause(decision.waitMs, call.signal);
      if (deadlineMs <= performance.now()) throw toError(result, attempt, executed);
    }
  }

  /** The answer's JSON. @throws {PrismError} as call, and unexpectedAnswer when it is none. */
  async json<T>(call: Call): Promise<T> {
    const answer = await this.call(call);
    const value = parseJson(answer.text);
    if (value !== undefined) return value as T;
    throw new PrismError("unexpectedAnswer", `${answer.url} answered ${answer.status} without JSON`, {
      status: answer.status,
      retryable: false,
      executed: call.effect === "read" ? "no" : "unknown",
      attempts: 1,
    });
  }

  /** Waits for the attempts under way; calls between two attempts end with `aborted`. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#silence.close();
    if (!this.#agent.closed) await this.#agent.close();
  }

  #checkGivenUp(call: Call, attempts: number, executed: "no" | "unknown"): void {
    if (call.signal?.aborted === true) {
      const facts = { retryable: false, executed, attempts, cause: call.signal.reason as unknown };
      throw new PrismError("aborted", "the caller gave up", facts);
    }
    if (this.#closing.signal.aborted) {
      throw new PrismError("aborted", "the client is closed", { retryable: false, executed, attempts });
    }
  }

  /** Ends early when the caller gives up or the client closes. */
  #pause(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        this.#closing.signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      signal?.addEventListener("abort", done, { once: true });
      this.#closing.signal.addEventListener("abort", done, { once: true });
    });
  }

  async #attempt(url: string, call: Call, deadlineMs: number): Promise<Answer | AttemptFailure> {
    const byDefaultMs = Math.max(this.#settings.attemptTimeoutMs, call.needsMs ?? 0);
    const timer = new AttemptTimer(call.attemptTimeoutMs ?? byDefaultMs, deadlineMs);
    const giveUp = (): void => timer.abort();
    call.signal?.addEventListener("abort", giveUp, { once: true });
    // A call that may not be repeated is better off waiting; with nobody else to ask, waiting is all that is left.
    const mayBeMoved = call.effect !== "once" && this.#isAnotherNamed(url, call);
    const unwatch = mayBeMoved ? this.#silence.watch(url, () => timer.end("silent")) : () => undefined;
    const onPiece = (): void => {
      this.#silence.heard(url);
      if (call.answersPieceByPiece === true) timer.restart();
    };
    try {
      const answer = await this.#request(url, call, timer.signal, onPiece);
      if (answer.status >= 300) return this.#noteErrorAnswer(answer);
      this.#pool.worked(url);
      return answer;
    } catch (error) {
      if ((error as { code?: unknown } | null)?.code === "UND_ERR_INVALID_ARG") throw asTypeError(error);
      if (call.signal?.aborted !== true) {
        this.#pool.failed(url, performance.now());
        if (call.preferred?.includes(url) === true) call.onPreferredFailed?.();
      }
      return timer.isOver ? attemptTimedOut(url, timer.timeoutMs) : readConnectionError(error, url);
    } finally {
      timer.stop();
      unwatch();
      call.signal?.removeEventListener("abort", giveUp);
    }
  }

  /** Of the nodes that a routing table names, a Service in front of all of them is another one too. */
  #isAnotherNamed(url: string, call: Call): boolean {
    return [...this.#settings.endpoints, ...(call.preferred ?? [])].some((other) => other !== url);
  }

  /**
   * A node that refuses for want of room or of knowledge is left alone as long as it asks for; meanwhile
   * the call need not wait where another endpoint is free.
   */
  #noteErrorAnswer(answer: Answer): AttemptFailure {
    const failure = readErrorAnswer(answer, Date.now());
    const { outcome, code } = failure;
    const ofNode = code === "tooManyRequests" || code === "clusterNotReady" || code === "unexpectedAnswer";
    if (outcome.kind !== "answered" || !outcome.retryable || !ofNode) {
      this.#pool.worked(answer.url);
      return failure;
    }
    const nowMs = performance.now();
    this.#pool.busy(answer.url, nowMs + (outcome.retryAfterMs ?? 0));
    if (!this.#pool.hasFree(nowMs)) return failure;
    return { ...failure, outcome: { ...outcome, retryAfterMs: undefined } };
  }

  async #request(url: string, call: Call, signal: AbortSignal, onPiece: () => void): Promise<Answer> {
    const response = await this.#agent.request({
      origin: url,
      path: `/api/v1${call.path}`,
      method: call.method,
      headers: this.#headers(call),
      body: call.body ?? null,
      signal,
      // The attempt's own timer ends it; two clocks would make two kinds of errors.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const pieces: Buffer[] = [];
    for await (const piece of response.body as AsyncIterable<Buffer>) {
      pieces.push(piece);
      onPiece();
    }
    const text = Buffer.concat(pieces).toString("utf8");
    return { status: response.statusCode, headers: response.headers, text, url };
  }

  #headers(call: Call): Record<string, string> {
    const headers: Record<string, string> = { accept: "application/json", ...call.headers };
    if (call.body !== undefined) headers["content-type"] = call.contentType ?? "application/json";
    if (this.#settings.apiKey !== undefined) headers["authorization"] = `Bearer ${this.#settings.apiKey}`;
    return headers;
  }
}

/**
 * Ends one attempt. Not AbortSignal.timeout joined by AbortSignal.any: joined signals hang on to a
 * caller's long-lived signal, one per attempt.
 */
class AttemptTimer {
  #timeoutMs: number;
  readonly #startMs = performance.now();
  readonly #deadlineMs: number;
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(attemptTimeoutMs: number, deadlineMs: number) {
    this.#timeoutMs = Math.min(attemptTimeoutMs, deadlineMs - performance.now());
    this.#deadlineMs = deadlineMs;
    this.restart();
  }

  /** How long the attempt was given. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  restart(): void {
    clearTimeout(this.#timer);
    const leftMs = Math.min(this.#timeoutMs, this.#deadlineMs - performance.now());
    this.#timer = setTimeout(() => this.end("late"), Math.max(0, Math.ceil(leftMs)));
  }

  /** The time is up: as told at the start, or because nobody is there to answer. */
  end(why: "late" | "silent"): void {
    if (why === "silent") this.#timeoutMs = performance.now() - this.#startMs;
    this.#isOver = true;
    this.abort();
  }

  abort(): void {
    this.#controller.abort();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function mayHaveExecuted({ outcome }: AttemptFailure, call: Call): boolean {
  if (call.effect === "read" || outcome.kind === "unsent") return false;
  return outcome.kind === "lost" || outcome.executed === "unknown";
}

function toError(failure: AttemptFailure, attempts: number, executed: "no" | "unknown"): PrismError {
  const { code, detail, outcome: _outcome, ...facts } = failure;
  return new PrismError(code, detail, { ...facts, executed, attempts });
}

/** Header values that HTTP has no way to write: an operation id or key with control characters, say. */
function asTypeError(cause: unknown): TypeError {
  return new TypeError(`the request cannot be sent: ${(cause as Error).message}`, { cause });
}
