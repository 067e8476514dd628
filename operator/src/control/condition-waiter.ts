/** Lets code wait for a condition over state that changes elsewhere: looked at after every change. */
export class ConditionWaiter {
  readonly #checks = new Set<() => void>();
  #closed = false;

  /** Something has changed. */
  changed(): void {
    for (const check of this.#checks) check();
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
    this.changed();
  }
}
