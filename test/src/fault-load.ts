/**
 * What goes on while something fails: writers with a recorded history, on clients of every node and on
 * some that know one node alone; searches; strong reads, which must show every write that was acknowledged
 * before they began; and at the end the check that one set of documents, the same on every copy,
 * explains every answer.
 */
import { PrismError, type PrismClient } from "@prism/client";
import type { ClusterUnderTest } from "./cluster-under-test.js";
import { History } from "./history.js";
import { seededRandom } from "./seeded-random.js";
import { report, SEED } from "./test-size.js";
import { StrongReads } from "./strong-reads.js";
import { Writers } from "./writers.js";

export interface FaultLoadOptions {
  readonly cluster: ClusterUnderTest;
  readonly collection: string;
  /** Before all ids and operation ids: several loads may follow each other in one collection. */
  readonly prefix: string;
  /** Nodes that have clients which know them alone, and try once. */
  readonly pinnedTo?: readonly string[];
  readonly writers?: number;
}

/** More say no more. */
const MOST_FINDINGS = 20;
const WRITE_TIMEOUT_MS = 6000;
const SEARCH_TIMEOUT_MS = 3000;
const PROGRESS_TIMEOUT_MS = 90_000;

export class FaultLoad {
  readonly history = new History();
  readonly #options: FaultLoadOptions;
  readonly #writers: Writers;
  readonly #searches: Searches;
  readonly #strongReads: StrongReads;

  constructor(options: FaultLoadOptions) {
    this.#options = options;
    const { cluster, collection, prefix, pinnedTo = [], writers = 8 } = options;
    const pinned = pinnedTo.map((name) =>
      cluster.client({ endpoints: cluster.local.node(name).httpUrl!, retries: 0, routing: false }),
    );
    const clients = [cluster.client(), cluster.client({ retries: 0 }), ...pinned];
    this.#writers = new Writers({
      clients,
      collection,
      writers,
      idsPerWriter: 16,
      random: seededRandom(SEED).fork(prefix),
      prefix,
      timeoutMs: WRITE_TIMEOUT_MS,
      history: this.history,
    });
    this.#searches = new Searches(cluster.client(), collection);
    this.#strongReads = new StrongReads({
      writer: cluster.client(),
      readers: [cluster.client(), ...pinned],
      collection,
      prefix: `strong-${prefix}`,
    });
  }

  /** Waits until this many more writes are acknowledged. */
  async progress(acknowledged: number): Promise<void> {
    await this.#writers.progress(acknowledged, PROGRESS_TIMEOUT_MS);
  }

  /** Searches of a client of all nodes: how many had an answer of all shards since the last call. */
  takeSearches(): SearchCounts {
    return this.#searches.take();
  }

  async stop(): Promise<void> {
    await this.#searches.stop();
    await this.#strongReads.stop();
    await this.#writers.stop();
  }

  /** Stops, waits for quiet, and checks every copy of every node against the history: all that is wrong. */
  async findings(test: string, figures: Readonly<Record<string, unknown>> = {}): Promise<readonly unknown[]> {
    const { cluster, prefix } = this.#options;
    await this.stop();
    await cluster.settled();
    const copies = await cluster.readCopies();
    const findings: unknown[] = [...copies.differences(), ...this.#strongReads.stale];
    for (const node of cluster.local.nodeNames()) {
      const own = [...copies.byCopyOf(node)].filter(([id]) => id.startsWith(prefix));
      findings.push(...this.history.check(new Map(own)).map((violation) => ({ node, ...violation })));
    }
    report(test, {
      ...figures,
      strongReads: this.#strongReads.counts,
      acknowledged: this.history.acknowledged,
      slowestMs: this.history.slowestAcknowledgedMs,
      outcomes: this.history.outcomes,
    });
    return findings.slice(0, MOST_FINDINGS);
  }
}

export interface SearchCounts {
  readonly complete: number;
  readonly partial: number;
  readonly failed: number;
}

class Searches {
  readonly #running: Promise<void>;
  #counts = { complete: 0, partial: 0, failed: 0 };
  #stopping = false;

  constructor(client: PrismClient, collection: string) {
    this.#running = this.#run(client, collection);
  }

  take(): SearchCounts {
    const counts = this.#counts;
    this.#counts = { complete: 0, partial: 0, failed: 0 };
    return counts;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async #run(client: PrismClient, collection: string): Promise<void> {
    while (!this.#stopping) {
      try {
        const answer = await client.collection(collection).search({
          queries: [{ text: { query: "war", fields: ["body"] } }],
          limit: 5,
          timeoutMs: SEARCH_TIMEOUT_MS,
          consistency: { level: "eventual" },
        });
        this.#counts[answer.complete ? "complete" : "partial"] += 1;
      } catch (error) {
        if (!(error instanceof PrismError)) throw error;
        this.#counts.failed += 1;
      }
    }
  }
}
