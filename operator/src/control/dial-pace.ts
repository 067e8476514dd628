/**
 * Dials of many nodes at once, some in each turn of the event loop: what answers the first of them is read before the
 * last is dialled, and not after the time in which it had to come.
 */
const DIALS_PER_TURN = 8;

export class DialPace {
  #due: (() => void)[] = [];
  #isDue = false;

  /** Calls back soon. */
  add(dial: () => void): void {
    this.#due.push(dial);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isDue = false;
    const due = this.#due.splice(0, DIALS_PER_TURN);
    if (this.#due.length > 0) this.#schedule();
    for (const dial of due) dial();
  }
}
