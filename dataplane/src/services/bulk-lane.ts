/**
 * The operations of one bulk request for one shard. They go in batches, several in flight, but two
 * operations on one document never are at the same time: a retried batch could overtake another.
 */
import { Problem } from "@prism/api/problem-code";
import type { WriteItem } from "@prism/proto/gen/node";
import type { CancelSignal } from "./cancellation.js";
import type { CollectionEntry } from "./cluster-directory.js";
import { Deadline } from "./deadline.js";
import type { ShardWriter, WriteOutcome } from "./shard-writer.js";

const BATCH_LINES = 500;
const BATCH_BYTES = 1024 * 1024;
const MOST_IN_FLIGHT = 4;

type Settle = (outcome: WriteOutcome) => void;

interface Batch {
  readonly items: WriteItem[];
  readonly settles: Settle[];
  readonly ids: Set<string>;
  bytes: number;
}

export class BulkLane {
  readonly #collection: CollectionEntry;
  readonly #shard: number;
  readonly #writer: ShardWriter;
  readonly #timeoutMs: number;
  readonly #signal: CancelSignal | undefined;
  readonly #inFlight = new Set<Batch>();
  /** Oldest first; all but the last are full. */
  readonly #queue: Batch[] = [];
  #ended = false;

  constructor(
    collection: CollectionEntry,
    shard: number,
    writer: ShardWriter,
    timeoutMs: number,
    signal: CancelSignal | undefined,
  ) {
    this.#collection = collection;
    this.#shard = shard;
    this.#writer = writer;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
  }

  /** `settle` is called once, in its own time. */
  add(item: WriteItem, settle: Settle): void {
    let batch = this.#queue.at(-1);
    if (batch === undefined || isFull(batch)) {
      batch = { items: [], settles: [], ids: new Set(), bytes: 0 };
      this.#queue.push(batch);
    }
    batch.items.push(item);
    batch.settles.push(settle);
    batch.ids.add(item.id);
    batch.bytes += item.document.length;
    if (isFull(batch)) this.#send();
  }

  /** Sends what waits when nothing is in flight; else the next answer does. */
  sendIfIdle(): void {
    if (this.#inFlight.size === 0) this.#send();
  }

  /** Nothing more comes: batches go as they are. */
  end(): void {
    this.#ended = true;
    this.#send();
  }

  #send(): void {
    while (this.#inFlight.size < MOST_IN_FLIGHT) {
      const batch = this.#queue[0];
      if (batch === undefined || this.#sharesIds(batch)) return;
      if (!isFull(batch) && !this.#ended && this.#inFlight.size > 0) return;
      this.#queue.shift();
      this.#inFlight.add(batch);
      void this.#write(batch);
    }
  }

  #sharesIds(batch: Batch): boolean {
    for (const other of this.#inFlight) {
      for (const id of batch.ids) if (other.ids.has(id)) return true;
    }
    return false;
  }

  async #write(batch: Batch): Promise<void> {
    const outcomes = await this.#outcomes(batch);
    this.#inFlight.delete(batch);
    this.#send();
    batch.settles.forEach((settle, i) => settle(outcomes[i] ?? UNANSWERED));
  }

  async #outcomes(batch: Batch): Promise<readonly WriteOutcome[]> {
    try {
      return await this.#writer.write(this.#collection, this.#shard, batch.items, {
        deadline: Deadline.in(this.#timeoutMs),
        signal: this.#signal,
        waitsForQueue: true,
      });
    } catch (error) {
      const problem =
        error instanceof Problem
          ? error
          : new Problem("internalError", "the batch could not be written", { cause: error });
      return batch.items.map(() => ({ kind: "refused", problem }));
    }
  }
}

const UNANSWERED: WriteOutcome = {
  kind: "refused",
  problem: new Problem("internalError", "the operation has no outcome"),
};

function isFull(batch: Batch): boolean {
  return batch.items.length >= BATCH_LINES || batch.bytes >= BATCH_BYTES;
}
