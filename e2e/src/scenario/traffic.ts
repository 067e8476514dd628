/**
 * What users do while something fails: writers with a recorded history and searches by the SDK at its defaults, and
 * writers that never try twice. At the end one set of documents must explain every answer, on every copy.
 */
import { setTimeout as delay } from "node:timers/promises";
import { PrismError, type PrismClient } from "@prism/client";
import { valueOf, type FoundDocument, type History } from "@prism/test/history";
import { seededRandom } from "@prism/test/seeded-random";
import { StrongReads } from "@prism/test/strong-reads";
import { report, SEED } from "@prism/test/test-size";
import { waitUntil } from "@prism/test/wait-until";
import { Writers, WRITTEN_FIELDS } from "@prism/test/writers";
import type { Scenario } from "./scenario.js";

export interface TrafficOptions {
  readonly collection?: string;
  readonly writers?: number;
  /** Of the cluster's default, `demo`. */
  readonly cluster?: string;
}

const SHARDS = 3;
const PROGRESS_TIMEOUT_MS = 120_000;
const QUIET_TIMEOUT_MS = 180_000;
const PROBES = 12;
const PAUSE_MS = 20;
/** More say no more. */
const MOST_FINDINGS = 20;

export interface TrafficFigures {
  readonly acknowledged: number;
  /** Of operations by the SDK at its defaults: those that ended without the answer asked for. */
  readonly failedAtDefaults: number;
  readonly slowestMs: number;
  readonly failedWithoutRetries: number;
  readonly acknowledgedWithoutRetries: number;
  readonly searches: number;
  readonly failedSearches: number;
  readonly partialSearches: number;
  /** The longest time that a document was not written although somebody went on trying. */
  readonly longestGapMs: number;
}

export class Traffic {
  readonly #client: PrismClient;
  readonly #collection: string;
  readonly #writers: Writers;
  readonly #impatient: Writers;
  readonly #strongReads: StrongReads;
  readonly #searches: Promise<void>;
  readonly #probes: Promise<void>[];
  readonly #counts = { searches: 0, failedSearches: 0, partialSearches: 0 };
  #longestGapMs = 0;
  #stopping = false;

  private constructor(client: PrismClient, impatient: PrismClient, collection: string, writers: number) {
    this.#client = client;
    this.#collection = collection;
    const common = { collection, idsPerWriter: 16, random: seededRandom(SEED).fork(collection) };
    this.#writers = new Writers({ ...common, clients: [client], writers, prefix: "d-" });
    this.#impatient = new Writers({ ...common, clients: [impatient], writers: 2, prefix: "n-", resends: 0 });
    this.#strongReads = new StrongReads({ writer: client, readers: [client], collection, prefix: "strong-" });
    this.#searches = this.#search();
    this.#probes = Array.from({ length: PROBES }, (_, at) => this.#probe(`probe-${at}`));
  }

  /** On a collection of three shards with a copy in each zone, of which two must have each write. */
  static async start(scenario: Scenario, options: TrafficOptions = {}): Promise<Traffic> {
    const { collection = "traffic", writers = 4, cluster } = options;
    const client = await scenario.client({}, cluster);
    const replication = { factor: 3, minReplicasForWrite: 2 };
    await client.createCollection(collection, { shards: SHARDS, replication, fields: [...WRITTEN_FIELDS] });
    const traffic = new Traffic(client, await scenario.client({ retries: 0 }, cluster), collection, writers);
    scenario.onEnd(async () => traffic.stop());
    await traffic.progress(20);
    return traffic;
  }

  /** Waits until this many more writes are acknowledged. */
  async progress(acknowledged: number, timeoutMs = PROGRESS_TIMEOUT_MS): Promise<void> {
    await this.#writers.progress(acknowledged, timeoutMs);
  }

