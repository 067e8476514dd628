import { ShardCall } from "@prism/proto/frame-kind";
import { pino } from "pino";
import { afterEach, describe, expect, test, vi } from "vitest";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import type { ShardUid } from "../../domain/cluster-map.js";
import { workerOfShard } from "../../domain/store-of-shard.js";
import { clusterMap } from "../../testing/cluster-map-builder.js";
import { ShardWorkers, type ShardWorkersEvents } from "./shard-workers.js";

const WORKERS = 2;
const started: ShardWorkers[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((workers) => workers.close(2000)));
});

async function startWorkers(events: Partial<ShardWorkersEvents> = {}, lines: string[] = []) {
  const ignore = (): void => undefined;
  const workers = new ShardWorkers({
    entry: new URL("./testdata/fake-worker.mjs", import.meta.url),
    workers: WORKERS,
    stores: WORKERS,
    worker: {
      dataDirectory: "/nowhere",
      nodeId: "n1",
      limits: DEFAULT_LIMITS,
      indexBudgetBytes: 1,
      bufferBudgetBytes: 1,
    },
    heapMegabytesPerWorker: 64,
    controlPlaneSilenceMs: () => 0,
    events: {
      onReady: ignore,
      onReports: ignore,
      onReplication: ignore,
      onCopyRequest: ignore,
      onProtocolEvent: ignore,
      onStoreFailed: ignore,
      onDied: ignore,
      ...events,
    },
    logger: pino({ level: "info" }, { write: (line: string) => lines.push(line) }),
  });
  started.push(workers);
  await vi.waitFor(() => expect(workers.isReady).toBe(true), 5000);
  return workers;
}

function shardOf(worker: number): ShardUid {
  for (let i = 0; ; i++) if (workerOfShard(`s${i}`, WORKERS, WORKERS) === worker) return `s${i}` as ShardUid;
}

describe("shard workers", () => {
  test("answer calls out of order, each to its caller", async () => {
    const workers = await startWorkers();
    const slow = workers.call(shardOf(0), ShardCall.search, Uint8Array.of(4, 50), { timeoutMs: 5000 });
    const fast = workers.call(shardOf(0), ShardCall.search, Uint8Array.of(3, 0), { timeoutMs: 5000 });
    const first = await Promise.race([slow.then(() => "slow"), fast.then(() => "fast")]);
    expect(first).toBe("fast");
    expect([...(await slow)]).toEqual([8]);
    expect([...(await fast)]).toEqual([6]);
  });

  test("are given bytes of their own, so that a payload cut from a pool stays whole for its owner", async () => {
    const workers = await startWorkers();
    const pool = new Uint8Array(64).fill(7);
    const payload = pool.subarray(8, 16);
    const answer = await workers.call(shardOf(1), ShardCall.write, payload, { timeoutMs: 5000 });
    expect([...answer]).toEqual([...payload]);
    expect(pool.byteLength).toBe(64);
  });

  test("give up a call at its time limit and tell the worker", async () => {
    const lines: string[] = [];
    const workers = await startWorkers({}, lines);
    const call = workers.call(shardOf(0), ShardCall.get, Uint8Array.of(1), { timeoutMs: 30 });
    await expect(call).rejects.toMatchObject({ code: "timeout", executed: "no" });
    await vi.waitFor(() => expect(lines.join()).toContain("cancel"), 5000);
  });

  test("give up a call when its caller does", async () => {
    const workers = await startWorkers();
    const controller = new AbortController();
    const options = { timeoutMs: 60_000, signal: controller.signal };
    const call = workers.call(shardOf(0), ShardCall.get, Uint8Array.of(1), options);
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: "timeout" });
  });

  test("pass a worker's refusal on as a problem that knows the primary", async () => {
    const workers = await startWorkers();
    const call = workers.call(shardOf(0), ShardCall.fetch, Uint8Array.of(1), { timeoutMs: 5000 });
    await expect(call).rejects.toMatchObject({ code: "noPrimary", primaryNode: "n2", executed: "no" });
  });

  test("show how long a blocked worker has not turned its loop, and that it turns again", async () => {
    const workers = await startWorkers();
    const shard = shardOf(1);
    const options = { timeoutMs: 5000 };
    workers.call(shard, ShardCall.statistics, Uint8Array.of(12), options).catch(() => undefined);
    await vi.waitFor(() => expect(workers.silencesMs()[1]).toBeGreaterThan(400), 5000);
    expect(workers.silencesMs()[0]).toBeLessThan(400);
    await vi.waitFor(() => expect(workers.silencesMs()[1]).toBe(0), 5000);
  });

  test("end the calls of a worker that dies, its writes as unknown, and report its copies failed", async () => {
    const died = vi.fn();
    const workers = await startWorkers({ onDied: died });
    const shard = shardOf(0);
    workers.applyMap(clusterMap({ shards: [shard] }));
    await vi.waitFor(() => expect(workers.copies()).toHaveLength(WORKERS), 5000);
    const read = workers.call(shard, ShardCall.get, Uint8Array.of(1), { timeoutMs: 60_000 });
    const killer = workers.call(shard, ShardCall.scan, Uint8Array.of(1), { timeoutMs: 60_000 });
    const write = workers.call(shard, ShardCall.write, Uint8Array.of(1), { timeoutMs: 60_000 });
    await Promise.all([
      expect(read).rejects.toMatchObject({ code: "shardUnavailable", executed: "no" }),
      expect(killer).rejects.toMatchObject({ code: "shardUnavailable", executed: "no" }),
      expect(write).rejects.toMatchObject({ code: "shardUnavailable", executed: "unknown" }),
    ]);
    expect(died).toHaveBeenCalledOnce();
    expect(
      workers
        .copies()
        .map(({ role }) => role)
        .sort(),
    ).toEqual(["failed", "primary"]);
  });

  test("hand replication to the owner of the shard, and its wishes for the map back", async () => {
    const onCopyRequest = vi.fn();
    const workers = await startWorkers({ onCopyRequest });
    workers.deliverReplication(shardOf(1), Uint8Array.of(5));
    await vi.waitFor(() => expect(onCopyRequest).toHaveBeenCalledOnce(), 5000);
    expect(onCopyRequest.mock.calls[0]?.[0]).toMatchObject({
      shard: shardOf(1),
      action: "removeCopy",
      term: 5,
    });
  });

  test("are drained and closed before they end", async () => {
    const lines: string[] = [];
    const workers = await startWorkers({}, lines);
    await workers.drain(5000);
    await workers.close(5000);
    const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(messages.filter((message) => message === "drain")).toHaveLength(WORKERS);
    expect(messages.filter((message) => message === "close")).toHaveLength(WORKERS);
    const late = workers.call(shardOf(0), ShardCall.get, Uint8Array.of(1), { timeoutMs: 1000 });
    await expect(late).rejects.toMatchObject({ code: "shardUnavailable", executed: "no" });
  });
});
