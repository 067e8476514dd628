/**
 * One call of the API: attempts over the endpoints until it succeeds, may not be repeated, or its time
 * is up. Knows HTTP and problems, nothing of documents.
 */
import { setMaxListeners } from "node:events";
import { Attempt } from "./attempt.js";
import { AttemptRace, type RaceResult, type Runner } from "./attempt-race.js";
import type { WireAnswer } from "./connection.js";
import { ConnectionPool } from "./connection-pool.js";
import { EndpointPool } from "./endpoint-pool.js";
import { parseJson, readErrorAnswer, type AttemptFailure } from "./error-answer.js";
import type { AttemptLimits } from "./judge-attempt.js";
import { PrismError } from "./prism-error.js";
import { RetryBudget } from "./retry-budget.js";
import { decideRetry, mayHaveExecuted, type RetryLimits } from "./retry-policy.js";

export interface TransportSettings {
  readonly endpoints: readonly string[];
  readonly apiKey: string | undefined;
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly limits: AttemptLimits;
  readonly retry: RetryLimits;
  readonly retriesPerSecond: number;
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

export interface Answer extends WireAnswer {
  /** The base URL that answered. */
  readonly url: string;
}

/** Of the time until silence is a verdict: at least two signs of life fit in. */
const PROGRESS_SHARE = 0.4;
/** The shortest that a node takes. */
const LEAST_PROGRESS_MS = 20;

export class Transport {
  readonly #settings: TransportSettings;
  readonly #pool: EndpointPool;
  readonly #connections = new Map<string, ConnectionPool>();
  readonly #budget: RetryBudget;
  readonly #underway = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor(settings: TransportSettings) {
    this.#settings = settings;
    // Every call that waits for its next attempt listens, and each leaves with its wait: no leak to be warned of.
    setMaxListeners(0, this.#closing.signal);
    this.#pool = new EndpointPool(settings.endpoints, Math.floor(Math.random() * settings.endpoints.length));
    this.#budget = new RetryBudget(settings.retriesPerSecond, performance.now());
  }

