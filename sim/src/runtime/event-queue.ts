/** What is to happen, ordered by virtual time and then by the order in which it was asked for. */
import type { VirtualProcess } from "./virtual-process.js";

export interface QueuedEvent {
  atMs: number;
  order: number;
  /** Happens only while this process lives; held back while it stands still. */
  readonly process: VirtualProcess | undefined;
  /** For people: what it is. */
  readonly what: string;
  run: (() => void) | undefined;
}

/** A binary heap. */
export class EventQueue {
  readonly #heap: QueuedEvent[] = [];
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  add(atMs: number, process: VirtualProcess | undefined, what: string, run: () => void): QueuedEvent {
    const event: QueuedEvent = { atMs, order: (this.#order += 1), process, what, run };
    this.push(event);
    return event;
  }

  /** Puts an event back in, at its time. */
  push(event: QueuedEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  take(): QueuedEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    const size = heap.length;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(left: QueuedEvent, right: QueuedEvent): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}
