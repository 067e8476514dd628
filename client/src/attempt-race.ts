/** One attempt, and a second one beside it where that is slow: the first answer that settles the call counts. */
import type { AttemptFailure } from "./error-answer.js";
import { mayHaveExecuted } from "./retry-policy.js";
import type { Answer } from "./transport.js";

export interface Runner {
  readonly result: Promise<Answer | AttemptFailure>;
  /** Its answer is not needed any more. */
  cancel(): void;
}

export interface RaceResult {
  readonly result: Answer | AttemptFailure;
  /** Another attempt than the one with this result was sent, and nobody knows what became of it. */
  readonly otherMayHaveRun: boolean;
}

export class AttemptRace {
  readonly result: Promise<RaceResult>;
  readonly #runners = new Set<Runner>();
  #settle!: (result: RaceResult) => void;
  #fail!: (error: unknown) => void;
  #isSettled = false;
  #otherMayHaveRun = false;

  constructor() {
    this.result = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
  }

  add(runner: Runner): void {
    if (this.#isSettled) return runner.cancel();
    this.#runners.add(runner);
    runner.result.then((result) => this.#take(runner, result), this.#fail);
  }

  cancel(): void {
    for (const runner of this.#runners) runner.cancel();
  }

  #take(runner: Runner, result: Answer | AttemptFailure): void {
    this.#runners.delete(runner);
    if (this.#isSettled) return;
    if (this.#runners.size > 0 && "outcome" in result && !isFinal(result)) {
      this.#otherMayHaveRun ||= mayHaveExecuted(result.outcome);
      return;
    }
    this.#isSettled = true;
    const otherMayHaveRun = this.#otherMayHaveRun || this.#runners.size > 0;
    this.cancel();
    this.#settle({ result, otherMayHaveRun });
  }
}

/** A refusal that trying again would not change settles a call as well as a success does. */
function isFinal({ outcome }: AttemptFailure): boolean {
  return outcome.kind === "answered" && !outcome.retryable;
}
