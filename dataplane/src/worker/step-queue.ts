/** Events of a copy, handled one after the other: what handling one brings about comes behind those that wait. */
import type { TimelessEvent } from "../domain/replication/event.js";

export class StepQueue {
  #events: TimelessEvent[] = [];
  readonly #fail: (error: unknown) => void;
  #isRunning = false;

  /** `fail` is told what handling throws; what waits then is forgotten. */
  constructor(fail: (error: unknown) => void) {
    this.#fail = fail;
  }

  /** Handles the event and all that follow from it; false when that is left to a call that is running. */
  run(event: TimelessEvent, handle: (event: TimelessEvent) => void): boolean {
    this.#events.push(event);
    if (this.#isRunning) return false;
    this.#isRunning = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) handle(next);
    } catch (error) {
      this.#fail(error);
    }
    this.#isRunning = false;
    this.#events = [];
    return true;
  }
}
