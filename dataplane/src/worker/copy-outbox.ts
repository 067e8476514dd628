/** What a copy sends: to other copies, to the control plane, to the log. */
import { ReplicationMessage } from "@prism/proto/gen/node";
import { toWireMessage } from "../adapters/wire/replication-message.js";
import type { AllocationId } from "../domain/cluster-map.js";
import type { CopyEffect, CopyMessage } from "../domain/replication/event.js";
import type { CopyPlaces } from "./copy-places.js";
import type { EntryLog } from "./entry-log.js";
import { splitEntries } from "./split-entries.js";
import type { WorkerContext } from "./worker-context.js";

export class CopyOutbox {
  readonly #context: WorkerContext;
  readonly #shard: string;
  readonly #places: CopyPlaces;
  readonly #log: EntryLog;

  constructor(context: WorkerContext, shard: string, places: CopyPlaces, log: EntryLog) {
    this.#context = context;
    this.#shard = shard;
    this.#places = places;
    this.#log = log;
  }

  /** A message for a copy that the newest map does not know goes nowhere. */
  sendWire(message: ReplicationMessage): void {
    const toNode = this.#places.nodeOf(message.to as AllocationId);
    if (toNode === undefined) return;
    const payload = new Uint8Array(ReplicationMessage.encode(message));
    if (this.#places.isRecovering(message.to as AllocationId)) this.#context.recoverySent(payload.length);
    this.#context.post({ kind: "replication", toNode, shard: this.#shard, payload });
  }

  send(message: CopyMessage): void {
    this.sendWire(toWireMessage(message));
  }

  /** @throws {DamagedValueError} */
  sendEntries(effect: Extract<CopyEffect, { kind: "sendEntries" }>): void {
    const { message, fromSeq, throughSeq } = effect;
    if (this.#places.nodeOf(message.to) === undefined) return;
    for (const part of splitEntries(message, fromSeq, throughSeq, (seq) => this.#log.get(seq))) {
      this.send(part);
    }
  }

  request(effect: Extract<CopyEffect, { kind: "request" }>): void {
    const { action, allocationId, term, reason } = effect;
    this.#context.post({ kind: "copyRequest", shard: this.#shard, action, allocationId, term, reason });
  }

  note(effect: Extract<CopyEffect, { kind: "note" }>, allocation: AllocationId): void {
    const { what, ...fields } = effect.note;
    this.#context.log("info", `copy ${what}`, { shard: this.#shard, allocation, ...fields });
  }
}
