/** Entry of a shard worker thread. */
import { randomUUID } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { TurnMail } from "../adapters/threads/turn-mail.js";
import { ShardWorker } from "./shard-worker.js";
import type { FromWorker, ToWorker, WorkerSettings } from "./worker-message.js";

if (parentPort === null) throw new Error("worker/main.js is the entry of a worker thread");
const port = parentPort;

const mail = new TurnMail<FromWorker>(port);

const worker = new ShardWorker(workerData as WorkerSettings, {
  bootId: randomUUID(),
  sync: process.env["PRISM_UNSAFE_NO_SYNC"] !== "1",
  post: (message) => mail.post(message),
});
port.on("message", (messages: readonly ToWorker[]) => worker.handleAll(messages));
worker.start();
