/**
 * Clients that go on through faults: writers that each write again a millisecond after their last answer,
 * and searches and strong reads at a steady pace. Every write asks for the version that the last one of its document
 * answered (If-Match), so a write that was lost, or executed twice, is refused with a conflict at the next.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { PrismClient, PrismError, type CollectionClient } from "@prism/client";
import { Ring } from "@prism/proto/contract/ring";
import { Acknowledgements } from "./acknowledgements.js";
import {
  machineMs,
  seqOf,
  type ExpectedDocument,
  type LoadCounts,
  type LoadSettings,
  type ShardGap,
} from "./load-message.js";

export const WRITERS_PER_SHARD = 2;
/** Of a writer, between an answer and its next write. */
const PACE_MS = 1;
const READ_EVERY_MS = 20;
const IDS_PER_SHARD = 256;
const READ_TIMEOUT_MS = 2000;
const WORDS = ["war", "peace", "tax", "river", "vote", "road", "bank", "corn", "law", "ship"];

interface Document {
  readonly id: string;
  version: string | undefined;
  /** An outcome stayed unknown: nothing more is written to it. */
  isOpen: boolean;
}

interface Shard {
  readonly free: Document[];
  readonly acknowledgements: Acknowledgements;
  /** Of documents that strong reads ask for. */
  readonly documents: readonly Document[];
}

type MutableCounts = { -readonly [K in keyof LoadCounts]: LoadCounts[K] } & {
  refused: Record<string, number>;
};

export class Load {
  readonly #writes: CollectionClient;
  readonly #reads: CollectionClient;
  readonly #clients: readonly PrismClient[];
  readonly #shards: readonly Shard[];
  readonly #running = new Set<Promise<void>>();
  readonly #reading: NodeJS.Timeout;
  #isStopping = false;
  readonly #counts: MutableCounts = {
    acknowledged: 0,
    unknown: 0,
    conflicts: 0,
    refused: {},
    searches: 0,
    failedSearches: 0,
    partialSearches: 0,
    strongReads: 0,
    failedStrongReads: 0,
    staleStrongReads: 0,
    slowestWriteMs: 0,
  };

  constructor({ urls, collection, shards }: LoadSettings) {
    const writer = new PrismClient({ endpoints: urls });
    const reader = new PrismClient({ endpoints: urls });
    this.#clients = [writer, reader];
    this.#writes = writer.collection(collection);
    this.#reads = reader.collection(collection);
    this.#shards = documentsOf(shards);
    this.#reading = setInterval(() => this.#readDue(), READ_EVERY_MS);
    for (const shard of this.#shards) {
      for (let i = 0; i < WRITERS_PER_SHARD; i += 1) this.#run(this.#keepWriting(shard));
    }
  }

  forget(): void {
    for (const { acknowledgements } of this.#shards) acknowledgements.forget();
  }

  gapsAt(faultMs: number): ShardGap[] {
    return this.#shards.map(({ acknowledgements }, shard) => ({
      shard,
      ...acknowledgements.gapAt(faultMs),
    }));
  }

  counts(): LoadCounts {
    return { ...this.#counts, refused: { ...this.#counts.refused } };
  }

  /** Resolves when nothing is under way, with what every document should be. */
  async stop(): Promise<ExpectedDocument[]> {
    this.#isStopping = true;
    clearInterval(this.#reading);
    await Promise.all(this.#running);
    await Promise.all(this.#clients.map((client) => client.close()));
    return this.#shards.flatMap(({ documents }) =>
      documents.map(({ id, version, isOpen }) => ({ id, version, isOpen })),
    );
  }

  async #keepWriting(shard: Shard): Promise<void> {
    while (!this.#isStopping) {
      const document = shard.free.shift();
      // All outcomes of all its documents are unknown: nothing is left that could be written and checked.
      if (document === undefined) return;
      await this.#write(shard, document);
      await sleep(PACE_MS);
    }
  }

  #readDue(): void {
    this.#run(this.#search());
    const shard = this.#shards[this.#counts.searches % this.#shards.length]!;
    const document = shard.documents[Math.floor(Math.random() * shard.documents.length)]!;
    if (document.version !== undefined) this.#run(this.#readStrongly(document));
  }

  #run(work: Promise<void>): void {
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  async #write(shard: Shard, document: Document): Promise<void> {
    const sentMs = machineMs();
    const { id, version } = document;
    const body = { body: WORDS[Math.floor(sentMs) % WORDS.length]!, at: Math.floor(sentMs) };
    try {
      const answer = await (version === undefined
        ? this.#writes.create(id, body)
        : this.#writes.put(id, body, { ifMatch: version }));
      const ackMs = machineMs();
      shard.acknowledgements.add(sentMs, ackMs);
      document.version = `${answer.term}.${answer.seq}`;
      this.#counts.acknowledged += 1;
      this.#counts.slowestWriteMs = Math.max(this.#counts.slowestWriteMs, ackMs - sentMs);
    } catch (error) {
      if (!(error instanceof PrismError)) throw error;
      this.#noteFailure(document, error);
    }
    if (!document.isOpen) shard.free.push(document);
  }

  #noteFailure(document: Document, { code, executed }: PrismError): void {
    if (code === "versionConflict" || code === "documentExists") {
      this.#counts.conflicts += 1;
      document.isOpen = true;
    } else if (executed === "unknown") {
      this.#counts.unknown += 1;
      document.isOpen = true;
    } else this.#counts.refused[code] = (this.#counts.refused[code] ?? 0) + 1;
  }

  async #search(): Promise<void> {
    this.#counts.searches += 1;
    try {
      const answer = await this.#reads.search({
        queries: [{ text: { query: "war", fields: ["body"] } }],
        limit: 3,
        timeoutMs: READ_TIMEOUT_MS,
        consistency: { level: "eventual" },
      });
      if (!answer.complete) this.#counts.partialSearches += 1;
    } catch (error) {
      if (!(error instanceof PrismError)) throw error;
      this.#counts.failedSearches += 1;
    }
  }

  /** Stale: older than what was acknowledged before the read began. */
  async #readStrongly(document: Document): Promise<void> {
    const floor = document.version!;
    this.#counts.strongReads += 1;
    // A session would make the cluster wait for what this client has seen: the level alone must be enough.
    this.#reads.forgetSession();
    try {
      const found = await this.#reads.get(document.id, { consistency: "strong", timeoutMs: READ_TIMEOUT_MS });
      if (found === undefined || seqOf(`${found.term}.${found.seq}`) < seqOf(floor))
        this.#counts.staleStrongReads += 1;
    } catch (error) {
      if (!(error instanceof PrismError)) throw error;
      this.#counts.failedStrongReads += 1;
    }
  }
}

/** Ids that the ring puts on each shard, the same number on each. */
function documentsOf(shards: number): Shard[] {
  const ring = new Ring(shards);
  const lists: Document[][] = Array.from({ length: shards }, () => []);
  for (let i = 0; lists.some((list) => list.length < IDS_PER_SHARD); i += 1) {
    const id = `d${i}`;
    const list = lists[ring.shardOf(id)]!;
    if (list.length < IDS_PER_SHARD) list.push({ id, version: undefined, isOpen: false });
  }
  return lists.map((documents) => ({
    documents,
    free: [...documents],
    acknowledgements: new Acknowledgements(),
  }));
}
