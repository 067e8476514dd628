/**
 * A process of the simulated world: a clock, timers, randomness and files of its own. Code that runs
 * in it uses the runtime's own functions (setTimeout, performance.now, randomUUID, node:fs, ...), which
 * builtins.ts leads here, so production code runs unchanged and needs no ports for a simulation's sake.
 */
import type { EventQueue, QueuedEvent } from "./event-queue.js";
import type { Random } from "./random.js";
import type { MemoryFiles } from "./memory-files.js";

/** 2026-01-01: where virtual time begins on a clock that is right. */
export const EPOCH_MS = 1_767_225_600_000;
/** A turn of a process's loop takes that long. */
const TURN_MS = 0.02;

export interface WorldClock {
  nowMs: number;
}

export interface ProcessOptions {
  readonly name: string;
  readonly clock: WorldClock;
  readonly queue: EventQueue;
  readonly random: Random;
  readonly files: MemoryFiles | undefined;
  /** How fast the clock runs; 1 is right. */
  readonly clockRate: number;
  readonly wallOffsetMs: number;
}

export class VirtualProcess {
  readonly name: string;
  readonly nameHash: number;
  readonly random: Random;
  readonly files: MemoryFiles | undefined;
  readonly #clock: WorldClock;
  readonly #queue: EventQueue;
  readonly #startedMs: number;
  readonly #rate: number;
  /** Wall clock against true time; a jump changes it. */
  wallOffsetMs: number;
  readonly timeOrigin: number;
  #alive = true;
  /** Until then it does nothing: what comes meanwhile waits. */
  frozenUntilMs = 0;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.nameHash = hashOf(options.name);
    this.random = options.random;
    this.files = options.files;
    this.#clock = options.clock;
    this.#queue = options.queue;
    this.#rate = options.clockRate;
    this.wallOffsetMs = options.wallOffsetMs;
    this.#startedMs = options.clock.nowMs;
    this.timeOrigin = EPOCH_MS + this.#startedMs + this.wallOffsetMs;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** From now on nothing of it happens any more, not even what the present turn has still to do. */
  kill(): void {
    this.#alive = false;
  }

  /** Milliseconds since its start, on its own clock. */
  monotonicMs(): number {
    return (this.#clock.nowMs - this.#startedMs) * this.#rate;
  }

  wallMs(): number {
    return Math.floor(EPOCH_MS + this.#clock.nowMs + this.wallOffsetMs);
  }

  setTimeout(run: () => void, delayMs: number | undefined, what = "timer"): VirtualTimer {
    const wait = Math.max(1, delayMs === undefined || Number.isNaN(delayMs) ? 1 : delayMs) / this.#rate;
    return new VirtualTimer(this.#queue.add(this.#clock.nowMs + wait, this, what, run));
  }

  setInterval(run: () => void, delayMs: number | undefined): VirtualTimer {
    const periodMs = Math.max(1, delayMs ?? 1) / this.#rate;
    const event = this.#queue.add(this.#clock.nowMs + periodMs, this, "interval", () => {
      event.atMs = this.#clock.nowMs + periodMs;
      this.#queue.push(event);
      run();
    });
    return new VirtualTimer(event);
  }

  setImmediate(run: () => void): VirtualTimer {
    return new VirtualTimer(this.#queue.add(this.#clock.nowMs + TURN_MS, this, "turn", run));
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  return hash;
}

export class VirtualTimer {
  readonly #event: QueuedEvent;

  constructor(event: QueuedEvent) {
    this.#event = event;
  }

  clear(): void {
    this.#event.run = undefined;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}
