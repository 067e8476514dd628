/**
 * What a copy sends: to other copies, to the control plane, to the log.
 *
 * Two kinds of messages wait a little, so that a busy shard sends few of them. A commit notice waits for
 * the next entries, which tell the checkpoint too (protocol 5.3.6). Confirmations of one turn of the event
 * loop become one: within a term the confirmed prefix only grows, so the last says what all said. Neither
 * weakens anything: the protocol holds for messages that are late, lost or reordered.
 */
import { ReplicationMessage } from "@prism/proto/gen/node";
import { toWireMessage } from "../adapters/wire/replication-message.js";
import type { AllocationId } from "../domain/cluster-map.js";
import type { CopyEffect, CopyMessage } from "../domain/replication/event.js";
import type { CopyPlaces } from "./copy-places.js";
import type { EntryLog } from "./entry-log.js";
import { splitEntries } from "./split-entries.js";
import type { WorkerContext } from "./worker-context.js";

/** Of a commit notice: the other copies show a committed write that much later when nothing follows it. */
const NOTICE_DELAY_MS = 4;

export class CopyOutbox {
  readonly #context: WorkerContext;
  readonly #shard: string;
  readonly #places: CopyPlaces;
  readonly #log: EntryLog;
  readonly #notices = new Map<AllocationId, CopyMessage>();
  readonly #confirmations = new Map<AllocationId, CopyMessage>();
  #noticesScheduled = false;

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
    const payload = ReplicationMessage.encode(message);
    if (this.#places.isRecovering(message.to as AllocationId)) this.#context.recoverySent(payload.length);
    this.#context.post({ kind: "replication", toNode, shard: this.#shard, payload });
  }

  send(message: CopyMessage): void {
    const { to, body, term } = message;
    if (body.kind === "replicate") {
      this.#notices.set(to, message);
      if (!this.#noticesScheduled) setTimeout(() => this.#sendNotices(), NOTICE_DELAY_MS);
      this.#noticesScheduled = true;
    } else if (body.kind === "replicateOk") {
      const held = this.#confirmations.get(to);
      if (held !== undefined && held.term !== term) this.#sendNow(held);
      if (this.#confirmations.size === 0) setImmediate(() => this.#sendConfirmations());
      this.#confirmations.set(to, message);
    } else this.#sendNow(message);
  }

  #sendNow(message: CopyMessage): void {
    this.sendWire(toWireMessage(message));
  }

  #sendNotices(): void {
    this.#noticesScheduled = false;
    for (const message of this.#notices.values()) this.#sendNow(message);
    this.#notices.clear();
  }

  #sendConfirmations(): void {
    for (const message of this.#confirmations.values()) this.#sendNow(message);
    this.#confirmations.clear();
  }

  /** @throws {DamagedValueError} */
  sendEntries(effect: Extract<CopyEffect, { kind: "sendEntries" }>): void {
    const { message, fromSeq, throughSeq } = effect;
    this.#notices.delete(message.to);
    if (this.#places.nodeOf(message.to) === undefined) return;
    const { body, ...header } = message;
    if (body.kind !== "replicate") throw new TypeError(`entries belong to replicate, not to ${body.kind}`);
    for (const part of splitEntries(fromSeq, throughSeq, (seq) => this.#log.bytesOf(seq))) {
      const isFirst = part.previousSeq === body.previousSeq;
      const replicate = {
        previousSeq: part.previousSeq,
        previousTerm: isFirst ? body.previousTerm : this.#log.get(part.previousSeq).term,
        entries: this.#log.stored(part.previousSeq + 1, part.throughSeq),
        globalCheckpoint: body.globalCheckpoint,
      };
      this.sendWire({ ...header, replicate });
    }
  }

  request(effect: Extract<CopyEffect, { kind: "request" }>): void {
    const { action, allocationId, term, reason } = effect;
    this.#context.post({ kind: "copyRequest", shard: this.#shard, action, allocationId, term, reason });
  }

  note(effect: Extract<CopyEffect, { kind: "note" }>, allocation: AllocationId): void {
    const { what, ...details } = effect.note;
    this.event(what, allocation, details);
  }

  /** One line of the log, and a place among the shard's protocol events. */
  event(
    what: string,
    allocation: string,
    details: Readonly<Record<string, unknown>>,
    level: "info" | "error" = "info",
  ): void {
    const event = { atMs: this.#context.nowMs(), shard: this.#shard, allocation, what, details };
    this.#context.log(level, `copy ${what}`, { shard: this.#shard, allocation, ...details });
    this.#context.post({ kind: "protocolEvent", event });
  }
}
