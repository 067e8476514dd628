import { describe, expect, it } from "vitest";
import { AttemptRace, type Runner } from "./attempt-race.js";
import type { AttemptFailure } from "./error-answer.js";
import type { AttemptOutcome } from "./retry-policy.js";
import type { Answer } from "./transport.js";

const ANSWER: Answer = { status: 200, headers: {}, text: "{}", url: "http://a" };

function failed(outcome: AttemptOutcome): AttemptFailure {
  return { outcome, code: "unreachable", detail: "a test's", retryable: true };
}

const UNSENT = failed({ kind: "unsent" });
const LOST = failed({ kind: "lost" });
const REFUSED = failed({ kind: "answered", retryable: false, executed: "no", retryAfterMs: undefined });
const BUSY = failed({ kind: "answered", retryable: true, executed: "no", retryAfterMs: 0 });

class FakeRunner implements Runner {
  readonly result: Promise<Answer | AttemptFailure>;
  isCancelled = false;
  end!: (result: Answer | AttemptFailure) => void;

  constructor() {
    this.result = new Promise((resolve) => (this.end = resolve));
  }

  cancel(): void {
    this.isCancelled = true;
  }
}

function raceOfTwo(): { race: AttemptRace; first: FakeRunner; second: FakeRunner } {
  const [race, first, second] = [new AttemptRace(), new FakeRunner(), new FakeRunner()];
  race.add(first);
  race.add(second);
  return { race, first, second };
}

describe("two attempts of a call", () => {
  it("are settled by the first answer, and the other one is cancelled", async () => {
    const { race, first, second } = raceOfTwo();
    second.end(ANSWER);
    expect((await race.result).result).toBe(ANSWER);
    expect([first.isCancelled, second.isCancelled]).toEqual([true, false]);
  });

  it("are settled by a refusal for good, which says nothing of what the other one did", async () => {
    const { race, second } = raceOfTwo();
    second.end(REFUSED);
    expect(await race.result).toEqual({ result: REFUSED, otherMayHaveRun: true });
  });

  it.each([
    ["lost", LOST, true],
    ["refused for a while", BUSY, false],
    ["never sent", UNSENT, false],
  ])("wait for each other when one was %s, and keep what that means", async (_, failure, mayHaveRun) => {
    const { race, first, second } = raceOfTwo();
    first.end(failure);
    second.end(BUSY);
    expect(await race.result).toEqual({ result: BUSY, otherMayHaveRun: mayHaveRun });
  });

  it("are one where the second would begin when the call is settled", async () => {
    const [race, first, late] = [new AttemptRace(), new FakeRunner(), new FakeRunner()];
    race.add(first);
    first.end(LOST);
    expect(await race.result).toEqual({ result: LOST, otherMayHaveRun: false });
    race.add(late);
    expect(late.isCancelled).toBe(true);
  });
});
