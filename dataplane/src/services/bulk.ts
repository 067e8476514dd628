/**
 * A stream of writes. Lines are read as they come, routed by a look at their envelope, sent to the
 * shards' primaries in batches, and answered in the order in which they came. What waits is bounded:
 * while it is too much, nothing more is read.
 */
import type { BulkError, BulkResult, BulkSummary, Searchable } from "@prism/api/document";
import { describeLimit, type Limits } from "@prism/api/limits";
import { Problem } from "@prism/api/problem-code";
import { encodeSession } from "@prism/api/session";
import { readBulkLine } from "../domain/bulk-line.js";
import { ringKeyOfWrite } from "../domain/document-route.js";
import { NdjsonSplitter, type NdjsonLine } from "../domain/ndjson.js";
import { BulkLane } from "./bulk-lane.js";
import type { CancelSignal } from "./cancellation.js";
import type { ClusterDirectory, CollectionEntry } from "./cluster-directory.js";
import { toWriteItem } from "./documents.js";
import { Deadline } from "./deadline.js";
import { newDocumentId } from "./id-source.js";
import { sessionOf, type SeenShard } from "./read-level.js";
import type { Searchability } from "./searchability.js";
import type { ShardWriter, WriteOutcome } from "./shard-writer.js";

/** Of one request, read and not answered yet. */
const MOST_WAITING_LINES = 8000;
const MOST_WAITING_BYTES = 32 * 1024 * 1024;
/** Without a byte more for this long, batches go as they are. A body comes in pieces that follow at once. */
const PAUSE_MS = 2;

export interface BulkOptions {
  /** Time limit of each operation, retries included. */
  readonly timeoutMs: number;
  readonly signal?: CancelSignal | undefined;
  /** Operation ids of lines without one become "<this>/<line>", so that a repeated request is exact. */
  readonly operationIdPrefix: string | undefined;
  /** Before the summary, until every in-sync copy shows what was written. */
  readonly waitsForSearchable?: boolean;
}

interface Slot {
  readonly bytes: number;
  result: BulkResult | undefined;
}

/** Bytes of lines that wait, of all requests of this node. */
interface WaitingBytes {
  bytes: number;
}

export class BulkService {
  readonly #directory: ClusterDirectory;
  readonly #writer: ShardWriter;
  readonly #searchability: Searchability;
  readonly #limits: Limits;
  readonly #waiting: WaitingBytes = { bytes: 0 };

  constructor(
    directory: ClusterDirectory,
    writer: ShardWriter,
    searchability: Searchability,
    limits: Limits,
  ) {
    this.#directory = directory;
    this.#writer = writer;
    this.#searchability = searchability;
    this.#limits = limits;
  }

  /** Throws Problem `collectionNotFound` or `tooManyRequests` at once; yields pieces of the NDJSON answer. */
  run(name: string, body: AsyncIterable<Uint8Array>, options: BulkOptions): AsyncGenerator<string> {
    const collection = this.#directory.collection(name);
    if (this.#waiting.bytes >= this.#limits.bulkWaitingBytes) {
      const detail = `${this.#waiting.bytes} bytes of bulk lines wait, ${describeLimit("bulkWaitingBytes", this.#limits)}`;
      throw new Problem("tooManyRequests", detail);
    }
    const run = new BulkRun(
      collection,
      this.#writer,
      this.#searchability,
      this.#limits,
      this.#waiting,
      options,
    );
    return run.run(body);
  }
}

class BulkRun {
  readonly #collection: CollectionEntry;
  readonly #searchability: Searchability;
  readonly #limits: Limits;
  readonly #options: BulkOptions;
  readonly #lanes: readonly BulkLane[];
  readonly #slots: Slot[] = [];
  readonly #seen: SeenShard[] = [];
  readonly #splitter: NdjsonSplitter;
  readonly #startedAtMs = performance.now();
  /** Of all requests, this one among them. */
  readonly #waiting: WaitingBytes;
  #bodyBytes = 0;
  #waitingBytes = 0;
  #answeredLines = 0;
  #failedLines = 0;
  #wake: (() => void) | undefined;
  #pause: NodeJS.Timeout | undefined;

