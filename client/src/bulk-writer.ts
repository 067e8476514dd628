/**
 * Many operations in few requests: batches of lines, several on the way at once, and no more read from
 * the source than is being sent. Every line carries an operation id, so a batch whose answer was lost is
 * sent again whole, and lines that failed for a while are sent again alone; each is applied at most once.
 *
 * Operations on one document keep their order: one is sent only when every earlier one on it is settled,
 * since a line that is sent again would otherwise overtake the next on its document.
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

interface Batch {
  readonly lines: Line[];
  /** Of documents; a line without an id has one to itself. */
  readonly ids: Set<string>;
  bytes: number;
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
  /** Of the first request that did not see it in time. */
  #notSearchable: { readonly met: boolean; readonly detail?: string } | undefined;

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

  /** What the requests said of copies that show the lines. */
  get searchable(): { readonly met: boolean; readonly detail?: string } {
    return this.#notSearchable ?? { met: true };
  }

  async #sendAll(batches: AsyncGenerator<Batch>): Promise<void> {
    const ended = new Promise<undefined>((resolve) => {
      this.#ending.signal.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    const underway = new Map<Promise<void>, Batch>();
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
        const batch = next.value;
        while ([...underway.values()].some((other) => sharesIds(batch, other))) {
          await Promise.race(underway.keys());
        }
        if (this.#ending.signal.aborted) break;
        const sending = this.#sendBatch(batch.lines)
          .catch(fail)
          .finally(() => underway.delete(sending));
        underway.set(sending, batch);
        if (underway.size >= this.#settings.concurrency) await Promise.race(underway.keys());
      }
    } finally {
      await Promise.all(underway.keys());
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

  async *#batches(source: Iterable<BulkOperation> | AsyncIterable<BulkOperation>): AsyncGenerator<Batch> {
    const { batchLines, batchBytes } = this.#settings;
    let batch = newBatch();
    let position = 0;
    for await (const operation of source) {
      const text = JSON.stringify({ ...operation, opId: operation.opId ?? newOperationId() });
      const bytes = Buffer.byteLength(text) + 1;
      const { id } = operation;
      const isTooLarge = batch.lines.length > 0 && batch.bytes + bytes > batchBytes;
      if (isTooLarge || (id !== undefined && batch.ids.has(id))) {
        yield batch;
        batch = newBatch();
      }
      batch.lines.push({ position, operation, text, bytes, attempts: 0, executed: "no" });
      batch.bytes += bytes;
      if (id !== undefined) batch.ids.add(id);
      position += 1;
      if (batch.lines.length >= batchLines) {
        yield batch;
        batch = newBatch();
      }
    }
    if (batch.lines.length > 0) yield batch;
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
      const { session, searchable } = asObject(summary);
      if (typeof session === "string") this.#noteSession(session);
      this.#noteSearchable(asObject(searchable));
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

  #noteSearchable({ met, detail }: Readonly<Record<string, unknown>>): void {
    if (met !== false) return;
    this.#notSearchable ??= { met, ...(typeof detail === "string" ? { detail } : {}) };
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

function newBatch(): Batch {
  return { lines: [], ids: new Set(), bytes: 0 };
}

function sharesIds(batch: Batch, other: Batch): boolean {
  for (const id of batch.ids) if (other.ids.has(id)) return true;
  return false;
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
