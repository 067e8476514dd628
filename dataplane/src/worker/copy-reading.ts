/**
 * Reads all of a copy out of one read transaction of its store, in slices between which the worker's other
 * work has its turn, and sums it up: documents in buckets by their ids, operations as a whole. The
 * transaction holds back the reuse of pages until the reading is ended.
 */
import { createHash, type Hash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { DamagedValueError, type StoredDocument } from "../adapters/lmdb/entry-codec.js";
import type { ShardStore, StoreSnapshot } from "../adapters/lmdb/shard-store.js";
import {
  bucketOf,
  BUCKETS,
  DIGEST_BYTES,
  type CopyReading as Sums,
  type ListedDocument,
} from "../domain/verification.js";

const SLICE_MS = 5;
/** After each slice: a quarter of the thread's time is for the reading, whatever waits. */
const REST_MS = 3 * SLICE_MS;
const DAMAGED = Uint8Array.of(0);

/** It was ended before everything was read. */
class ReadingEnded extends Error {}

export class CopyReading {
  readonly seq: number;
  readonly #store: ShardStore;
  readonly #slot: number;
  readonly #snapshot: StoreSnapshot;
  readonly #indexed: number;
  #documents = 0;
  #operations = 0;
  #ended = false;

  /** @throws {Error} when the store does not show exactly what was applied up to `seq`. */
  constructor(store: ShardStore, shardUid: string, seq: number, indexed: number) {
    this.#store = store;
    this.seq = seq;
    this.#indexed = indexed;
    this.#snapshot = store.snapshot();
    const record = store.record(shardUid, this.#snapshot);
    if (record?.appliedSeq !== seq) {
      this.end();
      throw new Error(`the store shows seq ${record?.appliedSeq ?? "none"}, not ${seq}`);
    }
    this.#slot = record.slot;
  }

  /** Read so far. */
  get documents(): number {
    return this.#documents;
  }

  get operations(): number {
    return this.#operations;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#snapshot.done();
  }

  async sums(): Promise<Sums> {
    const hashes = Array.from({ length: BUCKETS }, () => createHash("sha256"));
    for await (const { id, document } of this.#eachDocument(() => true)) {
      add(hashes[bucketOf(id)]!, id, document);
      this.#documents += 1;
    }
    const digests = new Uint8Array(BUCKETS * DIGEST_BYTES);
    for (const [bucket, hash] of hashes.entries()) digests.set(short(hash), bucket * DIGEST_BYTES);
    const operationsDigest = await this.#sumOperations();
    return { documents: this.#documents, indexed: this.#indexed, digests, operationsDigest };
  }

  async list(buckets: ReadonlySet<number>): Promise<ListedDocument[]> {
    const listed: ListedDocument[] = [];
    for await (const { id, document } of this.#eachDocument((one) => buckets.has(bucketOf(one)))) {
      const { term = 0, seq = 0 } = document ?? {};
      const hash = createHash("sha256");
      add(hash, id, document);
      listed.push({ id, term, seq, digest: document === undefined ? new Uint8Array(0) : short(hash) });
    }
    return listed;
  }

  async #sumOperations(): Promise<Uint8Array> {
    const hash = createHash("sha256");
    let next = 0;
    for (let more = true; more;) {
      const endMs = performance.now() + SLICE_MS;
      more = false;
      for (const operation of this.#store.operations(this.#slot, next, this.#snapshot)) {
        const { operationId, seq, term, result, timeMs } = operation;
        hash.update(JSON.stringify([operationId, seq, term, result, timeMs]));
        this.#operations += 1;
        next = seq + 1;
        more = performance.now() > endMs;
        if (more) break;
      }
      if (more) await this.#rest();
    }
    return short(hash);
  }

  /** In byte order of ids; `document` is undefined where its value is damaged or missing. */
  async *#eachDocument(
    wanted: (id: string) => boolean,
  ): AsyncGenerator<{ readonly id: string; readonly document: StoredDocument | undefined }> {
    if (this.#ended) throw new ReadingEnded("the reading was ended");
    let after = "";
    for (let more = true; more;) {
      const endMs = performance.now() + SLICE_MS;
      more = false;
      for (const { id, doc } of this.#store.ids(this.#slot, after, this.#snapshot)) {
        after = id;
        if (wanted(id)) yield { id, document: this.#document(id, doc) };
        more = performance.now() > endMs;
        if (more) break;
      }
      if (more) await this.#rest();
    }
  }

  #document(id: string, doc: number): StoredDocument | undefined {
    try {
      const document = this.#store.document(this.#slot, doc, this.#snapshot);
      return document?.id === id ? document : undefined;
    } catch (error) {
      if (error instanceof DamagedValueError) return undefined;
      throw error;
    }
  }

  async #rest(): Promise<void> {
    await delay(REST_MS);
    if (this.#ended) throw new ReadingEnded("the reading was ended");
  }
}

/** Length before value, so that no two documents have the same bytes. */
function add(hash: Hash, id: string, document: StoredDocument | undefined): void {
  const name = Buffer.from(id);
  const head = Buffer.allocUnsafe(24);
  head.writeUInt32LE(name.length, 0);
  head.writeDoubleLE(document?.term ?? 0, 4);
  head.writeDoubleLE(document?.seq ?? 0, 12);
  head.writeUInt32LE(document?.record.length ?? 0, 20);
  hash
    .update(head)
    .update(name)
    .update(document?.record ?? DAMAGED);
}

function short(hash: Hash): Uint8Array {
  return Uint8Array.from(hash.digest().subarray(0, DIGEST_BYTES));
}
