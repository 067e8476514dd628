/**
 * Work by key: a key that is added while it waits is done once, one that is added while it is worked
 * on is done again after. A key that fails is tried again after a growing delay. Keys carry no
 * events: whoever works on one looks at the present state.
 */

import { ApiError } from "./api-error.js";

/** When to do the key again though nothing changed; undefined for never. */
export type Worker = (key: string) => Promise<{ readonly againInMs: number | undefined }>;

export interface WorkQueueOptions {
  readonly work: Worker;
  readonly onError: (key: string, error: unknown) => void;
  /** Keys worked on at the same time. Default 64. */
  readonly concurrency?: number;
  /** Before a key that failed once is tried again; doubles with every failure in a row. Default 50 ms. */
  readonly retryBaseMs?: number;
  /** Default 10 s. */
  readonly retryMaxMs?: number;
  /** Uniform in [0, 1): spreads keys that failed together over the upper half of the delay. Default: no spread. */
  readonly random?: () => number;
}

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #concurrency: number;
  /** Worked on before those that merely wait. */
  readonly #urgent = new Set<string>();
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  readonly #delayed = new Map<string, { readonly timer: NodeJS.Timeout; readonly atMs: number }>();
  readonly #failures = new Map<string, number>();
  #started = false;
  #stopped = false;
  #idle: (() => void)[] = [];

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#concurrency = options.concurrency ?? 64;
  }

  get depth(): number {
    return this.#urgent.size + this.#waiting.size + this.#running.size;
  }

  /** Begins to work; keys added before wait until then. */
  start(): void {
    this.#started = true;
    this.#pump();
  }

  add(key: string): void {
    if (this.#stopped) return;
    if (!this.#urgent.has(key)) this.#waiting.add(key);
    this.#pump();
  }

  /** As add, and before all keys that were not added so: somebody is waiting for it. */
  addFirst(key: string): void {
    if (this.#stopped) return;
    this.#waiting.delete(key);
    this.#urgent.add(key);
    this.#pump();
  }

  /** The earliest of several delays counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#stopped) return;
    const atMs = performance.now() + delayMs;
    const present = this.#delayed.get(key);
    if (present && present.atMs <= atMs) return;
    if (present) clearTimeout(present.timer);
    const timer = setTimeout(() => {
      this.#delayed.delete(key);
      this.add(key);
    }, delayMs);
    this.#delayed.set(key, { timer, atMs });
  }

  /** No key is begun any more; resolves when those at work are done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#urgent.clear();
    this.#waiting.clear();
    for (const { timer } of this.#delayed.values()) clearTimeout(timer);
    this.#delayed.clear();
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #pump(): void {
    if (!this.#started) return;
    for (const keys of [this.#urgent, this.#waiting]) {
      for (const key of keys) {
        if (this.#running.size >= this.#concurrency) return;
        if (this.#running.has(key)) continue;
        keys.delete(key);
        this.#running.add(key);
        void this.#run(key);
      }
    }
  }

  async #run(key: string): Promise<void> {
    try {
      const { againInMs } = await this.#options.work(key);
      this.#failures.delete(key);
      if (againInMs !== undefined) this.addAfter(key, againInMs);
    } catch (error) {
      this.#options.onError(key, error);
      this.addAfter(key, this.#retryDelayMs(key, error));
    }
    this.#running.delete(key);
    this.#pump();
    if (this.#running.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #retryDelayMs(key: string, error: unknown): number {
    const { retryBaseMs = 50, retryMaxMs = 10_000, random } = this.#options;
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const delayMs = Math.min(retryMaxMs, retryBaseMs * 2 ** Math.min(failures, 16));
    const askedForMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    return Math.max(askedForMs, random ? delayMs * (0.5 + random() / 2) : delayMs);
  }
}
