/** Lets code wait for a condition over state that changes elsewhere: looked at after changes, those of a turn together. */

/** No look for so many times as long as the last one took. */
const REST_FACTOR = 4;

export class ConditionWaiter {
  readonly #checks = new Set<() => void>();
  #closed = false;
  /** Takes back the look that is due. */
  #cancel: (() => void) | undefined;
  #restUntilMs = 0;

  /** Something has changed. Looked at soon; where looking takes long, not all the time. */
  changed(): void {
    if (this.#checks.size === 0 || this.#cancel) return;
    const pauseMs = this.#restUntilMs - performance.now();
    if (pauseMs > 0) {
      const timer = setTimeout(() => this.#look(), pauseMs);
      this.#cancel = () => clearTimeout(timer);
    } else {
      const immediate = setImmediate(() => this.#look());
      this.#cancel = () => clearImmediate(immediate);
    }
  }

  #look(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const begunMs = performance.now();
    for (const check of this.#checks) check();
    const endedMs = performance.now();
    this.#restUntilMs = endedMs + REST_FACTOR * (endedMs - begunMs);
  }

  /** Resolves true when the condition holds, false when the time is over or nothing changes any more. */
  wait(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    if (this.#closed) return Promise.resolve(false);
    return new Promise((resolve) => {
      const finish = (holds: boolean): void => {
        clearTimeout(timer);
        this.#checks.delete(check);
        resolve(holds);
      };
      const check = (): void => {
        if (this.#closed || condition()) finish(condition());
      };
      const timer = setTimeout(() => finish(condition()), timeoutMs);
      this.#checks.add(check);
    });
  }

  close(): void {
    this.#closed = true;
    this.#look();
  }
}
