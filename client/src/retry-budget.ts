/**
 * How many repeated requests a client may send, so that a cluster in trouble is not given a multiple of its load by
 * those who try again: a share of the calls, and some each second for those who call seldom. Repeats beyond it wait
 * their turn instead of failing; second attempts beside a first one are left out. (B. Beyer et al., "Site Reliability
 * Engineering", 2016, chapter 21: retry budgets; Finagle's RetryBudget.) Pure: time is an argument.
 */

/** Of the calls, so many may be repeated. */
const SHARE_OF_CALLS = 0.2;
/** What may be saved up: a node's loss makes all calls under way try again at once. */
const MOST_SAVED = 100;

export class RetryBudget {
  readonly #perSecond: number;
  #saved = MOST_SAVED;
  #atMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#atMs = nowMs;
  }

  /** A call begins. */
  earn(nowMs: number): void {
    this.#refill(nowMs);
    this.#saved = Math.min(MOST_SAVED, this.#saved + SHARE_OF_CALLS);
  }

  /** Takes a turn, and returns how long it is until then; undefined: none comes within the time, and none is taken. */
  reserve(nowMs: number, withinMs: number): number | undefined {
    this.#refill(nowMs);
    const missing = Math.max(0, 1 - this.#saved);
    const waitMs = missing === 0 ? 0 : (missing / this.#perSecond) * 1000;
    if (waitMs >= withinMs) return undefined;
    this.#saved -= 1;
    return waitMs;
  }

  /** Takes one if there is one now. */
  take(nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#saved < 1) return false;
    this.#saved -= 1;
    return true;
  }

  #refill(nowMs: number): void {
    const passedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = Math.max(this.#atMs, nowMs);
    this.#saved = Math.min(MOST_SAVED, this.#saved + (passedMs / 1000) * this.#perSecond);
  }
}
