/**
 * Sentence embeddings by a model that lies on disk (Universal Sentence Encoder lite, 512 dimensions, unit
 * length), on several threads. The model's time grows with the number of words.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { EmbeddingReply, EmbeddingRequest } from "./embedding-worker.js";

export const DIMENSIONS = 512;

/** Larger batches are padded to their longest text, which costs more than it saves. */
const BATCH_TEXTS = 8;
/** More than two threads would take the cluster's nodes their processors. */
const THREADS_MAX = 2;

type Vectors = EmbeddingReply["vectors"];

interface Waiting {
  readonly resolve: (vectors: Vectors) => void;
  readonly reject: (error: Error) => void;
}

export class Embedder {
  readonly #workers: readonly Worker[];
  readonly #waiting = new Map<number, Waiting>();
  #sent = 0;
  #failure: Error | undefined;

  constructor(threads = Math.min(THREADS_MAX, availableParallelism())) {
    const program = new URL("./embedding-worker.js", import.meta.url);
    this.#workers = Array.from({ length: threads }, () => new Worker(program));
    for (const worker of this.#workers) {
      worker.on("message", (reply: EmbeddingReply) => {
        this.#waiting.get(reply.number)?.resolve(reply.vectors);
        this.#waiting.delete(reply.number);
      });
      worker.on("error", (error) => this.#fail(new Error("the embedding thread failed", { cause: error })));
    }
  }

  /** @throws {Error} when a thread has failed or the embedder is closed. */
  async embed(text: string): Promise<readonly number[]> {
    const [vector] = await this.#embedBatch([text]);
    return vector!;
  }

  /** Every item with the vector of its text, in order, a few batches ahead of the reader. */
  async *stream<T>(
    items: readonly T[],
    textOf: (item: T) => string,
  ): AsyncGenerator<{ readonly item: T; readonly vector: readonly number[] }> {
    const ahead: { readonly batch: readonly T[]; readonly vectors: Promise<Vectors> }[] = [];
    let next = 0;
    while (next < items.length || ahead.length > 0) {
      while (next < items.length && ahead.length < 2 * this.#workers.length) {
        const batch = items.slice(next, next + BATCH_TEXTS);
        const vectors = this.#embedBatch(batch.map(textOf));
        // Awaited in its turn below; until then a failure must not count as unhandled.
        vectors.catch(() => undefined);
        ahead.push({ batch, vectors });
        next += batch.length;
      }
      const { batch, vectors } = ahead.shift()!;
      const made = await vectors;
      yield* batch.map((item, i) => ({ item, vector: made[i]! }));
    }
  }

  async close(): Promise<void> {
    this.#fail(new Error("the embedder is closed"));
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #embedBatch(texts: readonly string[]): Promise<Vectors> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const number = this.#sent;
    this.#sent += 1;
    const request: EmbeddingRequest = { number, texts };
    // The rule takes the thread for a browser window.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    this.#workers[number % this.#workers.length]!.postMessage(request);
    return new Promise((resolve, reject) => this.#waiting.set(number, { resolve, reject }));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}
