/**
 * The operations of the last minutes, so that a retry is answered and not executed again (protocol
 * 11). Part of the replicated state: entries come in when they are applied, leave by the log's own
 * time and number, hence alike on every copy, and go along with a snapshot.
 *
 * The store has the records, in runs of what was applied together, each under the seq of its last one. In
 * memory is only which operation is where: a hash of its id, its seq and its time, outside the heap.
 */
import { encodeOperations, type StoredOperation } from "../adapters/lmdb/entry-codec.js";
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import { numberKey } from "../adapters/lmdb/store-key.js";
import type { LogEntry } from "../domain/replication/log-entry.js";
import { OperationPlaces } from "./operation-places.js";

export const OPERATION_WINDOW_MS = 10 * 60 * 1000;
/** Of one value in the store: a larger one would make it look for free pages that lie side by side. */
const RUN_OPERATIONS = 300;
/** More operations than this within the window push the oldest out early. */
const OPERATIONS_MAX = 200_000;

interface Run {
  readonly lastSeq: number;
  readonly operations: readonly StoredOperation[];
}

export class OperationTable {
  readonly #store: ShardStore;
  #slot: number;
  #places = new OperationPlaces();
  /** Last seqs of the runs in the store, oldest first. */
  #runs: number[] = [];
  /** Applied since the last run. */
  #pending: StoredOperation[] = [];
  /** Runs that the store may not show yet. */
  #fresh: Run[] = [];
  /** Something of the oldest run has left. */
  #isOldestCut = false;

  constructor(store: ShardStore, slot: number) {
    this.#store = store;
    this.#slot = slot;
  }

  /** Reads the records of the slot. @throws {DamagedValueError} */
  load(slot: number): void {
    this.#slot = slot;
    this.#places = new OperationPlaces();
    this.#runs = [];
    this.#pending = [];
    this.#fresh = [];
    this.#isOldestCut = false;
    for (const { lastSeq, operations } of this.#store.operationRuns(slot, 0)) {
      this.#runs.push(lastSeq);
      for (const { operationId, seq, timeMs } of operations) this.#places.add(operationId, seq, timeMs);
    }
  }

  get size(): number {
    return this.#places.size;
  }

  /** Operations of before may have been pushed out. */
  get sinceMs(): number {
    return this.size < OPERATIONS_MAX ? 0 : this.#places.oldestMs;
  }

  /** Reads nothing; true for an id that only has the same hash, which one in 2^64 has. */
  has(operationId: string): boolean {
    return this.#places.find(operationId).length > 0;
  }

  find(operationId: string): StoredOperation | undefined {
    for (const seq of this.#places.find(operationId)) {
      const operation = this.#at(seq);
      if (operation?.operationId === operationId) return operation;
    }
    return undefined;
  }

  /** Called with every applied entry, in seq order. */
  apply(entry: LogEntry): void {
    const { operationId, seq, timeMs } = entry;
    if (operationId !== "") {
      this.#pending.push(entry);
      this.#places.add(operationId, seq, timeMs);
    }
    this.#expire(timeMs);
  }

  /** Ends a run of `apply`: what came and went is put into the store's next transaction. */
  put(): void {
    for (let from = 0; from < this.#pending.length; from += RUN_OPERATIONS) {
      const operations = this.#pending.slice(from, from + RUN_OPERATIONS);
      const run = { lastSeq: operations.at(-1)!.seq, operations };
      this.#putRun(run);
      this.#runs.push(run.lastSeq);
      this.#fresh.push(run);
    }
    this.#pending = [];
    if (this.#isOldestCut) this.#cutOldest();
  }

  /** The store shows everything up to here. */
  durable(seq: number): void {
    const shown = this.#fresh.findIndex(({ lastSeq }) => lastSeq > seq);
    this.#fresh.splice(0, shown === -1 ? this.#fresh.length : shown);
  }

  #at(seq: number): StoredOperation | undefined {
    const pending = this.#pending[0];
    if (pending !== undefined && seq >= pending.seq) return this.#pending.find((one) => one.seq === seq);
    const run = this.#fresh.find(({ lastSeq }) => lastSeq >= seq);
    if (run !== undefined) {
      const operation = run.operations.find((one) => one.seq === seq);
      if (operation !== undefined) return operation;
    }
    return this.#store.operation(this.#slot, seq);
  }

  #expire(nowMs: number): void {
    while (this.size > 0) {
      if (this.#places.oldestMs >= nowMs - OPERATION_WINDOW_MS && this.size <= OPERATIONS_MAX) return;
      this.#places.removeOldest();
      this.#isOldestCut = true;
    }
  }

  /** Whole runs that have left go; of the one that has left in part, the rest is put again. */
  #cutOldest(): void {
    this.#isOldestCut = false;
    const oldestSeq = this.size === 0 ? Number.POSITIVE_INFINITY : this.#places.oldestSeq;
    let gone = 0;
    while (gone < this.#runs.length && this.#runs[gone]! < oldestSeq) {
      this.#store.remove("operations", numberKey(this.#slot, this.#runs[gone]!));
      gone += 1;
    }
    this.#runs.splice(0, gone);
    const lastSeq = this.#runs[0];
    if (lastSeq === undefined) return;
    const held = this.#fresh.find((run) => run.lastSeq === lastSeq)?.operations ?? this.#readRun(lastSeq);
    const operations = held.filter(({ seq }) => seq >= oldestSeq);
    if (operations.length < held.length) this.#putRun({ lastSeq, operations });
  }

  #readRun(lastSeq: number): readonly StoredOperation[] {
    for (const { operations } of this.#store.operationRuns(this.#slot, lastSeq)) return operations;
    return [];
  }

  #putRun({ lastSeq, operations }: Run): void {
    this.#store.put("operations", numberKey(this.#slot, lastSeq), encodeOperations(operations));
  }
}
