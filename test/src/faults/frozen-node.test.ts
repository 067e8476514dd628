import type { SearchResponse } from "@prism/api/search";
import type { CollectionClient, PrismClient } from "@prism/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterUnderTest, TEST_HEALTH } from "../cluster-under-test.js";
import { seededRandom } from "../seeded-random.js";
import { StrongReads } from "../strong-reads.js";
import { report, SEED } from "../test-size.js";
import { waitUntil } from "../wait-until.js";
import { Writers, WRITTEN_FIELDS } from "../writers.js";

const DOCUMENTS = 300;
const TIME_LIMIT_MS = 700;
/** Between the time limit of a search and its answer, on a machine that is busy with the cluster. */
const SLACK_MS = 1500;
const SUSPECT_AFTER_MS = TEST_HEALTH.heartbeatIntervalMs * TEST_HEALTH.failureThreshold;

describe("a node that is frozen", () => {
  let cluster: ClusterUnderTest;
  let frozen: string;

  beforeAll(async () => {
    cluster = await ClusterUnderTest.start();
    for (const factor of [1, 3]) {
      const replication = { factor, minReplicasForWrite: Math.min(2, factor) };
      await cluster.createCollection(`of-${factor}`, { shards: 3, replication, fields: WRITTEN_FIELDS });
      const lines = Array.from({ length: DOCUMENTS }, (_, counter) => ({
        id: `d${counter}`,
        document: { counter, body: `war and word${counter}`, tag: "old" },
      }));
      await cluster.client().collection(`of-${factor}`).bulk(lines);
    }
    await cluster.createCollection("journal", { shards: 3, fields: WRITTEN_FIELDS });
    const { shards } = await cluster.settled();
    frozen = shards.find(({ collection }) => collection === "of-1")!.primary!;
  }, 120_000);
  afterAll(async () => cluster?.close());

  test("costs searches at most its shards, and only where no other copy is; it comes back without a stale answer", async () => {
    const others = cluster.local.addresses().filter(({ name }) => name !== frozen);
    const frozenUrl = cluster.local.node(frozen).httpUrl!;
    const awake = cluster.client({
      endpoints: others.map(({ httpUrl }) => httpUrl),
      retries: 0,
      routing: false,
    });
    const alone = awake.collection("of-1");
    const copied = awake.collection("of-3");
    // One of the writers knows the frozen node alone, and asks it right when it wakes up.
    const pinned = cluster.client({ endpoints: frozenUrl, retries: 0, routing: false });
    const clients = [cluster.client(), cluster.client({ retries: 0 }), pinned];
    const random = seededRandom(SEED);
    const settings = { collection: "journal", writers: 6, idsPerWriter: 16, timeoutMs: 15_000 };
    const writers = new Writers({ ...settings, clients, random });
    const strongReads = new StrongReads({
      writer: cluster.client(),
      readers: [cluster.client(), pinned],
      collection: "journal",
      prefix: "strong-",
    });
    try {
      await writers.progress(100, 60_000);
      const lost = lostShards(cluster, frozen);
      expect(lost).toBeGreaterThan(0);
      cluster.local.node(frozen).kill("SIGSTOP");
      const frozenAtMs = performance.now();

      // Before anybody can know, and again when the node is known to be away.
      await expectPartial(alone, lost);
      await expectComplete(copied);
      const seen = await cluster.local.waitFor(
        (status) => status.nodes.find(({ name }) => name === frozen)?.state !== "alive",
        SUSPECT_AFTER_MS + 20_000,
      );
      expect(seen).toBe(true);
      await expectPartial(alone, lost);
      await expectComplete(copied);

      await waitUntil("primaries on other nodes", 30_000, () =>
        cluster
          .status()
          .shards.every((shard) => shard.collection !== "journal" || isLedBy(shard.primary, frozen)),
      );
      await expectWritesToAllShards(cluster, awake);
      const writesAfterMs = Math.round(performance.now() - frozenAtMs);
      await writers.progress(100, 60_000);

      cluster.local.node(frozen).kill("SIGCONT");
      await cluster.inSync();
      await writers.progress(100, 60_000);
      await strongReads.stop();
      const history = await writers.stop();
      expect(strongReads.stale.slice(0, 10)).toEqual([]);
      expect(strongReads.counts.right).toBeGreaterThan(0);
      await cluster.settled();
      const copies = await cluster.readCopies();
      expect(copies.differences()).toEqual([]);
      const journal = [...copies.byCopyOf(frozen)].filter(([id]) => id.startsWith("w"));
      expect(history.check(new Map(journal)).slice(0, 10)).toEqual([]);
      await expectWhole(alone);
      report("frozen node", {
        writesAfterMs,
        slowestMs: history.slowestAcknowledgedMs,
        outcomes: history.outcomes,
        strongReads: strongReads.counts,
      });
    } finally {
      cluster.local.node(frozen).kill("SIGCONT");
      await strongReads.stop();
      await writers.stop();
    }
  });
});

function isLedBy(primary: string | null, frozen: string): boolean {
  return primary !== null && primary !== frozen;
}

/** One acknowledged write to each shard, by a client that does not know the frozen node. */
async function expectWritesToAllShards(cluster: ClusterUnderTest, client: PrismClient): Promise<void> {
  const { shards } = cluster.status();
  const waiting = new Set(
    shards.filter(({ collection }) => collection === "of-3").map(({ number }) => number),
  );
  for (let i = 0; waiting.size > 0; i += 1) {
    const written = await client
      .collection("of-3")
      .put(`d${i}`, { counter: i, body: "war again", tag: "new" });
    waiting.delete(written.shard);
  }
}

/** Shards of the collection without other copies. */
function lostShards(cluster: ClusterUnderTest, frozen: string): number {
  const { shards } = cluster.status();
  return shards.filter(({ collection, primary }) => collection === "of-1" && primary === frozen).length;
}

async function timed(collection: CollectionClient): Promise<SearchResponse> {
  const startedMs = performance.now();
  const answer = await collection.search({
    queries: [{ text: { query: "war", fields: ["body"] } }],
    limit: DOCUMENTS,
    timeoutMs: TIME_LIMIT_MS,
    consistency: { level: "eventual" },
  });
  expect(performance.now() - startedMs).toBeLessThan(TIME_LIMIT_MS + SLACK_MS);
  return answer;
}

async function expectPartial(collection: CollectionClient, lost: number): Promise<void> {
  const answer = await timed(collection);
  expect(answer.complete).toBe(false);
  expect(answer.shards).toMatchObject({ total: 3, successful: 3 - lost, failed: lost });
  expect(answer.shards.failures).toHaveLength(lost);
  for (const failure of answer.shards.failures) {
    expect(["timeout", "shardUnavailable"]).toContain(failure.reason);
    expect(failure.detail).not.toBe("");
  }
  expect(answer.results.length).toBeGreaterThan(0);
  expect(answer.results.length).toBeLessThan(DOCUMENTS);
}

async function expectComplete(collection: CollectionClient): Promise<void> {
  const answer = await timed(collection);
  expect(answer).toMatchObject({ complete: true, total: { value: DOCUMENTS, relation: "eq" } });
  expect(answer.results).toHaveLength(DOCUMENTS);
}

/** A shard without another copy has come back with its node. */
async function expectWhole(collection: CollectionClient): Promise<void> {
  await waitUntil("complete answers", 30_000, async () => {
    const answer = await collection.search({ limit: DOCUMENTS });
    return answer.complete && answer.results.length === DOCUMENTS;
  });
}