  constructor(
    collection: CollectionEntry,
    writer: ShardWriter,
    searchability: Searchability,
    limits: Limits,
    waiting: WaitingBytes,
    options: BulkOptions,
  ) {
    this.#collection = collection;
    this.#waiting = waiting;
    this.#searchability = searchability;
    this.#limits = limits;
    this.#options = options;
    this.#splitter = new NdjsonSplitter(limits.bulkLineBytes);
    this.#lanes = collection.shards.map(
      (_, number) => new BulkLane(collection, number, writer, options.timeoutMs, options.signal),
    );
  }

  async *run(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
    try {
      yield* this.#answerBody(body);
    } finally {
      this.#waits(-this.#waitingBytes);
    }
  }

  #waits(bytes: number): void {
    this.#waitingBytes += bytes;
    this.#waiting.bytes += bytes;
  }

  async *#answerBody(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
    const chunks = body[Symbol.asyncIterator]();
    try {
      let next = chunks.next();
      for (;;) {
        // Answers go out while nothing comes in: a client may wait for them before it sends more.
        const chunk = await Promise.race([next, this.#headAnswered()]);
        if (chunk !== undefined) {
          if (chunk.done === true) break;
          yield* this.#read(chunk.value);
          if (this.#isOverLimit) return yield* this.#finish();
          next = chunks.next();
        }
        const ready = this.#answers();
        if (ready !== "") yield ready;
      }
    } finally {
      clearTimeout(this.#pause);
      await chunks.return?.();
    }
    const last = this.#splitter.finish();
    if (last !== undefined) this.#take(last);
    yield* this.#finish();
  }

  async *#read(chunk: Uint8Array): AsyncGenerator<string> {
    this.#bodyBytes += chunk.length;
    if (this.#isOverLimit) {
      const detail = `the body is too large, ${describeLimit("bulkBytes", this.#limits)}; from this line on nothing was read`;
      this.#refuse(this.#splitter.lineNumber, undefined, new Problem("bodyTooLarge", detail));
      return;
    }
    for (const line of this.#splitter.push(chunk)) {
      this.#take(line);
      if (this.#isFull()) yield* this.#untilNotFull();
    }
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => {
      for (const lane of this.#lanes) lane.sendIfIdle();
    }, PAUSE_MS);
  }

  get #isOverLimit(): boolean {
    return this.#bodyBytes > this.#limits.bulkBytes;
  }

  /** Resolves when the next answer in line is there. */
  #headAnswered(): Promise<undefined> {
    if (this.#slots[0]?.result !== undefined) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#wake = () => resolve(undefined);
    });
  }

  async *#finish(): AsyncGenerator<string> {
    for (const lane of this.#lanes) lane.end();
    yield* this.#until(() => this.#slots.length === 0);
    const searchable = await this.#searchable();
    const summary: BulkSummary = {
      summary: {
        lines: this.#answeredLines,
        succeeded: this.#answeredLines - this.#failedLines,
        failed: this.#failedLines,
        tookMs: Math.round(performance.now() - this.#startedAtMs),
        session: encodeSession(sessionOf(this.#collection.uid, this.#seen)),
        ...(searchable === undefined ? {} : { searchable }),
      },
    };
    yield `${JSON.stringify(summary)}\n`;
  }

  async #searchable(): Promise<Searchable | undefined> {
    const { waitsForSearchable, timeoutMs, signal } = this.#options;
    if (waitsForSearchable !== true) return undefined;
    const deadline = Deadline.in(timeoutMs);
    return await this.#searchability.of(this.#collection, this.#seen, { deadline, signal });
  }

  #take(line: NdjsonLine): void {
    if (line.kind === "tooLong") {
      const detail = `the line is too long, ${describeLimit("bulkLineBytes", this.#limits)}`;
      this.#refuse(line.number, undefined, new Problem("limitExceeded", detail));
      return;
    }
    let id: string | undefined;
    try {
      const parsed = readBulkLine(line.bytes, this.#limits);
      const { action, opId, ifMatch, shardKey } = parsed.line;
      const operationId = opId ?? this.#prefixed(line.number);
      id = parsed.line.id ?? newDocumentId(this.#collection.uid, operationId);
      const command = { action, id, document: parsed.document, shardKey };
      const shard = this.#collection.ring.shardOf(ringKeyOfWrite(this.#collection.spec, command));
      const item = toWriteItem({ ...command, operationId, ifMatch, ifNoneMatch: false }, this.#limits);
      const slot: Slot = { bytes: line.bytes.length, result: undefined };
      this.#slots.push(slot);
      this.#waits(slot.bytes);
      const settle = (outcome: WriteOutcome): void => {
        slot.result = this.#resultOf(line.number, item.id, shard, outcome);
        this.#onAnswer();
      };
      this.#lanes[shard]!.add(item, settle);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#refuse(line.number, id, error);
    }
  }

  #prefixed(line: number): string | undefined {
    const { operationIdPrefix } = this.#options;
    return operationIdPrefix === undefined ? undefined : `${operationIdPrefix}/${line}`;
  }

  #refuse(line: number, id: string | undefined, problem: Problem): void {
    this.#slots.push({ bytes: 0, result: failedResult(line, id, problem) });
  }

  #resultOf(line: number, id: string, shard: number, outcome: WriteOutcome): BulkResult {
    if (outcome.kind === "refused") return failedResult(line, id, outcome.problem);
    const { result, term, seq, historyId } = outcome;
    this.#note({ shard, historyId, seq });
    const status = result === "created" ? 201 : 200;
    return { line, id, status, result: result as BulkResult["result"], shard, term, seq };
  }

  /** Keeps the highest position of each shard, not every line's. */
  #note(seen: SeenShard): void {
    const at = this.#seen.findIndex((one) => one.shard === seen.shard);
    if (at === -1) this.#seen.push(seen);
    else if (this.#seen[at]!.historyId !== seen.historyId || this.#seen[at]!.seq < seen.seq) {
      this.#seen[at] = seen;
    }
  }

  #isFull(): boolean {
    const areAllFull = this.#waitingBytes > 0 && this.#waiting.bytes >= this.#limits.bulkWaitingBytes;
    return areAllFull || this.#slots.length >= MOST_WAITING_LINES || this.#waitingBytes >= MOST_WAITING_BYTES;
  }

  async *#untilNotFull(): AsyncGenerator<string> {
    // Batches that are not full yet must go too, or they would wait for lines that are not read.
    for (const lane of this.#lanes) lane.sendIfIdle();
    yield* this.#until(() => !this.#isFull());
  }

  /** Yields answers as they come until the condition holds. */
  async *#until(done: () => boolean): AsyncGenerator<string> {
    for (;;) {
      const ready = this.#answers();
      if (ready !== "") yield ready;
      if (done()) return;
      await this.#headAnswered();
    }
  }

  #onAnswer(): void {
    if (this.#slots[0]?.result === undefined) return;
    this.#wake?.();
    this.#wake = undefined;
  }

  /** The answers at the head of the line, as text. */
  #answers(): string {
    let text = "";
    let taken = 0;
    for (const slot of this.#slots) {
      if (slot.result === undefined) break;
      text += `${JSON.stringify(slot.result)}\n`;
      taken += 1;
      this.#waits(-slot.bytes);
      this.#answeredLines += 1;
      if (slot.result.error !== undefined) this.#failedLines += 1;
    }
    this.#slots.splice(0, taken);
    return text;
  }
}

function failedResult(line: number, id: string | undefined, problem: Problem): BulkResult {
  const { code, detail, executed, violations, kind } = problem;
  const errors = violations.length > 0 ? { errors: violations } : {};
  const error: BulkError = { code, detail, retryable: kind.retryable, executed, ...errors };
  return { line, ...(id === undefined ? {} : { id }), status: kind.status, error };
}
