/**
 * Which node has been sent what of the map, and what it is sent next: what changed since a map that it has, or
 * the whole when there is none. A node that has much to take in gets no more before it says how far it is; what
 * changes meanwhile goes in one.
 */
import { deflatedFrame } from "@prism/proto/deflated-frame";
import type { MapApplied } from "@prism/proto/gen/node";
import type { MapLedger } from "../domain/map-ledger.js";
import type { FleetNode, NodeFleet } from "./node-fleet.js";

export interface MapDeliveriesOptions {
  readonly fleet: NodeFleet;
  readonly ledger: MapLedger;
  /** Of the newest map in the ledger. */
  readonly revision: () => number;
}

/** A node with more than this on the way gets nothing more. */
const WINDOW_BYTES = 64 * 1024;
/** On the way to all nodes together: it lies in the memory of this process. */
const BUDGET_BYTES = 64 * 1024 * 1024;
/** A node that is silent for so long holds up no others. */
const HOLD_UP_MS = 1000;
/** A node that reports and has confirmed nothing for so long is sent the whole. */
const UNCONFIRMED_MS = 5000;

interface Sending {
  readonly revision: number;
  readonly bytes: number;
  readonly atMs: number;
  inBudget: boolean;
}

/** To one node, on its present stream. */
interface Delivery {
  /** A map that the node has, if it took what it was sent; 0: none is known. */
  base: number;
  /** The newest that it was sent. */
  sent: number;
  readonly onTheWay: Sending[];
}

interface Waiting {
  readonly name: string;
  readonly revision: number;
  readonly resolve: () => void;
}

export class MapDeliveries {
  readonly #options: MapDeliveriesOptions;
  readonly #deliveries = new Map<string, Delivery>();
  /** Nodes for which there is no room in the budget. */
  readonly #held = new Set<string>();
  #waiting: Waiting[] = [];
  #budgetBytes = 0;
  /** By the frame that it is of: nodes that lack the same are sent the same. */
  readonly #deflated = new WeakMap<Uint8Array, Uint8Array>();
  #timer: NodeJS.Timeout | undefined;
  sentBytes = 0;

  constructor(options: MapDeliveriesOptions) {
    this.#options = options;
  }

  /** The node is on a new stream: nothing is known of what it has. */
  opened(name: string): void {
    this.#release(this.#deliveries.get(name)?.onTheWay ?? []);
    this.#deliveries.set(name, { base: 0, sent: 0, onTheWay: [] });
  }

  confirmed(name: string, { revision, needsWhole }: MapApplied): void {
    const delivery = this.#deliveries.get(name);
    if (!delivery) return;
    const { onTheWay, sent } = delivery;
    const left = onTheWay.findIndex((sending) => sending.revision > revision);
    this.#release(onTheWay.splice(0, needsWhole || left === -1 ? onTheWay.length : left));
    if (needsWhole) {
      delivery.base = 0;
      delivery.sent = 0;
    } else {
      // One that it was not sent on this stream is no base: it follows another line of maps.
      delivery.base = revision > sent ? 0 : Math.max(delivery.base, revision);
    }
    this.deliver(name);
    this.#deliverHeld();
  }

  deliverAll(): void {
    for (const { name } of this.#options.fleet.all()) this.deliver(name);
    this.#timer ??= setInterval(() => this.#tick(), HOLD_UP_MS);
  }

  /** Sends what the node lacks, unless it has enough to do. */
  deliver(name: string): void {
    const revision = this.#options.revision();
    const delivery = this.#deliveries.get(name);
    const node = this.#options.fleet.get(name);
    if (!delivery || node?.connection.isOpen !== true || delivery.sent >= revision) return;
    if (bytesOf(delivery.onTheWay) >= WINDOW_BYTES) return;
    const frame = this.#frameFor(node, delivery.base);
    if (this.#budgetBytes > 0 && this.#budgetBytes + frame.length > BUDGET_BYTES) {
      this.#held.add(name);
      return;
    }
    this.#held.delete(name);
    node.connection.sendEncoded(frame);
    this.sentBytes += frame.length;
    this.#budgetBytes += frame.length;
    delivery.onTheWay.push({ revision, bytes: frame.length, atMs: performance.now(), inBudget: true });
    delivery.sent = revision;
    // If it did not take this whole map, it says so when the next change comes.
    if (delivery.base === 0) delivery.base = revision;
    this.#resolve((waiting) => waiting.name === name && waiting.revision <= revision);
  }

  #frameFor({ hello }: FleetNode, base: number): Uint8Array {
    const { ledger } = this.#options;
    if (hello?.takesDeltas !== true) return ledger.whole();
    const frame = (base === 0 ? undefined : ledger.delta(base)) ?? ledger.whole();
    let deflated = this.#deflated.get(frame);
    if (deflated === undefined) this.#deflated.set(frame, (deflated = deflatedFrame(frame)));
    return deflated;
  }

  /** Resolves when the node has been sent this map or a later one, and when it can't be. */
  whenSent(name: string, revision: number): Promise<void> {
    if (!this.#isAwaited(name, revision)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ name, revision, resolve }));
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#resolve(() => true);
  }

  #isAwaited(name: string, revision: number): boolean {
    const isOpen = this.#options.fleet.get(name)?.connection.isOpen === true;
    return isOpen && (this.#deliveries.get(name)?.sent ?? 0) < revision;
  }

  #tick(): void {
    const nowMs = performance.now();
    for (const node of this.#options.fleet.all()) {
      const delivery = this.#deliveries.get(node.name);
      const oldest = delivery?.onTheWay[0];
      if (!delivery || !oldest || nowMs - oldest.atMs < HOLD_UP_MS) continue;
      this.#release(delivery.onTheWay);
      if (nowMs - oldest.atMs >= UNCONFIRMED_MS && this.#isBehind(node, delivery)) {
        this.opened(node.name);
        this.deliver(node.name);
      }
    }
    this.#deliverHeld();
    this.#resolve(({ name, revision }) => !this.#isAwaited(name, revision));
  }

  /** It is there, and what it was sent seems to be lost. */
  #isBehind({ name, report }: FleetNode, { sent }: Delivery): boolean {
    return this.#options.fleet.health(name)?.state === "alive" && (report?.mapRevision ?? 0) < sent;
  }

  #deliverHeld(): void {
    // Who finds no room is held again.
    const held = Array.from(this.#held);
    for (const name of held) {
      if (this.#budgetBytes >= BUDGET_BYTES) return;
      this.#held.delete(name);
      this.deliver(name);
    }
  }

  #release(sendings: readonly Sending[]): void {
    for (const sending of sendings) {
      if (sending.inBudget) this.#budgetBytes -= sending.bytes;
      sending.inBudget = false;
    }
  }

  #resolve(which: (waiting: Waiting) => boolean): void {
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter(which);
    if (due.length > 0) this.#waiting = this.#waiting.filter((waiting) => !due.includes(waiting));
    for (const { resolve } of due) resolve();
  }
}

function bytesOf(sendings: readonly Sending[]): number {
  return sendings.reduce((sum, { bytes }) => sum + bytes, 0);
}
