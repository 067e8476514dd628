/**
 * Sends all of a copy to another one: documents and operation records out of one read transaction, in
 * chunks, of which a few may be unacknowledged. The transaction holds back the reuse of pages, so a
 * receiver that falls silent ends the transfer.
 */
import type { SnapshotChunk, SnapshotDocument, SnapshotOperation } from "@prism/proto/gen/node";
import type { ShardStore, StoreSnapshot } from "../adapters/lmdb/shard-store.js";
import type { ShardRecord } from "../adapters/lmdb/shard-record.js";

const CHUNK_BYTES = 1024 * 1024;
const OPERATION_BYTES = 80;
const WINDOW_CHUNKS = 4;
const SILENCE_MS = 15_000;

export interface SnapshotSenderEvents {
  readonly send: (chunk: SnapshotChunk) => void;
  readonly ended: (ok: boolean) => void;
  /** What was to be sent can't be read; `ended` follows. */
  readonly failed: (error: unknown) => void;
}

export class SnapshotSender {
  readonly snapshotId: string;
  readonly #store: ShardStore;
  readonly #shardUid: string;
  readonly #events: SnapshotSenderEvents;
  #snapshot: StoreSnapshot | undefined;
  #record: ShardRecord | undefined;
  #lastTerm = 0;
  #afterId = "";
  #documentsDone = false;
  #nextOperation = 0;
  #nextChunk = 0;
  #lastSent = false;
  #acknowledged = 0;
  #heardMs: number;
  #ended = false;

  constructor(
    store: ShardStore,
    shardUid: string,
    snapshotId: string,
    nowMs: number,
    events: SnapshotSenderEvents,
  ) {
    this.#store = store;
    this.#shardUid = shardUid;
    this.snapshotId = snapshotId;
    this.#heardMs = nowMs;
    this.#events = events;
    // What is committed now is on disk then: the snapshot is not older than the moment it was asked for.
    store.onDurable(() => this.#guard(() => this.#start()));
  }

  acknowledged(chunk: number, installed: boolean, restart: boolean, nowMs: number): void {
    if (this.#ended) return;
    this.#heardMs = nowMs;
    if (restart) return this.#end(false);
    if (this.#lastSent && chunk === this.#nextChunk - 1) return this.#end(installed);
    this.#acknowledged = Math.max(this.#acknowledged, chunk + 1);
    return this.#guard(() => this.#fill());
  }

  tick(nowMs: number): void {
    if (nowMs - this.#heardMs > SILENCE_MS) this.#end(false);
  }

  /** Ends without a word. */
  cancel(): void {
    this.#ended = true;
    this.#snapshot?.done();
    this.#snapshot = undefined;
  }

  #end(ok: boolean): void {
    if (this.#ended) return;
    this.cancel();
    this.#events.ended(ok);
  }

  #guard(read: () => void): void {
    try {
      read();
    } catch (error) {
      this.#events.failed(error);
      this.#end(false);
    }
  }

  #start(): void {
    if (this.#ended) return;
    this.#snapshot = this.#store.snapshot();
    const record = this.#store.record(this.#shardUid, this.#snapshot);
    if (record === undefined) return this.#end(false);
    this.#record = record;
    const { appliedSeq, baseSeq, baseTerm, slot } = record;
    const lastTerm =
      appliedSeq === baseSeq ? baseTerm : this.#store.entry(slot, appliedSeq, this.#snapshot)?.term;
    if (lastTerm === undefined) return this.#end(false);
    this.#lastTerm = lastTerm;
    return this.#fill();
  }

  #fill(): void {
    while (!this.#ended && !this.#lastSent && this.#nextChunk - this.#acknowledged < WINDOW_CHUNKS) {
      const chunk = this.#chunk();
      this.#nextChunk += 1;
      this.#lastSent = chunk.last;
      this.#events.send(chunk);
    }
  }

  #chunk(): SnapshotChunk {
    const documents: SnapshotDocument[] = [];
    const operations: SnapshotOperation[] = [];
    let bytes = this.#addDocuments(documents);
    if (this.#documentsDone && bytes < CHUNK_BYTES) bytes += this.#addOperations(operations, bytes);
    return {
      snapshotId: this.snapshotId,
      number: this.#nextChunk,
      last: this.#documentsDone && bytes < CHUNK_BYTES,
      lastSeq: this.#record!.appliedSeq,
      lastTerm: this.#lastTerm,
      documents,
      operations,
    };
  }

  #addDocuments(documents: SnapshotDocument[]): number {
    let bytes = 0;
    if (this.#documentsDone) return bytes;
    const { slot } = this.#record!;
    for (const { id, doc } of this.#store.ids(slot, this.#afterId, this.#snapshot)) {
      const document = this.#store.document(slot, doc, this.#snapshot);
      if (document === undefined) throw new Error(`document ${doc} of id ${JSON.stringify(id)} is missing`);
      documents.push({ ...document });
      this.#afterId = id;
      bytes += document.record.length + id.length + 32;
      if (bytes >= CHUNK_BYTES) return bytes;
    }
    this.#documentsDone = true;
    return bytes;
  }

  #addOperations(operations: SnapshotOperation[], before: number): number {
    let bytes = 0;
    for (const operation of this.#store.operations(this.#record!.slot, this.#nextOperation, this.#snapshot)) {
      operations.push({ ...operation });
      this.#nextOperation = operation.seq + 1;
      bytes += OPERATION_BYTES + operation.operationId.length;
      if (before + bytes >= CHUNK_BYTES) break;
    }
    return bytes;
  }
}
