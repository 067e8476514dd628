import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterUnderTest } from "../cluster-under-test.js";
import { History } from "../history.js";
import { seededRandom, type SeededRandom } from "../seeded-random.js";
import { report, SEED, sized } from "../test-size.js";
import { waitUntil } from "../wait-until.js";
import { Writers, WRITTEN_FIELDS } from "../writers.js";

const KILLS = sized(9, 30);
const KILLS_OF_PRIMARIES = sized(5, 10);
const ACKNOWLEDGED = sized(4000, 20_000);
const COLLECTION = "journal";
const PROGRESS_TIMEOUT_MS = 60_000;

describe("processes that are killed", () => {
  let cluster: ClusterUnderTest;
  beforeAll(async () => {
    cluster = await ClusterUnderTest.start();
    await cluster.createCollection(COLLECTION, { shards: 3, fields: WRITTEN_FIELDS });
  }, 120_000);
  afterAll(async () => cluster?.close());

  test("lose no acknowledged write, and leave all copies equal", async () => {
    const random = seededRandom(SEED);
    const history = new History();
    const figures = { kills: 0, killsOfPrimaries: 0, terminations: 0 };
    const batches = [sized(5, 16), KILLS];
    for (const [at, until] of batches.entries()) {
      const writers = startWriters(cluster, history, random.fork(`writers ${at}`), `b${at}-`);
      try {
        await writers.progress(200, PROGRESS_TIMEOUT_MS);
        while (figures.kills < until) await killOne(cluster, writers, random, figures);
        const isLast = at === batches.length - 1;
        const missing = ACKNOWLEDGED - history.acknowledged;
        if (isLast && missing > 0) await writers.progress(missing, 300_000);
      } finally {
        await writers.stop();
      }
      // Between the batches all processes end in order and start again over their data.
      if (at === 0) {
        await cluster.stop();
        await cluster.startAgain();
      }
      await expectNothingLost(cluster, history);
    }
    report("kills", {
      ...figures,
      acknowledged: history.acknowledged,
      ids: history.ids.length,
      slowestMs: history.slowestAcknowledgedMs,
      outcomes: history.outcomes,
    });
    expect(history.acknowledged).toBeGreaterThanOrEqual(ACKNOWLEDGED);
    expect(figures.killsOfPrimaries).toBeGreaterThanOrEqual(KILLS_OF_PRIMARIES);
    expectPlantedLossToBeFound(await cluster.readCopies().then((copies) => copies.documents()), history);
  });
});

/** Half of the writers retry as the SDK does by default, half leave every failure to be written down. */
function startWriters(
  cluster: ClusterUnderTest,
  history: History,
  random: SeededRandom,
  prefix: string,
): Writers {
  const clients = [cluster.client(), cluster.client({ retries: 0 })];
  const settings = { collection: COLLECTION, writers: 16, idsPerWriter: 24, timeoutMs: 20_000 };
  return new Writers({ ...settings, clients, random, prefix, history });
}

/** Some time after the last one, and while writes go on: a cluster of dead nodes is no test of dying. */
async function killOne(
  cluster: ClusterUnderTest,
  writers: Writers,
  random: SeededRandom,
  figures: { kills: number; killsOfPrimaries: number; terminations: number },
): Promise<void> {
  await writers.progress(random.integer(20, 300), PROGRESS_TIMEOUT_MS);
  const { shards } = cluster.status();
  const primaries = shards.flatMap((shard) => shard.primary ?? []);
  const names = cluster.local.nodeNames();
  const victim = primaries.length > 0 && random.chance(0.7) ? random.pick(primaries) : random.pick(names);
  const node = await waitUntil(`${victim} to run`, 60_000, () => {
    const running = cluster.local.node(victim);
    return running.adminUrl !== undefined && running;
  });
  const isPrimary = cluster.status().shards.some((shard) => shard.primary === victim);
  if (random.chance(0.15)) {
    figures.terminations += 1;
    await node.stop("SIGTERM");
    await node.start();
    return;
  }
  figures.kills += 1;
  if (isPrimary) figures.killsOfPrimaries += 1;
  // Started again by hand, since the control plane starts what keeps dying after growing delays; at times by it.
  if (random.chance(0.2)) node.kill("SIGKILL");
  else {
    await node.stop("SIGKILL");
    if (random.chance(0.5)) await writers.progress(random.integer(1, 100), PROGRESS_TIMEOUT_MS);
    await node.start();
  }
}

async function expectNothingLost(cluster: ClusterUnderTest, history: History): Promise<void> {
  await cluster.settled();
  const copies = await cluster.readCopies();
  expect(copies.differences()).toEqual([]);
  for (const name of cluster.local.nodeNames()) {
    expect(history.check(copies.byCopyOf(name)).slice(0, 10), `copies on ${name}`).toEqual([]);
  }
}

/** The check itself, on this very history: each document taken away or turned back is reported. */
function expectPlantedLossToBeFound(
  documents: ReturnType<Awaited<ReturnType<ClusterUnderTest["readCopies"]>>["documents"]>,
  history: History,
): void {
  expect(history.check(documents)).toEqual([]);
  const certain = [...documents.keys()].filter(
    (id) => history.operationsOf(id).at(-1)?.outcome.kind === "acknowledged",
  );
  expect(certain.length).toBeGreaterThan(10);
  for (const id of certain.slice(0, 50)) {
    const without = new Map(documents);
    without.delete(id);
    expect(history.check(without)).toMatchObject([{ id, kind: "lost" }]);
  }
}
