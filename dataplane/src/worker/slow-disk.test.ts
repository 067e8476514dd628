import { setTimeout as delay } from "node:timers/promises";
import { open as openLmdb, type RootDatabaseOptionsWithPath } from "lmdb";
import { afterEach, expect, test } from "vitest";
import type { AllocationId } from "../domain/cluster-map.js";
import { TestCluster } from "./testing/test-cluster.js";
import { until } from "./testing/worker-harness.js";

/** Longer than a copy may be silent (500 ms here); shorter, and longer, than it may leave an entry unconfirmed. */
const [SLOW_MS, TOO_SLOW_MS] = [900, 5000];

let cluster: TestCluster;
afterEach(async () => {
  await cluster.close();
});

test("a copy whose disk is slow leaves as too slow, not as silent, and writes go on without it", async () => {
  let commitMs = 0;
  const slowLmdb: typeof openLmdb = (options) => {
    const root = openLmdb<Buffer, Buffer>(options as RootDatabaseOptionsWithPath);
    const batch = root.batch.bind(root);
    root.batch = async (action) => {
      if (commitMs > 0) await delay(commitMs);
      return await batch(action);
    };
    return root as never;
  };
  cluster = new TestCluster(1, { minReplicasForWrite: 1 });
  await until("primary", () => cluster.node("n1").report()?.role === "primary");
  cluster.start("n2", undefined, slowLmdb);
  cluster.addRecovering("a2", "n2");
  await until("joined", () => cluster.shard.inSync.includes("a2" as AllocationId));

  commitMs = SLOW_MS;
  let acknowledged = 0;
  const ended = new AbortController();
  const writer = async (name: string): Promise<void> => {
    for (let i = 0; !ended.signal.aborted; i += 1) {
      await cluster.node("n1").write([{ id: `${name}${i}`, document: { year: i } }]);
      acknowledged += 1;
    }
  };
  const writers = ["a", "b", "c"].map(writer);
  await until("some writes", () => acknowledged >= 6);
  expect(cluster.requests.filter(({ action }) => action === "removeCopy")).toEqual([]);
  commitMs = TOO_SLOW_MS;
  await until("left", () => !cluster.shard.inSync.includes("a2" as AllocationId));
  const removals = cluster.requests.filter(({ action }) => action === "removeCopy");
  expect(removals[0]).toMatchObject({ allocationId: "a2", reason: "TooSlow" });
  const before = acknowledged;
  await until("writes go on", () => acknowledged > before + 20);
  ended.abort();
  await Promise.all(writers);
  commitMs = 0;
});
