/**
 * All that a copy keeps on disk: its record, log, documents and operation table, and the two ways they
 * change: as the state machine asks (`persist`), and by applying committed entries (`applyNext`).
 *
 * What is applied shows at once and goes to disk later, many entries together (`flush`): the log, on disk
 * before anything is acknowledged, has it all, and a restart applies it again. Whoever reads the store itself
 * flushes first.
 */
import type { StoredOperation } from "../adapters/lmdb/entry-codec.js";
import type { ShardRecord } from "../adapters/lmdb/shard-record.js";
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import type { AllocationId, HistoryId, ShardUid } from "../domain/cluster-map.js";
import type { DocumentVersion } from "../domain/evaluate-write.js";
import type { DurableCopy, PersistChange } from "../domain/replication/event.js";
import type { LogEntry, TermSpan } from "../domain/replication/log-entry.js";
import { DocumentTable, type DocumentChange } from "./document-table.js";
import { EntryLog } from "./entry-log.js";
import type { IndexedData } from "./index-keeper.js";
import type { LogBounds } from "./log-retention.js";
import { OperationTable } from "./operation-table.js";
import type { ArrivedSnapshot } from "./snapshot-receiver.js";
import type { WriteData } from "./write-queue.js";

/**
 * Applied and not put into the store yet: at most this much in memory, and not for longer. The entries are the
 * newest of those that the log's memory holds; ids lie all over the tree, and the more go in at once the more of
 * them share a page.
 */
const FLUSH_BYTES = 2 * 1024 * 1024;
const FLUSH_ENTRIES = 2000;
const FLUSH_MS = 1000;

export interface NewCopy {
  readonly shardUid: string;
  readonly collectionUid: string;
  readonly allocationId: string;
  readonly historyId: string;
  /** Of the map that made it. */
  readonly identityVersion: number;
}

export class CopyData implements WriteData {
  readonly store: ShardStore;
  readonly log: EntryLog;
  readonly documents: DocumentTable;
  readonly operations: OperationTable;
  /** As it is put into the store; its `appliedSeq` is what was flushed. */
  #record: ShardRecord;
  #appliedSeq: number;
  #durableSeq: number;
  /** When the oldest entry was applied that is not flushed. */
  #unflushedSinceMs: number | undefined;

  /** `record` as the store has it, or as it was put for a new copy. */
  constructor(store: ShardStore, record: ShardRecord, bounds: LogBounds) {
    this.store = store;
    this.#record = record;
    this.#appliedSeq = record.appliedSeq;
    this.#durableSeq = record.appliedSeq;
    this.log = new EntryLog(store, record.slot, record.baseSeq, record.appliedSeq, bounds);
    this.documents = new DocumentTable(store, record.slot, record.nextDoc);
    this.operations = new OperationTable(store, record.slot);
  }

  /** Data of a copy that holds nothing yet; on disk with the store's next commit. */
  static create(store: ShardStore, copy: NewCopy, bounds: LogBounds): CopyData {
    const slot = store.newSlot();
    const record: ShardRecord = {
      ...copy,
      term: 0,
      activatedTerm: 0,
      baseSeq: 0,
      baseTerm: 0,
      lastSeq: 0,
      globalCheckpoint: 0,
      appliedSeq: 0,
      nextDoc: 1,
      slot,
    };
    store.claimSlot(slot);
    store.putRecord(record);
    return new CopyData(store, record, bounds);
  }

