/**
 * One LMDB environment, which holds the copies of several shards so that one fsync serves them all.
 *
 * Changes are collected and written by a commit loop: everything that was added until a commit
 * starts goes into that one transaction, whole or not at all; `onDurable` callbacks run in order once
 * it is on disk; meanwhile the next transaction is collected. What nobody waits for (`putRecordLater`,
 * `onDurableLater`) goes along with the next commit, and asks for none of its own for a while. A full disk is waited out with the
 * transaction kept; any other failure ends the store, because what an fsync that failed has left on
 * the disk is unknown.
 */
import { statfsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { open, type Database, type RootDatabase } from "lmdb";
import { causeOf, isDiskFull, Unheard } from "./commit-failure.js";
import {
  decodeDocument,
  decodeEntries,
  decodeOperations,
  type StoredDocument,
  type StoredOperation,
} from "./entry-codec.js";
import type { KeptRecord } from "./kept-record.js";
import { assertAppliedBelowCheckpoint, type ShardRecord } from "./shard-record.js";
import {
  RECORDS_END,
  RECORDS_START,
  STORE_KEY,
  idKey,
  idOfKey,
  keyAfter,
  keptKey,
  numberKey,
  numberOfKey,
  recordKey,
  slotStart,
} from "./store-key.js";
import type { LogEntry } from "../../domain/replication/log-entry.js";

type Binary = Database<Buffer, Buffer>;
export type TableName = "log" | "documents" | "ids" | "operations";

const TABLES: readonly TableName[] = ["log", "documents", "ids", "operations"];
/** Keys of a dropped slot that one transaction removes: the rest of the worker's writes go beside them. */
const SWEEP_KEYS = 2000;
const FULL_DISK_RETRY_MS = 1000;
const CLOSE_TIMEOUT_MS = 5000;
/** What nobody waits for is committed after this time at the latest. */
const LATER_MS = 500;

interface StoreState {
  readonly nextSlot: number;
  /** Slots without an owner: what lies there goes. A slot being filled is here until it is claimed. */
  readonly unowned: readonly number[];
}

interface Transaction {
  readonly writes: { table: Binary; key: Buffer; value: Buffer | undefined }[];
  /** Last one wins: only the newest record of a shard is written. */
  readonly records: Map<string, ShardRecord | undefined>;
  state: StoreState | undefined;
  readonly durable: (() => void)[];
  /** Something in it waits for the disk. */
  isWanted: boolean;
}

/** A consistent view of the store at one moment; holds back page reuse until it is closed. */
export type StoreSnapshot = ReturnType<RootDatabase["useReadTransaction"]>;

export interface StoreOptions {
  /** False writes without fsync: acknowledged writes are lost with the power. For tests of the tests only. */
  readonly sync: boolean;
  /** The disk is full (true) or has space again. */
  readonly onDiskFull: (full: boolean) => void;
  /** The store can't go on; every copy in it stops. */
  readonly onFailure: (error: Error) => void;
  /** Another database in the place of lmdb's: the simulation's. */
  readonly open?: typeof open;
}

export class ShardStore {
  readonly directory: string;
  readonly #options: StoreOptions;
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #meta: Binary;
  readonly #tables: Readonly<Record<TableName, Binary>>;
  #state: StoreState;
  /** Unowned slots that nothing writes to any more, not even in a transaction still to be committed. */
  readonly #dropped: Set<number>;
  #next: Transaction = newTransaction();
  #committing: Promise<void> | undefined;
  #scheduled = false;
  #later: NodeJS.Timeout | undefined;
  #full = false;
  #failed = false;
  #closed = false;

  constructor(directory: string, options: StoreOptions) {
    this.directory = directory;
    this.#options = options;
    const shape = { encoding: "binary", keyEncoding: "binary" } as const;
    const openDatabase = options.open ?? open;
    this.#root = openDatabase<Buffer, Buffer>({
      path: directory,
      ...shape,
      maxDbs: 8,
      // The promise of a commit then resolves after its fsync, never before.
      overlappingSync: false,
      noSync: !options.sync,
      // Else each turn has a promise of its own that nobody hears, and whose rejection ends the thread.
      eventTurnBatching: false,
    });
    this.#meta = this.#root.openDB<Buffer, Buffer>({ name: "meta", ...shape });
    const table = (name: TableName): Binary => this.#root.openDB<Buffer, Buffer>({ name, ...shape });
    this.#tables = {
      log: table("log"),
      documents: table("documents"),
      ids: table("ids"),
      operations: table("operations"),
    };
    const state = this.#meta.get(STORE_KEY);
    this.#state =
      state === undefined ? { nextSlot: 1, unowned: [] } : (JSON.parse(state.toString("utf8")) as StoreState);
    this.#dropped = new Set(this.#state.unowned);
    if (this.#dropped.size > 0) this.#schedule();
  }

  // ---------------------------------------------------------------- writing

  put(table: TableName, key: Buffer, value: Buffer): void {
    this.#next.writes.push({ table: this.#tables[table], key, value });
    this.#schedule();
  }

  remove(table: TableName, key: Buffer): void {
    this.#next.writes.push({ table: this.#tables[table], key, value: undefined });
    this.#schedule();
  }

  /** @throws {Error} when the record violates AppliedBelowCheckpoint. */
  putRecord(record: ShardRecord): void {
    this.putRecordLater(record);
    this.#schedule();
  }

  /** As putRecord, for a change that nothing rests on. */
  putRecordLater(record: ShardRecord): void {
    assertAppliedBelowCheckpoint(record);
    this.#next.records.set(record.shardUid, record);
    this.#scheduleLater();
  }

  /** The newest record of the control plane that the copy was given. */
  putKept(shardUid: string, kept: KeptRecord): void {
    const value = Buffer.from(JSON.stringify(kept));
    this.#next.writes.push({ table: this.#meta, key: keptKey(shardUid), value });
    this.#schedule();
  }

  removeRecord(shardUid: string): void {
    this.#next.records.set(shardUid, undefined);
    this.#next.writes.push({ table: this.#meta, key: keptKey(shardUid), value: undefined });
    this.#schedule();
  }

  /** A slot to be filled; until it is claimed in the transaction of its owner's record, a restart empties it. */
  newSlot(): number {
    const slot = this.#state.nextSlot;
    this.#setState({ nextSlot: slot + 1, unowned: [...this.#state.unowned, slot] });
    return slot;
  }

  /** The record that names the slot as its own is put in the same turn. */
  claimSlot(slot: number): void {
    this.#setState({ ...this.#state, unowned: this.#state.unowned.filter((other) => other !== slot) });
  }

  /** What lies in the slot goes, a bounded number of keys per transaction. Nothing is put there afterwards. */
  dropSlot(slot: number): void {
    const unowned = this.#state.unowned.filter((other) => other !== slot);
    this.#setState({ ...this.#state, unowned: [...unowned, slot] });
    this.onDurable(() => this.#dropped.add(slot));
  }

  /** Calls back once everything added so far is on disk; in the order of the calls. */
  onDurable(callback: () => void): void {
    this.#next.durable.push(callback);
    this.#schedule();
  }

  /** As onDurable, and asks for no commit: there is one within LATER_MS. */
  onDurableLater(callback: () => void): void {
    this.#next.durable.push(callback);
    this.#scheduleLater();
  }

  durable(): Promise<void> {
    return new Promise((resolve) => {
      this.onDurable(resolve);
    });
  }

  // ---------------------------------------------------------------- reading

  records(): ShardRecord[] {
    const records: ShardRecord[] = [];
    for (const { value } of this.#meta.getRange({ start: RECORDS_START, end: RECORDS_END })) {
      records.push(JSON.parse(value.toString("utf8")) as ShardRecord);
    }
    return records;
  }

  kept(shardUid: string): KeptRecord | undefined {
    const value = this.#meta.get(keptKey(shardUid));
    return value === undefined ? undefined : (JSON.parse(value.toString("utf8")) as KeptRecord);
  }

  record(shardUid: string, snapshot?: StoreSnapshot): ShardRecord | undefined {
    const value = this.#meta.get(recordKey(shardUid), options(snapshot));
    return value === undefined ? undefined : (JSON.parse(value.toString("utf8")) as ShardRecord);
  }

  /** @throws {DamagedValueError} */
  entry(slot: number, seq: number, snapshot?: StoreSnapshot): LogEntry | undefined {
    const range = { start: numberKey(slot, seq), end: slotStart(slot + 1), limit: 1, ...options(snapshot) };
    for (const { value } of this.#tables.log.getRange(range)) {
      return decodeEntries(Buffer.from(value)).find((entry) => entry.seq === seq);
    }
    return undefined;
  }

  /** Runs of entries in seq order, from the one with `fromSeq` on. A run is under the seq of its last entry. */
  *entryRuns(slot: number, fromSeq: number): Generator<{ lastSeq: number; bytes: Buffer }> {
    const range = { start: numberKey(slot, fromSeq), end: slotStart(slot + 1) };
    for (const { key, value } of this.#tables.log.getRange(range)) {
      yield { lastSeq: numberOfKey(key), bytes: Buffer.from(value) };
    }
  }

  /** @throws {DamagedValueError} */
  document(slot: number, doc: number, snapshot?: StoreSnapshot): StoredDocument | undefined {
    const value = this.#tables.documents.get(numberKey(slot, doc), options(snapshot));
    return value === undefined ? undefined : decodeDocument(value, doc);
  }

  docOfId(slot: number, id: string): number | undefined {
    const value = this.#tables.ids.get(idKey(slot, id));
    return value?.readUInt32LE(0);
  }

  /** Documents by number, from `fromDoc` on. @throws {DamagedValueError} */
  *documents(slot: number, fromDoc: number): Generator<{ doc: number; document: StoredDocument }> {
    const range = { start: numberKey(slot, fromDoc), end: slotStart(slot + 1) };
    for (const { key, value } of this.#tables.documents.getRange(range)) {
      const doc = numberOfKey(key);
      yield { doc, document: decodeDocument(Buffer.from(value), doc) };
    }
  }

  /** Numbers of all documents, without their content. */
  *documentNumbers(slot: number): Generator<number> {
    const range = { start: slotStart(slot), end: slotStart(slot + 1), values: false };
    for (const key of this.#tables.documents.getKeys(range)) yield numberOfKey(key);
  }

  /** Ids above `after` in byte order, with their document numbers. */
  *ids(slot: number, after: string, snapshot?: StoreSnapshot): Generator<{ id: string; doc: number }> {
    const start = after === "" ? slotStart(slot) : keyAfter(idKey(slot, after));
    const range = { start, end: slotStart(slot + 1), ...options(snapshot) };
    for (const { key, value } of this.#tables.ids.getRange(range)) {
      yield { id: idOfKey(key), doc: value.readUInt32LE(0) };
    }
  }

  /** The run that has the operation, if one does, is the first one. @throws {DamagedValueError} */
  *operationRuns(
    slot: number,
    fromSeq: number,
    snapshot?: StoreSnapshot,
  ): Generator<{ lastSeq: number; operations: StoredOperation[] }> {
    const range = { start: numberKey(slot, fromSeq), end: slotStart(slot + 1), ...options(snapshot) };
    for (const { key, value } of this.#tables.operations.getRange(range)) {
      yield { lastSeq: numberOfKey(key), operations: decodeOperations(value) };
    }
  }

  operation(slot: number, seq: number): StoredOperation | undefined {
    for (const { operations } of this.operationRuns(slot, seq)) {
      return operations.find((operation) => operation.seq === seq);
    }
    return undefined;
  }

  /** Operation records in seq order. @throws {DamagedValueError} */
  *operations(slot: number, fromSeq: number, snapshot?: StoreSnapshot): Generator<StoredOperation> {
    for (const { operations } of this.operationRuns(slot, fromSeq, snapshot)) {
      for (const operation of operations) if (operation.seq >= fromSeq) yield operation;
    }
  }

  /** Touches every key and value that there is. */
  readAll(): void {
    for (const table of [this.#meta, ...Object.values(this.#tables)]) {
      for (const { value } of table.getRange({})) Buffer.from(value);
    }
  }

  /** To be ended with `done()`. */
  snapshot(): StoreSnapshot {
    this.#root.resetReadTxn();
    return this.#root.useReadTransaction();
  }

  /** It ended for good: nothing that is put becomes durable any more. */
  get hasFailed(): boolean {
    return this.#failed;
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.directory);
    return bavail * bsize;
  }

  /** Writes what was added, then closes. A full disk is not waited for. */
  async close(): Promise<void> {
    if (!this.#failed) {
      await Promise.race([this.durable(), sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
    }
    clearTimeout(this.#later);
    this.#closed = true;
    await this.#committing;
    await this.#root.close();
  }

  // ---------------------------------------------------------------- the commit loop

  #setState(state: StoreState): void {
    this.#state = state;
    this.#next.state = state;
    this.#schedule();
  }

  #scheduleLater(): void {
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.#schedule();
    }, LATER_MS);
  }

  /** Not at once: what the rest of this turn adds belongs into the same transaction. */
  #schedule(): void {
    this.#next.isWanted = true;
    if (this.#scheduled || this.#committing !== undefined || this.#failed || this.#closed) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#committing === undefined && !this.#closed) this.#committing = this.#commit();
    });
  }

  async #commit(): Promise<void> {
    const transaction = this.#next;
    this.#next = newTransaction();
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#sweep(transaction);
    try {
      while (!(await this.#write(transaction))) {
        await sleep(FULL_DISK_RETRY_MS);
        if (this.#closed) return;
      }
    } catch (error) {
      this.#failed = true;
      this.#committing = undefined;
      this.#options.onFailure(error as Error);
      return;
    }
    this.#root.resetReadTxn();
    this.#committing = undefined;
    for (const callback of transaction.durable) callback();
    const { records, durable, isWanted } = this.#next;
    if (isWanted || this.#dropped.size > 0) this.#schedule();
    else if (records.size > 0 || durable.length > 0) this.#scheduleLater();
  }

  /** False when the disk is full. */
  async #write(transaction: Transaction): Promise<boolean> {
    const { writes, records, state } = transaction;
    if (writes.length === 0 && records.size === 0 && state === undefined) return true;
    try {
      // Encoded and checked before: nothing in here throws, so the transaction is whole.
      const unheard = new Unheard();
      await this.#root.batch(() => {
        for (const { table, key, value } of writes) {
          unheard.add(value === undefined ? table.remove(key) : table.put(key, value));
        }
        for (const [shardUid, record] of records) {
          const key = recordKey(shardUid);
          if (record === undefined) unheard.add(this.#meta.remove(key));
          else unheard.add(this.#meta.put(key, Buffer.from(JSON.stringify(record))));
        }
        if (state !== undefined) unheard.add(this.#meta.put(STORE_KEY, Buffer.from(JSON.stringify(state))));
      });
    } catch (error) {
      const cause = await causeOf(error);
      if (!isDiskFull(cause, this.freeBytes())) throw cause;
      this.#setFull(true);
      return false;
    }
    this.#setFull(false);
    return true;
  }

  #setFull(full: boolean): void {
    if (this.#full === full) return;
    this.#full = full;
    this.#options.onDiskFull(full);
  }

  /** Removes some keys of one dropped slot; the last transaction of a slot forgets it. */
  #sweep(transaction: Transaction): void {
    const [slot] = this.#dropped;
    if (slot === undefined) return;
    let left = SWEEP_KEYS;
    for (const name of TABLES) {
      const table = this.#tables[name];
      const range = { start: slotStart(slot), end: slotStart(slot + 1), limit: left };
      for (const key of table.getKeys(range)) {
        transaction.writes.push({ table, key: Buffer.from(key), value: undefined });
        left -= 1;
      }
      if (left <= 0) return;
    }
    this.#dropped.delete(slot);
    this.#state = { ...this.#state, unowned: this.#state.unowned.filter((other) => other !== slot) };
    transaction.state = this.#state;
  }
}

function options(snapshot: StoreSnapshot | undefined): { transaction?: StoreSnapshot } {
  return snapshot === undefined ? {} : { transaction: snapshot };
}

function newTransaction(): Transaction {
  return { writes: [], records: new Map(), state: undefined, durable: [], isWanted: false };
}