  /** @throws {PrismError} when the call failed for good. */
  async call(call: Call): Promise<Answer> {
    const timeoutMs = call.timeoutMs ?? Math.max(this.#settings.timeoutMs, call.needsMs ?? 0);
    const deadlineMs = performance.now() + timeoutMs;
    const retry = { ...this.#settings.retry, retries: call.retries ?? this.#settings.retry.retries };
    let avoid: string | undefined;
    // Once an attempt may have been executed, no later refusal can take that back.
    let executed: "no" | "unknown" = "no";
    // What a node said of the call tells more than that its time was up.
    let refusal: AttemptFailure | undefined;
    this.#budget.earn(performance.now());
    for (let attempt = 1; ; attempt += 1) {
      this.#checkGivenUp(call, attempt - 1, executed);
      const url = this.#pool.pick(call.preferred ?? [], avoid, performance.now());
      const { result, otherMayHaveRun } = await this.#attempt(url, call, deadlineMs, retry.retries);
      if (!("outcome" in result)) return result;
      if (call.effect !== "read" && (otherMayHaveRun || mayHaveExecuted(result.outcome)))
        executed = "unknown";
      this.#checkGivenUp(call, attempt, executed);
      const remainingMs = deadlineMs - performance.now();
      if (result.outcome.kind === "answered") refusal = result;
      if (remainingMs <= 0) throw toError(refusal ?? result, attempt, executed);
      const repeatable = call.effect !== "once";
      const decision = decideRetry(result.outcome, attempt, repeatable, retry, remainingMs, Math.random());
      if (!decision.retry) throw toError(result, attempt, executed);
      const turnMs = this.#turnMs(result, remainingMs);
      if (turnMs === undefined) throw toError(result, attempt, executed);
      const waitMs = Math.max(decision.waitMs, turnMs);
      avoid = url;
      if (waitMs > 0) await this.#pause(waitMs, call.signal);
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
    await Promise.all(this.#underway);
    for (const connections of this.#connections.values()) connections.close();
  }

  /** Until the budget has a turn for one more attempt. One that reached nobody was no load for anybody. */
  #turnMs({ outcome }: AttemptFailure, withinMs: number): number | undefined {
    return outcome.kind === "unsent" ? 0 : this.#budget.reserve(performance.now(), withinMs);
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

  /** With a second attempt beside it where the first is slow and the budget has one. */
  async #attempt(url: string, call: Call, deadlineMs: number, retries: number): Promise<RaceResult> {
    const race = new AttemptRace();
    const onSlow = (isSent: boolean): void => {
      const nowMs = performance.now();
      const other = this.#pool.pick(call.preferred ?? [], url, nowMs);
      // What waits for a connection is no better off waiting twice for one to the same address.
      if (!isSent && other === url) return;
      // Where there is none at all, nothing was sent and most likely nothing will be: that is no load for anybody.
      const isFree = !isSent && !this.#connectionsTo(url).isReached;
      if (!isFree && !this.#budget.take(nowMs)) return;
      race.add(this.#start(other, call, deadlineMs, { needsNewConnection: other === url }));
    };
    const { attemptTimeoutMs, limits } = this.#settings;
    const isUsual = call.answersPieceByPiece !== true && (call.needsMs ?? 0) <= attemptTimeoutMs;
    const mayHedge = isUsual && call.effect !== "once" && retries > 0 && limits.hedgeDelayMs > 0;
    race.add(this.#start(url, call, deadlineMs, mayHedge ? { onSlow } : {}));
    const giveUp = (): void => race.cancel();
    call.signal?.addEventListener("abort", giveUp, { once: true });
    this.#underway.add(race.result);
    try {
      return await race.result;
    } finally {
      this.#underway.delete(race.result);
      call.signal?.removeEventListener("abort", giveUp);
    }
  }

  #start(
    url: string,
    call: Call,
    deadlineMs: number,
    {
      needsNewConnection = false,
      onSlow,
    }: { needsNewConnection?: boolean; onSlow?: (isSent: boolean) => void },
  ): Runner {
    const byDefaultMs = Math.max(this.#settings.attemptTimeoutMs, call.needsMs ?? 0);
    const { method, body = null } = call;
    const request = { method, path: `/api/v1${call.path}`, headers: this.#headers(call), body };
    const attempt = new Attempt(
      {
        url,
        request,
        timeoutMs: call.attemptTimeoutMs ?? byDefaultMs,
        deadlineMs,
        limits: this.#settings.limits,
        repeatable: call.effect !== "once",
        answersPieceByPiece: call.answersPieceByPiece === true,
        needsNewConnection,
        onSlow,
      },
      this.#connectionsTo(url),
    );
    return { result: this.#note(attempt, url, call), cancel: () => attempt.cancel() };
  }

  /** What the attempt's end says of the endpoint. */
  async #note(attempt: Attempt, url: string, call: Call): Promise<Answer | AttemptFailure> {
    const result = await attempt.result;
    if ("outcome" in result) {
      if (!attempt.isCancelled) {
        this.#pool.failed(url, performance.now());
        if (call.preferred?.includes(url) === true) call.onPreferredFailed?.();
      }
      return result;
    }
    const answer = { ...result, url };
    if (answer.status >= 300) return this.#noteErrorAnswer(answer);
    this.#pool.worked(url);
    return answer;
  }

  #connectionsTo(url: string): ConnectionPool {
    const known = this.#connections.get(url);
    if (known !== undefined) return known;
    // Addresses of nodes come and go.
    for (const [other, connections] of this.#connections)
      if (connections.isUnused) this.#connections.delete(other);
    const { silenceTimeoutMs } = this.#settings.limits;
    const made = new ConnectionPool(url, {
      connections: this.#settings.connections,
      openTimeoutMs: this.#settings.connectTimeoutMs,
      doubtTimeoutMs: silenceTimeoutMs,
      progressMs:
        silenceTimeoutMs === 0
          ? 0
          : Math.max(LEAST_PROGRESS_MS, Math.round(silenceTimeoutMs * PROGRESS_SHARE)),
    });
    this.#connections.set(url, made);
    return made;
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

  #headers(call: Call): Record<string, string> {
    const headers: Record<string, string> = { accept: "application/json", ...call.headers };
    if (call.body !== undefined) headers["content-type"] = call.contentType ?? "application/json";
    if (this.#settings.apiKey !== undefined) headers["authorization"] = `Bearer ${this.#settings.apiKey}`;
    return headers;
  }
}

function toError(failure: AttemptFailure, attempts: number, executed: "no" | "unknown"): PrismError {
  const { code, detail, outcome: _outcome, ...facts } = failure;
  return new PrismError(code, detail, { ...facts, executed, attempts });
}
