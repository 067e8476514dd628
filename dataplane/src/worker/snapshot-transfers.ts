/** The snapshots that a copy sends and the one it receives, in wire messages. */
import type { ReplicationMessage, SnapshotAck, SnapshotChunk } from "@prism/proto/gen/node";
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import type { AllocationId } from "../domain/cluster-map.js";
import type { SnapshotBudget } from "./snapshot-budget.js";
import { SnapshotReceiver, type ArrivedSnapshot } from "./snapshot-receiver.js";
import { SnapshotSender } from "./snapshot-sender.js";

export interface SnapshotHost {
  readonly shardUid: string;
  readonly allocationId: AllocationId;
  readonly historyId: string;
  readonly term: number;
  /** Puts all that is applied into the store's next commit. */
  flush(): void;
  sendWire(message: ReplicationMessage): void;
  snapshotArrived(snapshot: ArrivedSnapshot): void;
  snapshotSent(to: AllocationId, snapshotId: string, ok: boolean): void;
  /** The copy's own data can't be read. */
  fail(error: unknown): void;
}

export class SnapshotTransfers {
  readonly #store: ShardStore;
  readonly #host: SnapshotHost;
  readonly #receiver: SnapshotReceiver;
  readonly #senders = new Map<AllocationId, SnapshotSender>();
  readonly #budget: SnapshotBudget;

  constructor(store: ShardStore, budget: SnapshotBudget, host: SnapshotHost) {
    this.#store = store;
    this.#budget = budget;
    this.#host = host;
    this.#receiver = new SnapshotReceiver(store, budget, {
      acknowledge: (chunk, number, state) =>
        this.#acknowledge(chunk, {
          number,
          installed: false,
          restart: state === "restart",
          busy: state === "busy",
        }),
      arrived: (snapshot) => host.snapshotArrived(snapshot),
    });
  }

  get isReceiving(): boolean {
    return this.#receiver.isReceiving;
  }

  start(to: AllocationId, snapshotId: string, nowMs: number): void {
    this.cancel(to);
    const sender = new SnapshotSender(this.#store, this.#budget, this.#host.shardUid, snapshotId, nowMs, {
      begins: () => this.#host.flush(),
      send: (snapshotChunk) => this.#host.sendWire({ ...this.#header(to), snapshotChunk }),
      failed: (error) => this.#host.fail(error),
      ended: (ok) => {
        if (this.#senders.get(to) === sender) this.#senders.delete(to);
        this.#host.snapshotSent(to, snapshotId, ok);
      },
    });
    this.#senders.set(to, sender);
  }

  cancel(to: AllocationId): void {
    this.#senders.get(to)?.cancel();
    this.#senders.delete(to);
  }

  /** True when the message was one of a transfer. */
  receive(message: ReplicationMessage, nowMs: number): boolean {
    const { snapshotChunk, snapshotAck } = message;
    if (snapshotChunk === undefined && snapshotAck === undefined) return false;
    if (message.to !== this.#host.allocationId) return true;
    if (message.term < this.#host.term) {
      this.#host.sendWire({ ...this.#header(message.from), higherTerm: {} });
      return true;
    }
    if (snapshotChunk !== undefined) this.#receiver.receive(chunkMessage(message, snapshotChunk), nowMs);
    else if (snapshotAck !== undefined) {
      const sender = this.#senders.get(message.from as AllocationId);
      if (sender?.snapshotId === snapshotAck.snapshotId) {
        sender.acknowledged(snapshotAck, nowMs);
      }
    }
    return true;
  }

  /** Of an arrived snapshot that is to be installed. */
  claim(snapshotId: string): ArrivedSnapshot | undefined {
    return this.#receiver.claim(snapshotId);
  }

  installed(snapshot: ArrivedSnapshot): void {
    this.#acknowledge(snapshot.message, {
      number: snapshot.lastChunk,
      installed: true,
      restart: false,
      busy: false,
    });
  }

  /** The machine has no use for what arrived: the sender learns that its transfer is over. */
  discard(snapshotId: string): void {
    const snapshot = this.#receiver.claim(snapshotId);
    if (snapshot === undefined) return;
    this.#store.dropSlot(snapshot.slot);
    this.#acknowledge(snapshot.message, {
      number: snapshot.lastChunk,
      installed: false,
      restart: false,
      busy: false,
    });
  }

  tick(nowMs: number): void {
    this.#receiver.dropSilent(nowMs);
    for (const sender of this.#senders.values()) sender.tick(nowMs);
  }

  close(): void {
    for (const to of this.#senders.keys()) this.cancel(to);
    this.#receiver.drop();
  }

  #acknowledge(chunk: ReplicationMessage, ack: Omit<SnapshotAck, "snapshotId">): void {
    const snapshotId = chunk.snapshotChunk?.snapshotId ?? "";
    this.#host.sendWire({
      ...this.#header(chunk.from),
      term: chunk.term,
      snapshotAck: { snapshotId, ...ack },
    });
  }

  #header(to: string): Omit<ReplicationMessage, "snapshotChunk"> {
    const { shardUid, historyId, allocationId, term } = this.#host;
    return { shardUid, historyId, from: allocationId, to, term };
  }
}

function chunkMessage(
  message: ReplicationMessage,
  snapshotChunk: SnapshotChunk,
): ReplicationMessage & { snapshotChunk: SnapshotChunk } {
  return { ...message, snapshotChunk };
}
