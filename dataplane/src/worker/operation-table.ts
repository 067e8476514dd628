/**
 * The operations of the last minutes, so that a retry is answered and not executed again (protocol
 * 11). Part of the replicated state: entries come in when they are applied, leave by the log's own
 * time and number, hence alike on every copy, and go along with a snapshot.
 *
 * The store has the records by sequence number, in memory is only which operation is where.
 */
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import { encodeOperation, type StoredOperation } from "../adapters/lmdb/entry-codec.js";
import { numberKey } from "../adapters/lmdb/store-key.js";
import type { LogEntry } from "../domain/replication/log-entry.js";

export const OPERATION_WINDOW_MS = 10 * 60 * 1000;
/** More operations than this within the window push the oldest out early. */
const OPERATIONS_MAX = 200_000;
const COMPACT_AFTER = 1024;

interface Place {
  readonly operationId: string;
  readonly seq: number;
  readonly timeMs: number;
}

export class OperationTable {
  readonly #store: ShardStore;
  #slot: number;
  readonly #seqs = new Map<string, number>();
  /** By seq; `#oldest` is the first that still counts. */
  #places: Place[] = [];
  #oldest = 0;
  /** Records that the store may not show yet. */
  readonly #fresh = new Map<number, StoredOperation>();

  constructor(store: ShardStore, slot: number) {
    this.#store = store;
    this.#slot = slot;
  }

  /** Reads the records of the slot. @throws {DamagedValueError} */
  load(slot: number): void {
    this.#slot = slot;
    this.#seqs.clear();
    this.#fresh.clear();
    this.#places = [];
    this.#oldest = 0;
    for (const { operationId, seq, timeMs } of this.#store.operations(slot, 0)) {
      this.#seqs.set(operationId, seq);
      this.#places.push({ operationId, seq, timeMs });
    }
  }

  get size(): number {
    return this.#places.length - this.#oldest;
  }

  /** Operations of before may have been pushed out. */
  get sinceMs(): number {
    return this.size < OPERATIONS_MAX ? 0 : this.#places[this.#oldest]!.timeMs;
  }

  has(operationId: string): boolean {
    return this.#seqs.has(operationId);
  }

  find(operationId: string): StoredOperation | undefined {
    const seq = this.#seqs.get(operationId);
    if (seq === undefined) return undefined;
    return this.#fresh.get(seq) ?? this.#store.operation(this.#slot, seq);
  }

  /** Called with every applied entry, in seq order. */
  apply(entry: LogEntry): void {
    const { operationId, seq, term, result, timeMs } = entry;
    if (operationId !== "") {
      const operation: StoredOperation = { operationId, seq, term, result, timeMs };
      this.#store.put("operations", numberKey(this.#slot, seq), encodeOperation(operation));
      this.#seqs.set(operationId, seq);
      this.#places.push({ operationId, seq, timeMs });
      this.#fresh.set(seq, operation);
    }
    this.#expire(timeMs);
  }

  /** The store shows everything up to here. */
  durable(seq: number): void {
    for (const fresh of this.#fresh.keys()) {
      if (fresh > seq) break;
      this.#fresh.delete(fresh);
    }
  }

  #expire(nowMs: number): void {
    for (;;) {
      const oldest = this.#places[this.#oldest];
      if (oldest === undefined) break;
      if (oldest.timeMs >= nowMs - OPERATION_WINDOW_MS && this.size <= OPERATIONS_MAX) break;
      this.#oldest += 1;
      this.#store.remove("operations", numberKey(this.#slot, oldest.seq));
      this.#fresh.delete(oldest.seq);
      if (this.#seqs.get(oldest.operationId) === oldest.seq) this.#seqs.delete(oldest.operationId);
    }
    if (this.#oldest >= COMPACT_AFTER) {
      this.#places = this.#places.slice(this.#oldest);
      this.#oldest = 0;
    }
  }
}
