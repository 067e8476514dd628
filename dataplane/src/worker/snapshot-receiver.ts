/**
 * Takes a snapshot of another copy aside, into a slot that nothing else knows: a transfer that breaks
 * leaves keys that the store sweeps away. Each chunk is acknowledged once it is on disk, so a sender
 * is never faster than the receiver's disk.
 */
import type { ReplicationMessage, SnapshotChunk } from "@prism/proto/gen/node";
import { encodeDocument, encodeOperations } from "../adapters/lmdb/entry-codec.js";
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import { idKey, numberKey } from "../adapters/lmdb/store-key.js";
import { toWriteResult } from "../adapters/wire/replication-message.js";
import type { SnapshotBudget } from "./snapshot-budget.js";
import type { AllocationId, HistoryId } from "../domain/cluster-map.js";
import { docValue } from "./document-table.js";

const SILENCE_MS = 30_000;

type ChunkMessage = ReplicationMessage & { snapshotChunk: SnapshotChunk };

/** All of a snapshot, on disk. */
export interface ArrivedSnapshot {
  readonly snapshotId: string;
  readonly slot: number;
  readonly nextDoc: number;
  readonly lastChunk: number;
  readonly message: ChunkMessage;
}

/** What the copy decides by. */
export interface SnapshotFacts {
  readonly snapshotId: string;
  readonly from: AllocationId;
  readonly historyId: HistoryId;
  readonly term: number;
  readonly lastSeq: number;
  readonly lastTerm: number;
}

export function snapshotFacts({ snapshotId, message }: ArrivedSnapshot): SnapshotFacts {
  const { lastSeq, lastTerm } = message.snapshotChunk;
  const [from, historyId] = [message.from as AllocationId, message.historyId as HistoryId];
  return { snapshotId, from, historyId, term: message.term, lastSeq, lastTerm };
}

interface Transfer {
  readonly snapshotId: string;
  readonly slot: number;
  nextChunk: number;
  nextDoc: number;
  heardMs: number;
  arrived: ArrivedSnapshot | undefined;
}

export interface SnapshotReceiverEvents {
  readonly acknowledge: (to: ReplicationMessage, chunk: number, state: "taken" | "restart" | "busy") => void;
  readonly arrived: (snapshot: ArrivedSnapshot) => void;
}

export class SnapshotReceiver {
  readonly #store: ShardStore;
  readonly #events: SnapshotReceiverEvents;
  readonly #budget: SnapshotBudget;
  #transfer: Transfer | undefined;

  constructor(store: ShardStore, budget: SnapshotBudget, events: SnapshotReceiverEvents) {
    this.#store = store;
    this.#budget = budget;
    this.#events = events;
  }

  get isReceiving(): boolean {
    return this.#transfer !== undefined;
  }

  receive(message: ChunkMessage, nowMs: number): void {
    const chunk = message.snapshotChunk;
    let transfer = this.#transfer;
    if (transfer?.snapshotId !== chunk.snapshotId || chunk.number === 0) {
      if (chunk.number !== 0) return this.#events.acknowledge(message, chunk.number, "restart");
      this.drop();
      if (!this.#budget.enter("incoming")) return this.#events.acknowledge(message, 0, "busy");
      transfer = {
        snapshotId: chunk.snapshotId,
        slot: this.#store.newSlot(),
        nextChunk: 0,
        nextDoc: 1,
        heardMs: nowMs,
        arrived: undefined,
      };
      this.#transfer = transfer;
    }
    if (chunk.number < transfer.nextChunk) return undefined;
    if (chunk.number > transfer.nextChunk) return this.#events.acknowledge(message, chunk.number, "restart");
    transfer.nextChunk += 1;
    transfer.heardMs = nowMs;
    this.#take(transfer, chunk);
    const taken = transfer;
    this.#store.onDurable(() => this.#onDurable(taken, message));
    return undefined;
  }

  /** The arrived snapshot becomes the caller's; its slot is not dropped any more. */
  claim(snapshotId: string): ArrivedSnapshot | undefined {
    const arrived = this.#transfer?.arrived;
    if (arrived === undefined || arrived.snapshotId !== snapshotId) return undefined;
    this.#end();
    return arrived;
  }

  drop(): void {
    if (this.#transfer !== undefined) this.#store.dropSlot(this.#transfer.slot);
    this.#end();
  }

  #end(): void {
    if (this.#transfer !== undefined) this.#budget.leave("incoming");
    this.#transfer = undefined;
  }

  dropSilent(nowMs: number): void {
    const transfer = this.#transfer;
    if (transfer !== undefined && transfer.arrived === undefined && nowMs - transfer.heardMs > SILENCE_MS) {
      this.drop();
    }
  }

  #take(transfer: Transfer, chunk: SnapshotChunk): void {
    const { slot } = transfer;
    for (const document of chunk.documents) {
      const doc = transfer.nextDoc;
      transfer.nextDoc += 1;
      this.#store.put("documents", numberKey(slot, doc), encodeDocument(document));
      this.#store.put("ids", idKey(slot, document.id), docValue(doc));
    }
    const last = chunk.operations.at(-1);
    if (last === undefined) return;
    const operations = chunk.operations.map((one) => ({ ...one, result: toWriteResult(one.result) }));
    this.#store.put("operations", numberKey(slot, last.seq), encodeOperations(operations));
  }

  #onDurable(transfer: Transfer, message: ChunkMessage): void {
    if (this.#transfer !== transfer) return;
    const { number, last } = message.snapshotChunk;
    if (!last) return this.#events.acknowledge(message, number, "taken");
    const { snapshotId, slot, nextDoc } = transfer;
    transfer.arrived = { snapshotId, slot, nextDoc, lastChunk: number, message };
    this.#events.arrived(transfer.arrived);
  }
}
