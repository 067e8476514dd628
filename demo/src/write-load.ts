/**
 * Writers that never rest, with the defaults of the SDK: most writes are new documents, every fourth
 * replaces one. The writer is the shard key, so a writer that waits for a shard holds up no other shard.
 */
import { PrismError, type CollectionClient } from "@prism/client";
import { AttemptCounter } from "./attempt-counter.js";
import { WriteLedger } from "./write-ledger.js";

/** By the hash of their names these fall on all three shards alike. */
const WRITERS = 8;
const REPLACE_EVERY = 4;

export class WriteLoad {
  readonly ledger = new WriteLedger();
  readonly #collection: CollectionClient;
  readonly #signal: AbortSignal;
  readonly #attempts: AttemptCounter;
  readonly #running: Promise<unknown>;
  readonly #failures = new Map<string, number>();
  #calls = 0;
  #stopping = false;

  constructor(collection: CollectionClient, signal: AbortSignal) {
    this.#collection = collection;
    this.#signal = signal;
    this.#attempts = new AttemptCounter("PUT", `/collections/${collection.name}/documents/`);
    this.#running = Promise.all(Array.from({ length: WRITERS }, (_, i) => this.#write(`writer-${i + 1}`)));
  }

  /** Ends after the writes under way. @throws what was not an error of the cluster. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    this.#attempts.stop();
  }

  get retries(): number {
    return this.#attempts.count - this.#calls;
  }

  /** Number of failed writes by error code. */
  get failures(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#failures);
  }

  async #write(writer: string): Promise<void> {
    // Ids whose last write was acknowledged. One that failed is not written again: a late repetition of
    // the failed write could not be told from a lost one.
    let replaceable: string | undefined;
    for (let value = 1; !this.#stopping && !this.#signal.aborted; value += 1) {
      const replaces = value % REPLACE_EVERY === 0;
      const id = replaces && replaceable !== undefined ? replaceable : `${writer}-${value}`;
      const acknowledged = await this.#put(writer, id, value);
      replaceable = acknowledged ? id : undefined;
    }
  }

  async #put(writer: string, id: string, value: number): Promise<boolean> {
    this.ledger.ask(id, value);
    this.#calls += 1;
    try {
      const document = { writer, value, note: `Entry ${value} of ${writer}` };
      const { shard } = await this.#collection.put(id, document, { signal: this.#signal });
      this.ledger.acknowledge({ id, value, shard, atMs: performance.now() });
      return true;
    } catch (error) {
      if (!(error instanceof PrismError)) throw error;
      this.ledger.noteFailure();
      this.#failures.set(error.code, (this.#failures.get(error.code) ?? 0) + 1);
      return false;
    }
  }
}
