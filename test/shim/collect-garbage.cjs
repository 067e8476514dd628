/**
 * Preloaded into a node process (NODE_OPTIONS=--require): on SIGUSR2 all its threads collect garbage,
 * and what is left is written to the file PRISM_TEST_MEMORY_FILE.<pid>. Without this, memory that
 * nobody holds any more can't be told from memory that is lost.
 */
const { writeFileSync, renameSync } = require("node:fs");
const { getHeapStatistics, setFlagsFromString } = require("node:v8");
const { runInNewContext } = require("node:vm");
const { isMainThread } = require("node:worker_threads");

const path = process.env.PRISM_TEST_MEMORY_FILE;
const ANSWERS_MS = 1500;

if (path !== undefined) {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  const channel = new BroadcastChannel("prism-test-memory");
  const used = () => {
    collect();
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return { used: heapUsed + external, heap: getHeapStatistics().total_physical_size };
  };
  if (isMainThread) {
    let round = 0;
    let bytes = { used: 0, heap: 0 };
    channel.onmessage = ({ data }) => {
      if (data.answer !== round) return;
      bytes.used += data.bytes.used;
      bytes.heap += data.bytes.heap;
    };
    process.on("SIGUSR2", () => {
      round += 1;
      bytes = used();
      channel.postMessage({ ask: round });
      setTimeout(() => {
        const file = `${path}.${process.pid}`;
        writeFileSync(
          `${file}.new`,
          JSON.stringify({
            usedBytes: bytes.used,
            heapBytes: bytes.heap,
            rssBytes: process.memoryUsage.rss(),
          }),
        );
        renameSync(`${file}.new`, file);
      }, ANSWERS_MS);
    });
  } else {
    channel.onmessage = ({ data }) => {
      if (data.ask !== undefined) channel.postMessage({ answer: data.ask, bytes: used() });
    };
  }
  channel.unref();
}
