/** A reader that searches without rest, text and vector together, with the defaults of the SDK. */
import { PrismError, type CollectionClient, type SearchInput } from "@prism/client";

export interface SearchReport {
  readonly answered: number;
  /** Answered without at least one shard. */
  readonly partial: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly slowestMs: number;
}

export class SearchLoad {
  readonly #speeches: CollectionClient;
  readonly #signal: AbortSignal;
  readonly #running: Promise<void>;
  readonly #failures = new Map<string, number>();
  #answered = 0;
  #partial = 0;
  #failed = 0;
  #slowestMs = 0;
  #stopping = false;

  constructor(speeches: CollectionClient, vector: readonly number[], signal: AbortSignal) {
    this.#speeches = speeches;
    this.#signal = signal;
    this.#running = this.#search({
      queries: [
        { text: { query: "war and peace", fields: ["body"] } },
        { vector: { field: "embedding", values: vector } },
      ],
      include: ["year"],
    });
  }

  async stop(): Promise<SearchReport> {
    this.#stopping = true;
    await this.#running;
    return {
      answered: this.#answered,
      partial: this.#partial,
      failed: this.#failed,
      failures: Object.fromEntries(this.#failures),
      slowestMs: this.#slowestMs,
    };
  }

  async #search(input: SearchInput): Promise<void> {
    while (!this.#stopping && !this.#signal.aborted) {
      const startedMs = performance.now();
      try {
        const { complete } = await this.#speeches.search(input, { signal: this.#signal });
        this.#answered += 1;
        if (!complete) this.#partial += 1;
      } catch (error) {
        if (!(error instanceof PrismError)) throw error;
        this.#failed += 1;
        this.#failures.set(error.code, (this.#failures.get(error.code) ?? 0) + 1);
      }
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startedMs);
    }
  }
}
