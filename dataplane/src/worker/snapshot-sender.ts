/**
 * Sends all of a copy to another one: documents and operation records out of one read transaction, in
 * chunks, of which a few may be unacknowledged. The transaction holds back the reuse of pages, so a
 * receiver that falls silent ends the transfer.
 */
import type { SnapshotAck, SnapshotChunk, SnapshotDocument, SnapshotOperation } from "@prism/proto/gen/node";
import type { ShardStore, StoreSnapshot } from "../adapters/lmdb/shard-store.js";
import type { ShardRecord } from "../adapters/lmdb/shard-record.js";
import type { SnapshotBudget } from "./snapshot-budget.js";

const CHUNK_BYTES = 1024 * 1024;
const OPERATION_BYTES = 80;
const WINDOW_CHUNKS = 4;
const SILENCE_MS = 15_000;
/** A receiver that takes as many as it may is asked again after this time. */
const BUSY_MS = 1000;

export interface SnapshotSenderEvents {
  /** What is to be sent is read from the store: all that is applied must be in its next commit. */
  readonly begins: () => void;
  readonly send: (chunk: SnapshotChunk) => void;
  readonly ended: (ok: boolean) => void;
  /** What was to be sent can't be read; `ended` follows. */
  readonly failed: (error: unknown) => void;
}

export class SnapshotSender {
  readonly snapshotId: string;
  readonly #store: ShardStore;
  readonly #budget: SnapshotBudget;
  readonly #shardUid: string;
  readonly #events: SnapshotSenderEvents;
  /**
   * - waiting: for its turn among the node's snapshots, from `#notBeforeMs` on
   * - sending: it counts among them
   */
  #state: "waiting" | "sending" | "ended" = "waiting";
  #notBeforeMs: number;
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

  constructor(
    store: ShardStore,
    budget: SnapshotBudget,
    shardUid: string,
    snapshotId: string,
    nowMs: number,
    events: SnapshotSenderEvents,
  ) {
    this.#store = store;
    this.#shardUid = shardUid;
    this.snapshotId = snapshotId;
    this.#budget = budget;
    this.#notBeforeMs = nowMs;
    this.#heardMs = nowMs;
    this.#events = events;
    this.#begin(nowMs);
  }

  #begin(nowMs: number): void {
    if (this.#state !== "waiting" || nowMs < this.#notBeforeMs || !this.#budget.enter("outgoing")) return;
    this.#state = "sending";
    this.#heardMs = nowMs;
    this.#events.begins();
    // What is committed now is on disk then: the snapshot is not older than the moment it was asked for.
    this.#store.onDurable(() => this.#guard(() => this.#start(nowMs)));
  }

  /** Back to the end of the queue: what was read is of no use by then. */
  #giveWay(nowMs: number): void {
    this.#leave();
    this.#state = "waiting";
    this.#notBeforeMs = nowMs + BUSY_MS;
    this.#afterId = "";
    this.#documentsDone = false;
    this.#nextOperation = 0;
    this.#nextChunk = 0;
    this.#lastSent = false;
    this.#acknowledged = 0;
  }

  #leave(): void {
    if (this.#state === "sending") this.#budget.leave("outgoing");
    this.#snapshot?.done();
    this.#snapshot = undefined;
  }

  acknowledged({ number, installed, restart, busy }: Omit<SnapshotAck, "snapshotId">, nowMs: number): void {
    if (this.#state !== "sending") return;
    this.#heardMs = nowMs;
    if (busy) return this.#giveWay(nowMs);
    if (restart) return this.#end(false);
    if (this.#lastSent && number === this.#nextChunk - 1) return this.#end(installed);
    this.#acknowledged = Math.max(this.#acknowledged, number + 1);
    return this.#guard(() => this.#fill(nowMs));
  }

  tick(nowMs: number): void {
    if (this.#state === "waiting") return this.#begin(nowMs);
    const owesAnswer = this.#nextChunk > this.#acknowledged || this.#snapshot === undefined;
    if (!owesAnswer) this.#heardMs = nowMs;
    if (nowMs - this.#heardMs > SILENCE_MS) return this.#end(false);
    // The rate may have held back what the window had room for.
    if (this.#snapshot !== undefined) this.#guard(() => this.#fill(nowMs));
  }

  /** Ends without a word. */
  cancel(): void {
    this.#leave();
    this.#state = "ended";
  }

  #end(ok: boolean): void {
    if (this.#state === "ended") return;
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

  #start(nowMs: number): void {
    if (this.#state !== "sending" || this.#snapshot !== undefined) return;
    this.#snapshot = this.#store.snapshot();
    const record = this.#store.record(this.#shardUid, this.#snapshot);
    if (record === undefined) return this.#end(false);
    this.#record = record;
    const { appliedSeq, baseSeq, baseTerm, slot } = record;
    const lastTerm =
      appliedSeq === baseSeq ? baseTerm : this.#store.entry(slot, appliedSeq, this.#snapshot)?.term;
    if (lastTerm === undefined) return this.#end(false);
    this.#lastTerm = lastTerm;
    return this.#fill(nowMs);
  }

  #fill(nowMs: number): void {
    while (
      this.#state === "sending" &&
      !this.#lastSent &&
      this.#nextChunk - this.#acknowledged < WINDOW_CHUNKS &&
      this.#budget.maySend(nowMs)
    ) {
      const { chunk, bytes } = this.#chunk();
      this.#budget.sent(bytes, nowMs);
      this.#nextChunk += 1;
      this.#lastSent = chunk.last;
      this.#events.send(chunk);
    }
  }

  #chunk(): { readonly chunk: SnapshotChunk; readonly bytes: number } {
    const documents: SnapshotDocument[] = [];
    const operations: SnapshotOperation[] = [];
    let bytes = this.#addDocuments(documents);
    if (this.#documentsDone && bytes < CHUNK_BYTES) bytes += this.#addOperations(operations, bytes);
    const chunk = {
      snapshotId: this.snapshotId,
      number: this.#nextChunk,
      last: this.#documentsDone && bytes < CHUNK_BYTES,
      lastSeq: this.#record!.appliedSeq,
      lastTerm: this.#lastTerm,
      documents,
      operations,
    };
    return { chunk, bytes };
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