  /** The longest gap between two writes of a document since the last call, in ms. */
  takeLongestGapMs(): number {
    const gap = Math.round(this.#longestGapMs);
    this.#longestGapMs = 0;
    return gap;
  }

  get acknowledged(): number {
    return this.#writers.history.acknowledged;
  }

  get searches(): number {
    return this.#counts.searches;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const others = [this.#searches, ...this.#probes, this.#strongReads.stop()];
    await Promise.all([this.#writers.stop(), this.#impatient.stop(), ...others]);
  }

  /** Stops, waits until all copies are in sync and the same, and holds what is stored against what was answered. */
  async findings(
    test: string,
  ): Promise<{ readonly wrong: readonly unknown[]; readonly figures: TrafficFigures }> {
    const longestGapMs = this.takeLongestGapMs();
    await this.stop();
    await this.#quiet();
    const found = await this.#readAll();
    const wrong = [
      ...this.#check(this.#writers.history, "d-", found),
      ...this.#check(this.#impatient.history, "n-", found),
    ];
    const figures = { ...this.#figures(), longestGapMs };
    const { outcomes } = this.#writers.history;
    report(test, { ...figures, outcomes, strongReads: this.#strongReads.counts });
    return { wrong: [...wrong, ...this.#strongReads.stale].slice(0, MOST_FINDINGS), figures };
  }

  #figures(): Omit<TrafficFigures, "longestGapMs"> {
    return {
      acknowledged: this.#writers.history.acknowledged,
      failedAtDefaults: failuresOf(this.#writers.history),
      slowestMs: this.#writers.history.slowestAcknowledgedMs,
      failedWithoutRetries: failuresOf(this.#impatient.history),
      acknowledgedWithoutRetries: this.#impatient.history.acknowledged,
      ...this.#counts,
    };
  }

  #check(history: History, prefix: string, found: ReadonlyMap<string, FoundDocument>): unknown[] {
    return history.check(new Map([...found].filter(([id]) => id.startsWith(prefix))));
  }

  async #quiet(): Promise<void> {
    await waitUntil("all copies are in sync and the same", QUIET_TIMEOUT_MS, async () => {
      const { status, shards } = await this.#client
        .collection(this.#collection)
        .verify({ timeoutMs: 30_000 });
      if (status !== "equal") throw new Error(JSON.stringify(shards));
      return shards.every(({ copies }) => copies.length === 3);
    });
  }

  async #readAll(): Promise<Map<string, FoundDocument>> {
    const found = new Map<string, FoundDocument>();
    const documents = this.#client.collection(this.#collection).scan({ consistency: { level: "strong" } });
    for await (const { id, fields, term, seq } of documents)
      found.set(id, { value: valueOf(fields), version: `${term}.${seq}` });
    return found;
  }

  async #search(): Promise<void> {
    const collection = this.#client.collection(this.#collection);
    while (!this.#stopping) {
      this.#counts.searches += 1;
      try {
        const answer = await collection.search({
          queries: [{ text: { query: "war", fields: ["body"] } }],
          limit: 5,
        });
        if (!answer.complete) this.#counts.partialSearches += 1;
      } catch (error) {
        if (!(error instanceof PrismError)) throw error;
        this.#counts.failedSearches += 1;
        await delay(PAUSE_MS);
      }
    }
  }

  /** One document, written again and again: probes are many enough to be in every shard. */
  async #probe(id: string): Promise<void> {
    const collection = this.#client.collection(this.#collection);
    let lastMs = performance.now();
    for (let counter = 0; !this.#stopping; counter += 1) {
      try {
        await collection.put(id, { counter, body: "probe" });
      } catch (error) {
        if (!(error instanceof PrismError)) throw error;
        // A client backs off; and a call that fails at once would leave no turn to anything else.
        await delay(PAUSE_MS);
        continue;
      }
      const now = performance.now();
      this.#longestGapMs = Math.max(this.#longestGapMs, now - lastMs);
      lastMs = now;
    }
  }
}

/**
 * A refusal for the document's sake (it exists, it does not) is an answer, also where an attempt before it got none:
 * then the SDK says `unknown` with it.
 */
function failuresOf(history: History): number {
  return Object.entries(history.outcomes)
    .filter(([name]) => /^(refused|unknown) /.test(name) && !/ document(Exists|NotFound)$/.test(name))
    .reduce((sum, [, count]) => sum + count, 0);
}
