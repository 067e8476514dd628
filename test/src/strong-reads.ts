/**
 * Documents that one writer sets to ever higher counters, and readers that ask for them at level strong. A
 * strong read must show every write that was acknowledged, and every one that a strong read had shown,
 * before it began: else it is stale.
 */
import { setTimeout as delay } from "node:timers/promises";
import { PrismError, type PrismClient } from "@prism/client";

export interface StrongReadsOptions {
  readonly writer: PrismClient;
  readonly readers: readonly PrismClient[];
  readonly collection: string;
  /** Before the documents' ids. */
  readonly prefix: string;
}

/** On several shards, most likely. */
const DOCUMENTS = 6;
const TIMEOUT_MS = 3000;
const PAUSE_MS = 10;

export class StrongReads {
  /** What was found, and what should at least have been. */
  readonly stale: string[] = [];
  readonly counts = { right: 0, failed: 0, writes: 0 };
  readonly #options: StrongReadsOptions;
  /** By document: the highest counter that is known to have been acknowledged or shown. */
  readonly #floors = Array.from({ length: DOCUMENTS }, () => 0);
  /** A write whose outcome is not known may run late and set the counter back: nothing is checked any more. */
  readonly #doubtful = new Set<number>();
  readonly #running: readonly Promise<void>[];
  #stopping = false;

  constructor(options: StrongReadsOptions) {
    this.#options = options;
    this.#running = [this.#write(), ...options.readers.map((reader) => this.#read(reader))];
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  #idOf(document: number): string {
    return `${this.#options.prefix}${document}`;
  }

  async #write(): Promise<void> {
    const { writer, collection } = this.#options;
    for (let counter = 1; !this.#stopping; counter += 1) {
      const document = counter % DOCUMENTS;
      if (this.#doubtful.has(document)) continue;
      try {
        await writer.collection(collection).put(this.#idOf(document), { counter, body: "strong" });
        this.#floors[document] = Math.max(this.#floors[document]!, counter);
        this.counts.writes += 1;
      } catch (error) {
        if (!(error instanceof PrismError)) throw error;
        if (error.executed === "unknown") this.#doubtful.add(document);
        if (this.#doubtful.size === DOCUMENTS) return;
      }
      await delay(PAUSE_MS);
    }
  }

  async #read(reader: PrismClient): Promise<void> {
    const collection = reader.collection(this.#options.collection);
    for (let at = 0; !this.#stopping; at += 1) {
      const document = at % DOCUMENTS;
      const floor = this.#floors[document]!;
      // With a session the cluster would wait for what this client has seen: the level alone must be enough.
      collection.forgetSession();
      try {
        const found = await collection.get(this.#idOf(document), {
          consistency: "strong",
          timeoutMs: TIMEOUT_MS,
        });
        const counter = Number(found?.fields["counter"] ?? 0);
        if (this.#doubtful.has(document)) continue;
        if (counter < floor) this.stale.push(`${this.#idOf(document)}: ${counter} after ${floor}`);
        else this.counts.right += 1;
        this.#floors[document] = Math.max(this.#floors[document]!, counter);
      } catch (error) {
        if (!(error instanceof PrismError)) throw error;
        this.counts.failed += 1;
      }
      await delay(PAUSE_MS);
    }
  }
}
