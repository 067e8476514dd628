/** Runs what is queued, in the order of virtual time, and calls a look at the world after every turn. */
import { runTurn } from "./builtins.js";
import { EventQueue } from "./event-queue.js";
import type { VirtualProcess, WorldClock } from "./virtual-process.js";

export class WorldLoop {
  readonly clock: WorldClock = { nowMs: 0 };
  readonly queue = new EventQueue();
  steps = 0;
  /** Of everything that happened and when: equal for two runs of one seed. */
  traceHash = 2166136261;
  #stopped = false;

  get nowMs(): number {
    return this.clock.nowMs;
  }

  /** After `delayMs`, in a turn of `process`; of nobody when it is the world's own doing. */
  after(delayMs: number, process: VirtualProcess | undefined, what: string, run: () => void): void {
    this.queue.add(this.clock.nowMs + Math.max(0, delayMs), process, what, run);
  }

  /** A turn of `process` within an event of the world; later if it stands still, never if it is dead. */
  within(process: VirtualProcess, what: string, run: () => void): void {
    if (process.frozenUntilMs > this.clock.nowMs) this.after(0, process, what, run);
    else if (process.alive) runTurn(process, run);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Until `untilMs`, until nothing is queued, or until stopped. */
  run(untilMs: number, afterStep: () => void): void {
    this.#stopped = false;
    while (!this.#stopped) {
      const event = this.queue.take();
      if (event === undefined) return;
      const { process, run } = event;
      if (run === undefined || process?.alive === false) continue;
      if (event.atMs > untilMs) {
        this.queue.push(event);
        this.clock.nowMs = untilMs;
        return;
      }
      if (process !== undefined && process.frozenUntilMs > event.atMs) {
        event.atMs = process.frozenUntilMs;
        this.queue.push(event);
        continue;
      }
      this.clock.nowMs = event.atMs;
      this.steps += 1;
      this.#hash(event.atMs, event.what, process?.nameHash ?? 0);
      runTurn(process, run);
      afterStep();
    }
  }

  #hash(atMs: number, what: string, nameHash: number): void {
    let hash = Math.imul(this.traceHash ^ (atMs * 1000), 16777619);
    hash = Math.imul(hash ^ (what.length * 131 + what.charCodeAt(0)), 16777619);
    this.traceHash = Math.imul(hash ^ nameHash, 16777619) >>> 0;
  }
}
