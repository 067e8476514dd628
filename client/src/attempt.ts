/** One attempt of a call at one address: its time limit, its connection, and the watch over that. */
import { setImmediate as turn } from "node:timers/promises";
import { NotConnected, type Connection, type WireAnswer, type WireRequest } from "./connection.js";
import type { ConnectionPool } from "./connection-pool.js";
import { attemptTimedOut, readConnectionError, type AttemptFailure } from "./error-answer.js";
import { judgeAttempt, type AttemptLimits } from "./judge-attempt.js";

export interface AttemptPlan {
  readonly url: string;
  readonly request: Omit<WireRequest, "signal" | "onPiece">;
  readonly timeoutMs: number;
  /** By performance.now(); the whole call's. */
  readonly deadlineMs: number;
  readonly limits: AttemptLimits;
  /** Executing the call twice is the same as once. */
  readonly repeatable: boolean;
  /** The attempt's time starts anew with each piece of its answer. */
  readonly answersPieceByPiece: boolean;
  /** Not one that was used before. */
  readonly needsNewConnection: boolean;
  /** Called when the attempt is slow enough for a second one beside it: once while it has no connection, once after. */
  readonly onSlow: ((isSent: boolean) => void) | undefined;
}

export class Attempt {
  readonly result: Promise<WireAnswer | AttemptFailure>;
  readonly #plan: AttemptPlan;
  readonly #pool: ConnectionPool;
  readonly #timer: AttemptTimer;
  #mayHedge: boolean;
  #watch: NodeJS.Timeout | undefined;
  #wasSilent = false;
  /** Time in which this process stood still while it watched: it could not have heard anything. */
  #deafMs = 0;
  #isCancelled = false;

  constructor(plan: AttemptPlan, pool: ConnectionPool) {
    this.#plan = plan;
    this.#pool = pool;
    this.#timer = new AttemptTimer(plan.timeoutMs, plan.deadlineMs);
    this.#mayHedge = plan.onSlow !== undefined;
    this.result = this.#run();
  }

  /** Its answer is not needed any more. */
  cancel(): void {
    this.#isCancelled = true;
    this.#timer.abort();
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  async #run(): Promise<WireAnswer | AttemptFailure> {
    const { url, needsNewConnection } = this.#plan;
    const { signal } = this.#timer;
    let connection: Connection | undefined;
    try {
      this.#watch = setTimeout(() => this.#plan.onSlow?.(false), UNCONNECTED_MS);
      connection = await (needsNewConnection ? this.#pool.acquireNew(signal) : this.#pool.acquire(signal));
      clearTimeout(this.#watch);
      const sentAtMs = performance.now();
      this.#look(connection, sentAtMs);
      const onPiece = (piece: Uint8Array): void => this.#notePiece(piece);
      const answer = await connection.send({ ...this.#plan.request, signal, onPiece });
      this.#stop();
      this.#pool.giveBack(connection);
      return answer;
    } catch (error) {
      this.#stop();
      if (connection !== undefined) this.#pool.retire(connection);
      if (this.#wasSilent) this.#pool.doubtIdle();
      if ((error as { code?: unknown } | null)?.code === "UND_ERR_INVALID_ARG") throw asTypeError(error);
      if (!this.#timer.isOver) return readConnectionError(error, url);
      return attemptTimedOut(url, this.#timer.timeoutMs, error instanceof NotConnected ? "unsent" : "lost");
    }
  }

  /** Empty lines between the lines of an answer are signs of life, no part of it. */
  #notePiece(piece: Uint8Array): void {
    if (this.#plan.answersPieceByPiece && piece.some((byte) => byte !== NEWLINE)) this.#timer.restart();
  }

  #look(connection: Connection, sentAtMs: number): void {
    const { limits, repeatable } = this.#plan;
    const nowMs = performance.now();
    const verdict = judgeAttempt(
      {
        sentMs: nowMs - sentAtMs,
        silentMs: Math.max(0, nowMs - Math.max(sentAtMs, connection.heardMs) - this.#deafMs),
        showsProgress: connection.showsProgress,
        repeatable,
        mayHedge: this.#mayHedge,
      },
      limits,
    );
    switch (verdict.kind) {
      case "wait":
        if (verdict.lookAfterMs === Number.POSITIVE_INFINITY) return;
        this.#lookAfter(Math.ceil(verdict.lookAfterMs), connection, sentAtMs);
        return;
      case "hedge":
        this.#mayHedge = false;
        this.#plan.onSlow?.(true);
        return this.#look(connection, sentAtMs);
      case "dead":
        this.#wasSilent = true;
        this.#timer.end("silent");
    }
  }

  #lookAfter(delayMs: number, connection: Connection, sentAtMs: number): void {
    const dueMs = performance.now() + delayMs;
    const look = async (): Promise<void> => {
      this.#deafMs += Math.max(0, performance.now() - dueMs);
      // What came while this process stood still is read first.
      await turn();
      await turn();
      if (this.#watch === timer) this.#look(connection, sentAtMs);
    };
    const timer = setTimeout(() => void look(), delayMs);
    this.#watch = timer;
  }

  #stop(): void {
    clearTimeout(this.#watch);
    this.#watch = undefined;
    this.#timer.stop();
  }
}

const NEWLINE = 0x0a;
/** In a data centre a connection takes a millisecond. */
const UNCONNECTED_MS = 250;

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

/** Header values that HTTP has no way to write: an operation id or key with control characters, say. */
function asTypeError(cause: unknown): TypeError {
  return new TypeError(`the request cannot be sent: ${(cause as Error).message}`, { cause });
}
