/**
 * Many operations in few requests: batches of lines, several on the way at once, and no more read from
 * the source than is being sent. Every line carries an operation id, so a batch whose answer was lost is
 * sent again whole, and lines that failed for a while are sent again alone; each is applied at most once.
 */
import type { BulkError } from "@prism/api/document";
import { setTimeout as delay } from "node:timers/promises";
import type { BulkOperation, BulkProgress, BulkSettings } from "./bulk-options.js";
import { asObject, parseJson } from "./error-answer.js";
import { newOperationId } from "./operation-id.js";
import { PrismError } from "./prism-error.js";
import type { Answer } from "./transport.js";

interface Line {
  readonly position: number;
  readonly operation: BulkOperation;
  readonly text: string;
  readonly bytes: number;
  attempts: number;
  /** Once an attempt may have been executed, no later refusal can take that back. */
  executed: "no" | "unknown";
}

export type SendBulk = (body: string, signal: AbortSignal) => Promise<Answer>;

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;

export class BulkWriter {
  readonly #send: SendBulk;
  readonly #noteSession: (session: string) => void;
  readonly #settings: BulkSettings;
  /** Ends requests and pauses when the caller gives up or a request failed for good. */
  readonly #ending = new AbortController();
  #succeeded = 0;
  #failed = 0;
  #bytes = 0;

  constructor(send: SendBulk, noteSession: (session: string) => void, settings: BulkSettings) {
    this.#send = send;
    this.#noteSession = noteSession;
    this.#settings = settings;
  }

  /**
   * Resolves or rejects when no request is under way any more. What the source throws is thrown after
   * the batches that were sent before have been answered.
   *
   * @throws {PrismError} when a whole request failed for good; what was answered before stays counted in onProgress.
   */
  async run(source: Iterable<BulkOperation> | AsyncIterable<BulkOperation>): Promise<BulkProgress> {
    const { signal } = this.#settings;
    const giveUp = (): void => this.#ending.abort(signal?.reason);
    if (signal?.aborted === true) throw gaveUp(signal, "no");
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      await this.#sendAll(this.#batches(source));
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
    return this.#progress();
  }

  async #sendAll(batches: AsyncGenerator<Line[]>): Promise<void> {
    const ended = new Promise<undefined>((resolve) => {
      this.#ending.signal.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    const underway = new Set<Promise<void>>();
    const failures: unknown[] = [];
    const fail = (error: unknown): void => {
      failures.push(error);
      this.#ending.abort(error);
    };
    try {
      for (;;) {
        // A source that has nothing for a long time must not keep the end from being noticed.
        const next = await Promise.race([batches.next(), ended]);
        if (next === undefined || next.done === true) break;
        const sending = this.#sendBatch(next.value)
          .catch(fail)
          .finally(() => underway.delete(sending));
        underway.add(sending);
        if (underway.size >= this.#settings.concurrency) await Promise.race(underway);
      }
    } finally {
      await Promise.all(underway);
    }
    if (this.#ending.signal.aborted) {
      // Not awaited: a source in the middle of a wait closes when that is over.
      batches.return(undefined).catch(() => undefined);
    }
    if (failures.length > 0) throw failures[0];
    if (this.#settings.signal?.aborted === true) throw gaveUp(this.#settings.signal, "unknown");
  }

  #progress(): BulkProgress {
    return { succeeded: this.#succeeded, failed: this.#failed, bytes: this.#bytes };
  }

  async *#batches(source: Iterable<BulkOperation> | AsyncIterable<BulkOperation>): AsyncGenerator<Line[]> {
    const { batchLines, batchBytes } = this.#settings;
    let batch: Line[] = [];
    let batchedBytes = 0;
    let position = 0;
    for await (const operation of source) {
      const text = JSON.stringify({ ...operation, opId: operation.opId ?? newOperationId() });
      const bytes = Buffer.byteLength(text) + 1;
      if (batch.length > 0 && batchedBytes + bytes > batchBytes) {
        yield batch;
        batch = [];
        batchedBytes = 0;
      }
      batch.push({ position, operation, text, bytes, attempts: 0, executed: "no" });
      position += 1;
      batchedBytes += bytes;
      if (batch.length >= batchLines) {
        yield batch;
        batch = [];
        batchedBytes = 0;
      }
    }
    if (batch.length > 0) yield batch;
  }

  async #sendBatch(batch: Line[]): Promise<void> {
    let lines = batch;
    for (let round = 0; lines.length > 0; round += 1) {
      if (round > 0) await this.#pause(round);
      const answer = await this.#request(lines);
      if (answer === undefined) return;
      lines = this.#takeAnswer(lines, answer);
      this.#settings.onProgress?.(this.#progress());
    }
  }

  /** Half of the pause is fixed, half is chance, so that the retries cover a known time. */
  async #pause(round: number): Promise<void> {
    const ceilingMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (round - 1));
    const waitMs = (ceilingMs * (1 + Math.random())) / 2;
    await delay(waitMs, undefined, { signal: this.#ending.signal }).catch(() => undefined);
  }

  /** undefined: it was too large, and its halves have been sent instead. */
  async #request(lines: Line[]): Promise<Answer | undefined> {
    try {
      const body = `${lines.map((line) => line.text).join("\n")}\n`;
      return await this.#send(body, this.#ending.signal);
    } catch (error) {
      if (!(error instanceof PrismError) || error.status !== 413) throw error;
      const [line] = lines;
      if (lines.length === 1 && line !== undefined) {
        const { message: detail, retryable, executed } = error;
        this.#settle(line, { code: "bodyTooLarge", detail, retryable, executed });
        this.#settings.onProgress?.(this.#progress());
        return undefined;
      }
      const half = Math.ceil(lines.length / 2);
      await this.#sendBatch(lines.slice(0, half));
      await this.#sendBatch(lines.slice(half));
      return undefined;
    }
  }

