/** Proof on demand that the copies of a collection's shards are the same. */
import { describeLimit, type Limits } from "@prism/api/limits";
import { Problem } from "@prism/api/problem-code";
import { refuse } from "@prism/api/schema";
import {
  worstStatus,
  type ShardVerification,
  type VerifyQuery,
  type VerifyResponse,
} from "@prism/api/verify";
import type { ClusterDirectory, CollectionEntry } from "./cluster-directory.js";
import type { Waiting } from "./documents.js";
import { newId } from "./id-source.js";
import type { ShardCalls } from "./shard-calls.js";
import { ShardVerifier } from "./shard-verifier.js";
import type { ShardWriter } from "./shard-writer.js";

export class VerifyService {
  readonly #directory: ClusterDirectory;
  readonly #calls: ShardCalls;
  readonly #writer: ShardWriter;
  readonly #limits: Limits;
  #running = 0;

  constructor(directory: ClusterDirectory, calls: ShardCalls, writer: ShardWriter, limits: Limits) {
    this.#directory = directory;
    this.#calls = calls;
    this.#writer = writer;
    this.#limits = limits;
  }

  /**
   * Compares one shard after the other. Throws Problem: `collectionNotFound`, `invalidRequest` for a shard
   * that the collection does not have, `tooManyRequests` while others run, `timeout`.
   */
  async verify(name: string, query: VerifyQuery, waiting: Waiting): Promise<Omit<VerifyResponse, "tookMs">> {
    const collection = this.#directory.collection(name);
    const numbers = query.shards ?? collection.shards.map((_, number) => number);
    const unknown = numbers.filter((number) => number >= collection.shards.length);
    if (unknown.length > 0) {
      const detail = `${name} has the shards 0 to ${collection.shards.length - 1}, not ${unknown.join(", ")}`;
      refuse("query string", [{ pointer: "/shards", code: "invalidRequest", detail }]);
    }
    if (this.#running >= this.#limits.verifications) {
      const detail = `${this.#running} verifications are running, ${describeLimit("verifications", this.#limits)}`;
      throw new Problem("tooManyRequests", detail);
    }
    this.#running += 1;
    try {
      const shards: ShardVerification[] = [];
      for (const number of numbers) shards.push(await this.#shard(collection, number, query, waiting));
      return { collection: name, status: worstStatus(shards.map(({ status }) => status)), shards };
    } finally {
      this.#running -= 1;
    }
  }

  async #shard(
    collection: CollectionEntry,
    number: number,
    { differences }: VerifyQuery,
    waiting: Waiting,
  ): Promise<ShardVerification> {
    const shard = this.#directory.shard(collection, number);
    if (shard === undefined) {
      const problem = { code: "shardUnavailable", detail: "the shard has no record yet" } as const;
      const nothing = { copies: [], differences: [], operationsEqual: true, indexesComplete: true };
      return { shard: number, status: "unavailable", ...nothing, moreDifferences: false, problem };
    }
    const ports = { calls: this.#calls, writer: this.#writer, directory: this.#directory };
    const options = { collection, shard, verificationId: newId(), differences, waiting };
    return new ShardVerifier(ports, options).run();
  }
}
