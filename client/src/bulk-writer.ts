/**
 * Many operations in few requests: batches of lines, several on the way at once, and no more read from
 * the source than is being sent. Every line carries an operation id, so a batch whose answer was lost is
 * sent again whole, and lines that failed for a while are sent again alone; each is applied at most once.
 */
import { bulkResultSchema, bulkSummarySchema, type BulkError } from "@prism/api/document";
import { setTimeout as delay } from "node:timers/promises";
import { newOperationId } from "./operation-id.js";
import { PrismError } from "./prism-error.js";
import { parseJson, type Answer } from "./transport.js";

export interface BulkOperation {
  /** Default put. */
  readonly action?: "put" | "create" | "patch" | "delete";
  /** Left out with put or create: the server makes one. */
  readonly id?: string;
  readonly document?: Readonly<Record<string, unknown>>;
  readonly ifMatch?: string;
  /** Needed for patch and delete in collections with a shard key. */
  readonly shardKey?: string;
  /** Made by the SDK when left out. */
  readonly opId?: string;
}

export interface BulkOptions {
  /** Lines per request. Default 500. */
  readonly batchLines?: number;
  /** Bytes per request, about. Default 4 MiB. */
  readonly batchBytes?: number;
  /** Requests on the way at once. Default 4. */
  readonly concurrency?: number;
  /** Times a line that failed with a retryable error is sent again. Default 8. */
  readonly lineRetries?: number;
  /** Called for each line that failed for good; without it they are only counted. */
  readonly onFailure?: (failure: BulkFailure) => void;
  /** Called after each answered batch. */
  readonly onProgress?: (progress: BulkProgress) => void;
  readonly signal?: AbortSignal;
}

export interface BulkFailure {
  /** Position in the source, from 0. */
  readonly position: number;
  readonly operation: BulkOperation;
  readonly error: BulkError;
}

export interface BulkProgress {
  readonly succeeded: number;
  readonly failed: number;
  readonly bytes: number;
}

export interface BulkReport extends BulkProgress {
  /** Read-your-writes token of all that succeeded. */
  readonly session: string;
}

interface Line {
  readonly position: number;
  readonly operation: BulkOperation;
  readonly text: string;
  attempts: number;
}

export type SendBulk = (body: string, signal: AbortSignal | undefined) => Promise<Answer>;

const DEFAULTS = { batchLines: 500, batchBytes: 4 * 1024 * 1024, concurrency: 4, lineRetries: 8 };

export class BulkWriter {
  readonly #send: SendBulk;
  readonly #noteSession: (session: string) => string;
  readonly #options: BulkOptions & typeof DEFAULTS;
  #succeeded = 0;
  #failed = 0;
  #bytes = 0;
  #session = "";

  constructor(send: SendBulk, noteSession: (session: string) => string, options: BulkOptions) {
    this.#send = send;
    this.#noteSession = noteSession;
    this.#options = { ...DEFAULTS, ...options };
  }

  /** @throws {PrismError} when a whole request failed for good; what was answered before stays counted in onProgress. */
  async run(source: Iterable<BulkOperation> | AsyncIterable<BulkOperation>): Promise<BulkReport> {
    const underway = new Set<Promise<void>>();
    let broken: unknown;
    for await (const batch of this.#batches(source)) {
      if (broken !== undefined) break;
      const sending = this.#sendBatch(batch)
        .catch((error: unknown) => {
          broken ??= error;
        })
        .finally(() => underway.delete(sending));
      underway.add(sending);
      if (underway.size >= this.#options.concurrency) await Promise.race(underway);
    }
    await Promise.all(underway);
    if (broken !== undefined) throw broken;
    return { ...this.#progress(), session: this.#session };
  }

  #progress(): BulkProgress {
    return { succeeded: this.#succeeded, failed: this.#failed, bytes: this.#bytes };
  }

  async *#batches(source: Iterable<BulkOperation> | AsyncIterable<BulkOperation>): AsyncGenerator<Line[]> {
    let batch: Line[] = [];
    let bytes = 0;
    let position = 0;
    for await (const operation of source) {
      const text = JSON.stringify({ ...operation, opId: operation.opId ?? newOperationId() });
      batch.push({ position, operation, text, attempts: 0 });
      position += 1;
      bytes += text.length + 1;
      if (batch.length >= this.#options.batchLines || bytes >= this.#options.batchBytes) {
        yield batch;
        batch = [];
        bytes = 0;
      }
    }
    if (batch.length > 0) yield batch;
  }

  async #sendBatch(batch: Line[]): Promise<void> {
    let lines = batch;
    for (let round = 0; lines.length > 0; round += 1) {
      if (round > 0) await delay(Math.min(2000, 50 * 2 ** round) * Math.random());
      const body = `${lines.map((line) => line.text).join("\n")}\n`;
      const answer = await this.#send(body, this.#options.signal);
      lines = this.#takeAnswer(lines, answer);
      this.#options.onProgress?.(this.#progress());
    }
  }

  /** Counts what is settled; returns the lines to send again. */
  #takeAnswer(lines: readonly Line[], answer: Answer): Line[] {
    const again: Line[] = [];
    const answered = new Set<number>();
    for (const text of answer.text.split("\n")) {
      if (text === "") continue;
      const value = parseJson(text);
      const summary = bulkSummarySchema.safeParse(value);
      if (summary.success) {
        this.#session = this.#noteSession(summary.data.summary.session);
        continue;
      }
      const result = bulkResultSchema.parse(value);
      const line = lines[result.line - 1];
      if (line === undefined || answered.has(result.line)) continue;
      answered.add(result.line);
      if (result.error === undefined) this.#settle(line);
      else if (result.error.retryable && line.attempts < this.#options.lineRetries)
        again.push(this.#retried(line));
      else this.#settle(line, result.error);
    }
    if (answered.size < lines.length) this.#unanswered(lines, answered, again);
    return again;
  }

  /** A response that ended early: what it did not say is asked again under the same operation ids. */
  #unanswered(lines: readonly Line[], answered: ReadonlySet<number>, again: Line[]): void {
    for (const [i, line] of lines.entries()) {
      if (answered.has(i + 1)) continue;
      if (line.attempts >= this.#options.lineRetries) {
        throw new PrismError("connectionLost", "the bulk answer ended early", {
          retryable: true,
          executed: "unknown",
          attempts: line.attempts + 1,
        });
      }
      again.push(this.#retried(line));
    }
  }

  #retried(line: Line): Line {
    line.attempts += 1;
    return line;
  }

  #settle(line: Line, error?: BulkError): void {
    this.#bytes += line.text.length;
    if (error === undefined) {
      this.#succeeded += 1;
      return;
    }
    this.#failed += 1;
    this.#options.onFailure?.({ position: line.position, operation: line.operation, error });
  }
}