  /** Counts what is settled; returns the lines to send again. */
  #takeAnswer(lines: readonly Line[], answer: Answer): Line[] {
    const again: Line[] = [];
    const answered = new Set<number>();
    for (const text of answer.text.split("\n")) {
      const { summary, line: number, error } = asObject(parseJson(text));
      const { session } = asObject(summary);
      if (typeof session === "string") this.#noteSession(session);
      const line = typeof number === "number" ? lines[number - 1] : undefined;
      if (line === undefined || answered.has(line.position)) continue;
      // From there on the server read nothing; the lines before are settled, so the rest is a smaller body.
      const failure = error as BulkError | undefined;
      if (failure?.code === "bodyTooLarge" && line !== lines[0]) continue;
      answered.add(line.position);
      if (failure === undefined) this.#settle(line);
      else if (failure.retryable && line.attempts < this.#settings.lineRetries)
        again.push(retried(line, failure.executed));
      else this.#settle(line, failure);
    }
    // An answer that ended early: what it did not say is asked again under the same operation ids.
    const unanswered = lines.filter((line) => !answered.has(line.position));
    for (const line of unanswered) {
      if (line.attempts >= this.#settings.lineRetries) throw endedEarly(line, answer);
      again.push(retried(line, "unknown"));
    }
    return again.sort((a, b) => a.position - b.position);
  }

  #settle(line: Line, error?: BulkError): void {
    this.#bytes += line.bytes;
    if (error === undefined) {
      this.#succeeded += 1;
      return;
    }
    this.#failed += 1;
    const { position, operation } = line;
    const executed = line.executed === "unknown" ? "unknown" : error.executed;
    this.#settings.onFailure?.({ position, operation, error: { ...error, executed } });
  }
}

function retried(line: Line, executed: "no" | "unknown"): Line {
  line.attempts += 1;
  if (executed === "unknown") line.executed = "unknown";
  return line;
}

function endedEarly(line: Line, answer: Answer): PrismError {
  return new PrismError("connectionLost", `the bulk answer of ${answer.url} ended early`, {
    retryable: true,
    executed: "unknown",
    attempts: line.attempts + 1,
  });
}

function gaveUp(signal: AbortSignal, executed: "no" | "unknown"): PrismError {
  const cause = signal.reason as unknown;
  return new PrismError("aborted", "the caller gave up", { retryable: false, executed, attempts: 0, cause });
}
