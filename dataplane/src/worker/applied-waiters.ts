/** Reads that wait until the copy has applied a sequence number. */
import { Problem } from "@prism/api/problem-code";

interface Waiter {
  readonly seq: number;
  readonly resolve: () => void;
  readonly reject: (problem: Problem) => void;
  readonly timer: NodeJS.Timeout;
}

export class AppliedWaiters {
  readonly #waiters = new Set<Waiter>();

  /** Rejects with `consistencyNotMet`, or with what `close` is given. */
  wait(seq: number, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          this.#waiters.delete(waiter);
          reject(new Problem("consistencyNotMet", `the copy did not reach sequence number ${seq} in time`));
        },
        Math.max(1, timeoutMs),
      );
      const waiter: Waiter = { seq, resolve, reject, timer };
      this.#waiters.add(waiter);
    });
  }

  applied(seq: number): void {
    for (const waiter of this.#waiters) {
      if (waiter.seq > seq) continue;
      this.#waiters.delete(waiter);
      clearTimeout(waiter.timer);
      waiter.resolve();
    }
  }

  close(problem: Problem): void {
    for (const waiter of this.#waiters) {
      clearTimeout(waiter.timer);
      waiter.reject(problem);
    }
    this.#waiters.clear();
  }
}
