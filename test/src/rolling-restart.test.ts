import { PrismError, type PrismClient } from "@prism/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterUnderTest } from "./cluster-under-test.js";
import { History } from "./history.js";
import { seededRandom } from "./seeded-random.js";
import { report, SEED } from "./test-size.js";
import { Writers, WRITTEN_FIELDS } from "./writers.js";

const COLLECTION = "journal";
const SEARCHERS = 2;

describe("a restart of one node after another", () => {
  let cluster: ClusterUnderTest;
  beforeAll(async () => {
    cluster = await ClusterUnderTest.start();
    await cluster.createCollection(COLLECTION, { shards: 3, fields: WRITTEN_FIELDS });
  }, 120_000);
  afterAll(async () => cluster?.close());

  test("fails no request of a client with the SDK's defaults", async () => {
    const { failures, history } = await restartAllUnderLoad(cluster, cluster.client(), "a-");
    report("rolling restart, SDK defaults", { failures, ...figuresOf(history) });
    expect(failures).toEqual({});
    expect(unsuccessful(history)).toEqual({});
  });

  test("hands primaries over, so that even without retries few requests fail and none is lost", async () => {
    const { failures, history, requests } = await restartAllUnderLoad(
      cluster,
      cluster.client({ retries: 0 }),
      "b-",
    );
    const failed = unsuccessful(history);
    report("rolling restart, retries off", { requests, failures, failed, ...figuresOf(history) });
    const count = [...Object.values(failures), ...Object.values(failed)].reduce((sum, one) => sum + one, 0);
    expect(count / requests).toBeLessThan(0.05);
  });
});

/** Restarts each node by SIGTERM while writers and searchers work; checks each hand-off and, at the end, the documents. */
async function restartAllUnderLoad(cluster: ClusterUnderTest, client: PrismClient, prefix: string) {
  const history = new History();
  const random = seededRandom(SEED);
  const settings = { collection: COLLECTION, writers: 6, idsPerWriter: 16, resends: 0 };
  const writers = new Writers({ ...settings, clients: [client], random, history, prefix });
  const searchers = new Searchers(client);
  try {
    await writers.progress(50, 60_000);
    for (const name of cluster.local.nodeNames()) {
      await restart(cluster, name);
      await writers.progress(30, 60_000);
    }
  } finally {
    await searchers.stop();
    await writers.stop();
  }
  await cluster.settled();
  const copies = await cluster.readCopies();
  expect(copies.differences()).toEqual([]);
  const own = [...copies.documents()].filter(([id]) => id.startsWith(prefix));
  expect(history.check(new Map(own)).slice(0, 10)).toEqual([]);
  const requests = searchers.answered + Object.values(history.outcomes).reduce((sum, one) => sum + one, 0);
  return { failures: searchers.failures, history, requests };
}

/** Every primary of the node goes to another by hand-off: nobody has to find out that it is gone. */
async function restart(cluster: ClusterUnderTest, name: string): Promise<void> {
  const before = await cluster.inSync();
  const led = before.shards.filter((shard) => shard.primary === name);
  const since = Date.now();
  const node = cluster.local.node(name);
  await node.stop("SIGTERM");
  const after = cluster.status();
  for (const shard of led) {
    const now = after.shards.find(({ number }) => number === shard.number)!;
    expect(now.term, `shard ${shard.number}`).toBeGreaterThan(shard.term);
    const about = `shard/test.${COLLECTION}.${shard.number}`;
    const promotions = cluster.local
      .events()
      .filter(
        (event) => event.at >= since && event.about === about && event.evidence["change"] === "promote",
      );
    expect(promotions.map(({ reason }) => reason)).toEqual(["HandOff"]);
  }
  await node.start();
  await cluster.inSync();
}

/** Clients that search without a pause, and count what fails. */
class Searchers {
  readonly failures: Record<string, number> = {};
  answered = 0;
  #stopping = false;
  readonly #running: Promise<void>[];

  constructor(client: PrismClient) {
    this.#running = Array.from({ length: SEARCHERS }, () => this.#run(client));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  async #run(client: PrismClient): Promise<void> {
    while (!this.#stopping) {
      try {
        const answer = await client
          .collection(COLLECTION)
          .search({ queries: [{ text: { query: "war", fields: ["body"] } }], limit: 5 });
        if (!answer.complete) this.#count("partial");
      } catch (error) {
        if (!(error instanceof PrismError)) throw error;
        this.#count(`search ${error.code}`);
      }
      this.answered += 1;
    }
  }

  #count(what: string): void {
    this.failures[what] = (this.failures[what] ?? 0) + 1;
  }
}

/**
 * Answers that are neither success nor about the document itself. Those about it are of unknown outcome
 * when an earlier try of the same write was on its way to a node that went.
 */
function unsuccessful(history: History): Record<string, number> {
  const aboutIt = ["documentExists", "documentNotFound"].flatMap((code) => [
    `refused ${code}`,
    `unknown ${code}`,
  ]);
  const expected = new Set(["acknowledged", "found", ...aboutIt]);
  return Object.fromEntries(Object.entries(history.outcomes).filter(([name]) => !expected.has(name)));
}

function figuresOf(history: History): Record<string, unknown> {
  return { acknowledged: history.acknowledged, slowestMs: history.slowestAcknowledgedMs };
}
