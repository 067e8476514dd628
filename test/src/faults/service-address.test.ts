/**
 * What an application sees through one address, as of a Service, while a node behind it is frozen, cut off or killed:
 * the SDK at its defaults. No request may fail, and none may wait for what an attempt may take at most.
 */
import { PrismError, type PrismClient } from "@prism/client";
import { ServiceAddress } from "@prism/client/testing/service-address";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ClusterUnderTest, NODE_NAMES } from "../cluster-under-test.js";
import { valueOf, type FoundDocument } from "../history.js";
import { seededRandom } from "../seeded-random.js";
import { report, SEED } from "../test-size.js";
import { waitUntil } from "../wait-until.js";
import { Writers, WRITTEN_FIELDS } from "../writers.js";

const PROGRESS = 100;
const PROGRESS_TIMEOUT_MS = 60_000;
/** Below the 10 s that an attempt may take; a machine under load needs some of it. */
const SLOWEST_MS = 8_000;

describe("one address before all nodes, by the SDK at its defaults", () => {
  let cluster: ClusterUnderTest;
  let service: ServiceAddress;
  const clients: PrismClient[] = [];
  beforeAll(async () => {
    cluster = await ClusterUnderTest.start({ withNetwork: true });
    service = await ServiceAddress.start(portsOf());
  }, 120_000);
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });
  afterAll(async () => {
    await cluster?.close();
    await service?.close();
  });

  function portsOf(): number[] {
    return NODE_NAMES.map((name) => portOf(name));
  }

  function portOf(name: string): number {
    return Number(new URL(cluster.local.node(name).httpUrl!).port);
  }

  /** Without routing: nodes' own addresses are on this machine, and would be reached when a zone's are not. */
  function clientAtDefaults(): PrismClient {
    const client = cluster.client({ endpoints: service.url, routing: false });
    clients.push(client);
    return client;
  }

  /** What is wrong of what clients saw: before, while and after a node with a primary suffers the fault. */
  async function during(name: string, fault: (victim: string) => () => Promise<void>): Promise<unknown[]> {
    const collection = name.replaceAll(" ", "-");
    await cluster.createCollection(collection, { shards: 3, fields: WRITTEN_FIELDS });
    const client = clientAtDefaults();
    const random = seededRandom(SEED);
    const writers = new Writers({ clients: [client], collection, writers: 6, idsPerWriter: 16, random });
    const searches = new Searches(client, collection);
    try {
      await writers.progress(PROGRESS, PROGRESS_TIMEOUT_MS);
      const victim = cluster.status().shards.find((shard) => shard.collection === collection)!.primary!;
      const repair = fault(victim);
      try {
        await writers.progress(PROGRESS, PROGRESS_TIMEOUT_MS);
        await untilOthersLead(victim);
        await writers.progress(PROGRESS, PROGRESS_TIMEOUT_MS);
      } finally {
        await repair();
      }
      await writers.progress(PROGRESS, PROGRESS_TIMEOUT_MS);
    } finally {
      await Promise.all([writers.stop(), searches.stop()]);
    }
    const { outcomes, slowestAcknowledgedMs } = writers.history;
    report(name, {
      outcomes,
      slowestAcknowledgedMs,
      searches: { ...searches.counts, slowestMs: Math.round(searches.slowestMs) },
    });
    const found = new Map<string, FoundDocument>();
    const documents = client.collection(collection).scan({ consistency: { level: "strong" } });
    for await (const { id, fields, term, seq } of documents)
      found.set(id, { value: valueOf(fields), version: `${term}.${seq}` });
    await cluster.inSync();
    const slowestMs = Math.max(slowestAcknowledgedMs, searches.slowestMs);
    return [
      ...writers.history.check(found).slice(0, 10),
      ...Object.keys(outcomes).filter(isFailure),
      ...(searches.counts.failed > 0 ? [`${searches.counts.failed} searches failed`] : []),
      ...(slowestMs > SLOWEST_MS ? [`the slowest request took ${slowestMs} ms`] : []),
    ];
  }

  test("a frozen node: no request fails, and none waits for it", async () => {
    const wrong = await during("frozen", (victim) => {
      cluster.local.node(victim).kill("SIGSTOP");
      // What it had taken before is answered late, to nobody.
      return async () => void cluster.local.node(victim).kill("SIGCONT");
    });
    expect(wrong).toEqual([]);
  });

  test("a node cut off from everybody: no request fails, and none waits for it", async () => {
    const wrong = await during("cut off", (victim) => {
      cluster.network.separate(victim);
      service.cut(portOf(victim));
      return async () => {
        cluster.network.heal();
        service.heal(portOf(victim));
      };
    });
    expect(wrong).toEqual([]);
  });

  test("a killed node, to which new connections are led until it is back: no request fails", async () => {
    const wrong = await during("killed", (victim) => {
      cluster.local.node(victim).kill("SIGKILL");
      return async () => {
        await cluster.inSync();
        service.leadTo(portsOf());
      };
    });
    expect(wrong).toEqual([]);
  });

  async function untilOthersLead(victim: string): Promise<void> {
    await waitUntil(`primaries on other nodes than ${victim}`, 40_000, () =>
      cluster.status().shards.every(({ primary }) => primary !== null && primary !== victim),
    );
  }
});

/** A refusal for the document's sake is an answer. */
function isFailure(outcome: string): boolean {
  return /^(refused|unknown) /.test(outcome) && !/ document(Exists|NotFound)$/.test(outcome);
}

class Searches {
  readonly counts = { answered: 0, failed: 0 };
  slowestMs = 0;
  readonly #running: Promise<void>;
  #stopping = false;

  constructor(client: PrismClient, collection: string) {
    this.#running = this.#run(client, collection);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async #run(client: PrismClient, collection: string): Promise<void> {
    while (!this.#stopping) {
      const startMs = performance.now();
      try {
        await client.collection(collection).search({
          queries: [{ text: { query: "war", fields: ["body"] } }],
          limit: 5,
        });
        this.counts.answered += 1;
      } catch (error) {
        if (!(error instanceof PrismError)) throw error;
        this.counts.failed += 1;
      }
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startMs);
    }
  }
}
