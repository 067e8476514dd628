/** Entry of a shard worker thread. */
import { randomUUID } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { ShardWorker } from "./shard-worker.js";
import type { FromWorker, ToWorker, WorkerSettings } from "./worker-message.js";

if (parentPort === null) throw new Error("worker/main.js is the entry of a worker thread");
const port = parentPort;

function post(message: FromWorker): void {
  const transfer =
    "payload" in message && message.payload !== undefined ? [message.payload.buffer as ArrayBuffer] : [];
  port.postMessage(message, transfer);
}

const worker = new ShardWorker(workerData as WorkerSettings, {
  bootId: randomUUID(),
  sync: process.env["PRISM_UNSAFE_NO_SYNC"] !== "1",
  post,
});
port.on("message", (message: ToWorker) => worker.handle(message));
worker.start();
