/**
 * One worker thread of a node stands still, as in native code that never returns, while the node's other
 * threads go on and answer every heartbeat. Planted to see it fail: a control plane that takes no notice of how
 * long a worker has been silent leaves the shards' primaries on the stuck thread, where this test finds them.
 */
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterUnderTest, TEST_HEALTH } from "../cluster-under-test.js";
import { FaultLoad } from "../fault-load.js";
import { waitUntil } from "../wait-until.js";
import { WRITTEN_FIELDS } from "../writers.js";

const COLLECTION = "journal";
const PRELOAD = fileURLToPath(new URL("../../shim/block-worker.cjs", import.meta.url));
const STUCK_MS = 12_000;
const WINDOW_MS = TEST_HEALTH.heartbeatIntervalMs * TEST_HEALTH.failureThreshold;

describe("a worker thread that never returns", () => {
  const blockFile = join(tmpdir(), `prism-test-block-${process.pid}.json`);
  let cluster: ClusterUnderTest;
  beforeAll(async () => {
    cluster = await ClusterUnderTest.start({
      workersPerNode: 1,
      nodeEnv: { NODE_OPTIONS: `--require=${PRELOAD}`, PRISM_TEST_BLOCK_FILE: blockFile },
    });
    await cluster.createCollection(COLLECTION, { shards: 3, fields: WRITTEN_FIELDS });
  }, 120_000);
  afterAll(async () => cluster?.close());

  test("is a failed copy though its node is alive: others lead, searches are whole, and it comes back", async () => {
    const { shards } = await cluster.inSync();
    const victim = shards[0]!.primary!;
    const load = new FaultLoad({ cluster, collection: COLLECTION, prefix: "s-", pinnedTo: [victim] });
    try {
      await load.progress(60);
      const since = Date.now();
      const startMs = performance.now();
      await writeFile(blockFile, JSON.stringify({ worker: 0, forMs: STUCK_MS }));
      cluster.local.node(victim).kill("SIGUSR2");
      await waitUntil("other primaries", STUCK_MS, () =>
        cluster.status().shards.every(({ primary }) => primary !== null && primary !== victim),
      );
      const movedMs = Math.round(performance.now() - startMs);
      const promotions = cluster.local
        .events()
        .filter(({ at, evidence }) => at >= since && evidence["change"] === "promote");
      expect(promotions.map(({ reason }) => reason)).toContain("WorkerStuck");
      expect(movedMs).toBeLessThan(STUCK_MS);
      expect(cluster.status().nodes.find(({ name }) => name === victim)?.state).toBe("alive");
      load.takeSearches();
      await load.progress(60);
      const searches = load.takeSearches();
      expect(searches).toMatchObject({ partial: 0, failed: 0 });
      expect(performance.now() - startMs, "still stuck").toBeLessThan(STUCK_MS);
      await cluster.inSync();
      await load.progress(60);
      expect(await load.findings("stuck worker", { movedMs, windowMs: WINDOW_MS, searches })).toEqual([]);
    } finally {
      await load.stop();
    }
  });
});
