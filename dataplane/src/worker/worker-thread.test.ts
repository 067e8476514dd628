/** The built worker in a thread of its own: `npx tsc -b dataplane` first. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import { ShardCall } from "@prism/proto/frame-kind";
import { WriteRequest, WriteResponse } from "@prism/proto/gen/node";
import { expect, test } from "vitest";
import { clusterMap, SHARD, until, writeItem } from "./testing/worker-harness.js";
import type { FromWorker, ToWorker, WorkerSettings } from "./worker-message.js";

function startThread(dataDirectory: string, env: Record<string, string> = {}) {
  const workerData: WorkerSettings = {
    worker: 0,
    workers: 1,
    stores: 2,
    dataDirectory,
    nodeId: "n1",
    limits: DEFAULT_LIMITS,
    indexBudgetBytes: 0,
    bufferBudgetBytes: 0,
  };
  const entry = new URL("../../dist/worker/main.js", import.meta.url);
  const thread = new Worker(entry, { workerData, env: { ...process.env, ...env } });
  const messages: FromWorker[] = [];
  thread.on("message", (list: readonly FromWorker[]) => messages.push(...list));
  const errors: unknown[] = [];
  thread.on("error", (error) => errors.push(error));
  const has = (kind: FromWorker["kind"]): boolean => messages.some((message) => message.kind === kind);
  const post = (message: ToWorker): void => thread.postMessage([message], []);
  return { thread, messages, errors, has, post };
}

test("the built worker starts, writes, answers and closes", async () => {
  const directory = mkdtempSync(join(tmpdir(), "prism-thread-"));
  const { thread, messages, errors, has, post } = startThread(directory, { PRISM_UNSAFE_NO_SYNC: "1" });
  try {
    await until("ready", () => has("ready") || errors.length > 0);
    expect(errors).toEqual([]);
    // Switching fsync off must not pass unnoticed.
    expect(messages.find((message) => message.kind === "log")).toMatchObject({ level: "warn" });
    post({ kind: "map", map: clusterMap(1) });
    post({ kind: "ping", id: 7, controlPlaneSilenceMs: 0 });
    await until("pong", () => has("pong"));
    await until("primary", () =>
      messages.some((message) => message.kind === "reports" && message.copies[0]?.role === "primary"),
    );
    const payload = WriteRequest.encode({ items: [writeItem({ id: "b1", document: { year: 1 } })] });
    post({
      kind: "call",
      id: 1,
      call: ShardCall.write,
      shard: SHARD,
      timeoutMs: 5000,
      payload: new Uint8Array(payload),
    });
    await until("answer", () => has("answer"));
    const answer = messages.find((message) => message.kind === "answer");
    expect(answer?.error).toBeUndefined();
    expect(WriteResponse.decode(answer!.payload!).outcomes[0]).toMatchObject({ result: "created", seq: 2 });
    post({ kind: "close", id: 9 });
    await until("closed", () => has("closed"));
  } finally {
    await thread.terminate();
    rmSync(directory, { recursive: true, force: true });
  }
});