  /** Reads log and operation table. @throws {Error} when they are damaged. */
  load(): DurableCopy {
    const { termSpans, lastTimeMs } = this.log.load(this.#record.lastSeq);
    this.operations.load(this.#record.slot);
    return this.#durable(termSpans, lastTimeMs);
  }

  /** As the store has it, or will with its next commit. */
  get record(): ShardRecord {
    return this.#record;
  }

  /** What the indexes are of. */
  indexed(): IndexedData {
    const { slot, historyId } = this.#record;
    return { slot, historyId, appliedSeq: this.#appliedSeq, nextDoc: this.documents.nextDoc };
  }

  get appliedSeq(): number {
    return this.#appliedSeq;
  }

  /** Applied and on disk. */
  get durableSeq(): number {
    return this.#durableSeq;
  }

  /** Protocol 7.1.2: the data under a new id, which has never been primary. */
  takeIdentity(allocationId: AllocationId, identityVersion: number): DurableCopy {
    this.#put({ allocationId, identityVersion, activatedTerm: 0 });
    const { termSpans, lastTimeMs } = this.#readLog();
    return this.#durable(termSpans, lastTimeMs);
  }

  #readLog(): { termSpans: TermSpan[]; lastTimeMs: number } {
    const termSpans: TermSpan[] = [];
    let lastTimeMs = 0;
    for (let seq = this.#record.baseSeq + 1; seq <= this.#record.lastSeq; seq += 1) {
      const { term, timeMs } = this.log.get(seq);
      if (termSpans.at(-1)?.term !== term) termSpans.push({ fromSeq: seq, term });
      lastTimeMs = Math.max(lastTimeMs, timeMs);
    }
    return { termSpans, lastTimeMs };
  }

  /**
   * Adds the change to the store's next commit; one that is not vital asks for none of its own. `snapshot` is
   * what lies aside when one is to be installed.
   */
  persist(change: PersistChange, snapshot: ArrivedSnapshot | undefined, vital = true): void {
    if (change.installSnapshot !== undefined) this.#install(change.installSnapshot, snapshot);
    if (change.truncateAfter !== undefined) this.log.truncateAfter(change.truncateAfter);
    if (change.append !== undefined) this.log.append(change.append);
    const { trimThrough } = change;
    const before = this.#record;
    let { baseSeq, baseTerm } = before;
    if (trimThrough !== undefined) {
      // Entries that the documents on disk lack are still needed; the log is trimmed again later.
      const seq = Math.min(trimThrough.seq, before.appliedSeq);
      if (seq > baseSeq) {
        baseTerm = seq === trimThrough.seq ? trimThrough.term : this.log.get(seq).term;
        this.log.trimThrough(seq);
        baseSeq = seq;
      }
    }
    this.#record = {
      ...before,
      term: change.term ?? before.term,
      activatedTerm: change.activatedTerm ?? before.activatedTerm,
      historyId: change.historyId ?? before.historyId,
      globalCheckpoint: change.globalCheckpoint ?? before.globalCheckpoint,
      lastSeq: this.log.lastSeq,
      baseSeq,
      baseTerm,
    };
    if (vital) this.store.putRecord(this.#record);
    else this.store.putRecordLater(this.#record);
  }

  /** Applies the next committed entry to documents and operation table. @throws {DamagedValueError} */
  applyNext(): { readonly entry: LogEntry; readonly change: DocumentChange } {
    const seq = this.#appliedSeq + 1;
    const entry = this.log.get(seq);
    const change = this.documents.apply(entry, entry.stored ?? this.log.stored(seq, seq));
    this.operations.apply(entry);
    this.#appliedSeq = seq;
    this.log.applied(seq);
    return { entry, change };
  }

  /** Ends a run of applyNext. */
  applied(nowMs: number): void {
    this.#unflushedSinceMs ??= nowMs;
    this.flushIfDue(nowMs);
  }

  /** Also to be called now and then, so that nothing waits for more to come. */
  flushIfDue(nowMs: number): void {
    const since = this.#unflushedSinceMs;
    if (since === undefined) return;
    const isMuch =
      this.documents.changedBytes >= FLUSH_BYTES ||
      this.#appliedSeq - this.#record.appliedSeq >= FLUSH_ENTRIES;
    if (isMuch || nowMs - since >= FLUSH_MS) this.flush();
  }

  /** What was applied goes into the store's next commit, and in the same one the number up to which it is. */
  flush(): void {
    this.#unflushedSinceMs = undefined;
    const appliedSeq = this.#appliedSeq;
    if (appliedSeq === this.#record.appliedSeq) return;
    this.documents.put(appliedSeq);
    this.operations.put();
    this.#put({ appliedSeq, nextDoc: this.documents.nextDoc });
    this.store.onDurable(() => {
      this.#durableSeq = Math.max(this.#durableSeq, appliedSeq);
      this.documents.durable(appliedSeq);
      this.operations.durable(appliedSeq);
    });
  }

  current(id: string): DocumentVersion | undefined {
    const pending = this.log.pendingOf(id);
    if (pending !== undefined) {
      const { body, term, seq } = pending;
      return body.kind === "index" ? { version: `${term}.${seq}`, record: body.record } : undefined;
    }
    const document = this.documents.get(id);
    return document && { version: `${document.term}.${document.seq}`, record: document.record };
  }

  findDone(operationId: string): StoredOperation | undefined {
    return this.operations.find(operationId);
  }

  findPending(operationId: string): number | undefined {
    return this.log.seqOfOperation(operationId);
  }

  rememberedSinceMs(): number {
    return this.operations.sinceMs;
  }

  knows(operationId: string): boolean {
    return this.findPending(operationId) !== undefined || this.operations.has(operationId);
  }

  remove(): void {
    this.store.removeRecord(this.#record.shardUid);
    this.store.dropSlot(this.#record.slot);
  }

  #put(change: Partial<ShardRecord>): void {
    this.#record = { ...this.#record, ...change };
    this.store.putRecord(this.#record);
  }

  #install(
    install: { snapshotId: string; seq: number; term: number },
    snapshot: ArrivedSnapshot | undefined,
  ): void {
    if (snapshot === undefined) throw new Error(`snapshot ${install.snapshotId} is not here to be installed`);
    const { seq, term } = install;
    const { slot, nextDoc } = snapshot;
    this.store.claimSlot(slot);
    this.store.dropSlot(this.#record.slot);
    this.log.reset(slot, seq);
    this.documents.reset(slot, nextDoc);
    this.operations.load(slot);
    this.#appliedSeq = seq;
    this.#unflushedSinceMs = undefined;
    this.#record = {
      ...this.#record,
      slot,
      nextDoc,
      baseSeq: seq,
      baseTerm: term,
      lastSeq: seq,
      globalCheckpoint: seq,
      appliedSeq: seq,
    };
    this.store.onDurable(() => {
      this.#durableSeq = Math.max(this.#durableSeq, seq);
    });
  }

  #durable(termSpans: readonly TermSpan[], lastTimeMs: number): DurableCopy {
    const {
      shardUid,
      allocationId,
      historyId,
      collectionUid: _collection,
      slot: _slot,
      ...rest
    } = this.#record;
    return {
      shardUid: shardUid as ShardUid,
      allocationId: allocationId as AllocationId,
      historyId: historyId as HistoryId,
      term: rest.term,
      activatedTerm: rest.activatedTerm,
      baseSeq: rest.baseSeq,
      baseTerm: rest.baseTerm,
      lastSeq: rest.lastSeq,
      globalCheckpoint: rest.globalCheckpoint,
      termSpans,
      lastTimeMs,
    };
  }
}
