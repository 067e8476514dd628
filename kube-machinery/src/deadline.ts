/** Aborts `signal` when time is up or when the caller aborts, and holds on to neither once disposed. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #parent: AbortSignal | undefined;
  readonly #endsAtMs: number;
  #isOver = false;

  constructor(timeoutMs: number, parent: AbortSignal | undefined) {
    this.#parent = parent;
    this.#endsAtMs = performance.now() + timeoutMs;
    this.#timer = setTimeout(() => {
      this.#isOver = true;
      this.#controller.abort(new Error(`no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    // AbortSignal.any() would keep every request's signal alive as long as the caller's.
    parent?.addEventListener("abort", this.#onParentAbort, { once: true });
    if (parent?.aborted) this.#onParentAbort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Time is up, which is not the same as the caller having aborted. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get remainingMs(): number {
    return this.#endsAtMs - performance.now();
  }

  readonly #onParentAbort = (): void => this.#controller.abort(this.#parent?.reason);

  /** What was waited for has come; from now on only the caller aborts. */
  stopClock(): void {
    clearTimeout(this.#timer);
  }

  dispose(): void {
    this.stopClock();
    this.#parent?.removeEventListener("abort", this.#onParentAbort);
  }
}

/** Resolves after the time, or rejects with the signal's reason; leaves neither timer nor listener behind. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
