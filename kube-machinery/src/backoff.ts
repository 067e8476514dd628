/** Growing, bounded and jittered delays: many who failed at the same time come back at different ones. */
export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
  /** Uniform in [0, 1). */
  readonly random?: (() => number) | undefined;
}

export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Between half of the present delay and all of it; the next one is twice as long, up to the maximum. */
  next(): number {
    const { baseMs, maxMs, random = Math.random } = this.#options;
    const delayMs = Math.min(maxMs, baseMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return delayMs * (0.5 + random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
