// Stands in for a shard worker: answers a search with the payload's first byte doubled, waits on get,
// fails on fetch, dies on scan, blocks its loop on statistics. Tells everything else it hears as a log line.
import { parentPort, workerData } from "node:worker_threads";

const copy = (shard) => ({
  shardUid: shard, allocationId: `a${workerData.worker}`, historyId: "h", term: 1, mapVersion: 1, role: "primary",
  lastSeq: 0, globalCheckpoint: 0, appliedSeq: 0, worker: workerData.worker, documents: 0, indexBytes: 0,
  reason: "", lag: [],
});
const memory = { heapBytes: 1, indexBytes: 2, eventLoopDelayMs: 3, recoverySentBytes: 4 };
const post = (message) => parentPort.postMessage([message]);
const log = (message, fields) => post({ kind: "log", level: "info", message, fields });
const answer = (id, rest) => post({ kind: "answer", id, ...rest });
const error = (code, detail) => ({ code, detail, executed: "no", errorsJson: new Uint8Array(0), primaryNode: "n2" });

function onCall({ id, call, payload }) {
  switch (call) {
    case 1: return answer(id, { payload });
    case 2: return undefined;
    case 3: return block(payload[0] * 100);
    case 4: return setTimeout(() => answer(id, { payload: Uint8Array.of(payload[0] * 2) }), payload[1] ?? 0);
    case 5: return answer(id, { error: error("noPrimary", "not here") });
    default: throw new Error("scan kills this worker");
  }
}

function block(ms) {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

function handle(message) {
  switch (message.kind) {
    case "call": return onCall(message);
    case "ping": return post({ kind: "pong", id: message.id });
    case "map":
      for (const { uid } of message.map.shards) post({ kind: "reports", copies: [copy(uid)], memory });
      return log("map", { revision: message.map.revision });
    case "replication":
      return post({
        kind: "copyRequest", shard: message.shard, action: "removeCopy", allocationId: "a9", term: message.payload[0],
        reason: "ReplicaTimeout",
      });
    case "drain":
      if (workerData.dataDirectory.endsWith("no-successor")) return undefined;
      post({ kind: "drained", id: message.id });
      return log("drain", {});
    case "close":
      log("close", {});
      return post({ kind: "closed", id: message.id });
    default: return log(message.kind, message);
  }
}

parentPort.on("message", (messages) => messages.forEach(handle));

post({ kind: "ready", copies: [] });
