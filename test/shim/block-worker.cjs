/*
 * Preloaded into node processes (NODE_OPTIONS=--require): blocks one worker thread on demand, as native
 * code does that never returns. SIGUSR2 to the process reads PRISM_TEST_BLOCK_FILE, { worker, forMs },
 * and that thread then stands still for that long.
 */
"use strict";
const { BroadcastChannel, isMainThread, workerData } = require("node:worker_threads");
const { readFileSync } = require("node:fs");

const CHANNEL = "prism-test-block-worker";

if (isMainThread) {
  const channel = new BroadcastChannel(CHANNEL);
  channel.unref();
  process.on("SIGUSR2", () => {
    channel.postMessage(JSON.parse(readFileSync(process.env.PRISM_TEST_BLOCK_FILE, "utf8")));
  });
} else if (typeof workerData?.worker === "number") {
  const channel = new BroadcastChannel(CHANNEL);
  channel.unref();
  channel.onmessage = ({ data }) => {
    if (data.worker !== workerData.worker) return;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, data.forMs);
  };
}
