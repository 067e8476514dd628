/** The collection of passages, and how it is filled: embedded and sent at the same time. */
import type { BulkOperation, CollectionClient, PrismClient } from "@prism/client";
import type { Passage } from "./corpus.js";
import { DIMENSIONS, type Embedder } from "./embedder.js";

export const SPEECHES = "speeches";
export const SHARDS = 3;
export const REPLICATION = { factor: 3, minReplicasForWrite: 2 };

export interface LoadReport {
  readonly sent: number;
  readonly loaded: number;
  readonly failed: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** Small, so that loading keeps pace with embedding. */
const BATCH_LINES = 32;

export async function createSpeeches(client: PrismClient): Promise<CollectionClient> {
  await client.createCollection(SPEECHES, {
    shards: SHARDS,
    replication: REPLICATION,
    fields: [
      { name: "title", type: "text", analyzer: "english" },
      { name: "body", type: "text", analyzer: "english" },
      { name: "president", type: "keyword" },
      { name: "party", type: "keyword" },
      { name: "year", type: "integer" },
      { name: "embedding", type: "vector", dimensions: DIMENSIONS, metric: "cosine" },
    ],
  });
  return client.collection(SPEECHES);
}

export interface LoadOptions {
  /** No more is sent after this time; Infinity: everything is. */
  readonly secondsMax: number;
  readonly onProgress: (loaded: number) => void;
  readonly signal: AbortSignal;
}

/** @throws {PrismError} when a request failed for good, or {Error} when embedding did. */
export async function loadPassages(
  speeches: CollectionClient,
  embedder: Embedder,
  passages: readonly Passage[],
  { secondsMax, onProgress, signal }: LoadOptions,
): Promise<LoadReport> {
  const startedMs = performance.now();
  let sent = 0;
  async function* operations(): AsyncGenerator<BulkOperation> {
    for await (const { item, vector } of embedder.stream(passages, (passage) => passage.body)) {
      const { id, ...fields } = item;
      sent += 1;
      yield { id, document: { ...fields, embedding: vector } };
      if (performance.now() - startedMs > secondsMax * 1000) return;
    }
  }
  const { succeeded, failed, bytes } = await speeches.bulk(operations(), {
    batchLines: BATCH_LINES,
    onProgress: (progress) => onProgress(progress.succeeded),
    signal,
  });
  return { sent, loaded: succeeded, failed, bytes, seconds: (performance.now() - startedMs) / 1000 };
}
