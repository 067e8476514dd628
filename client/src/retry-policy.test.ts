import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideRetry, type AttemptOutcome } from "./retry-policy.js";

const LIMITS = { retries: 3, baseDelayMs: 50, maxDelayMs: 400 };
const REFUSED: AttemptOutcome = {
  kind: "answered",
  retryable: true,
  executed: "no",
  retryAfterMs: undefined,
};
const UNKNOWN: AttemptOutcome = {
  kind: "answered",
  retryable: true,
  executed: "unknown",
  retryAfterMs: undefined,
};
const FINAL: AttemptOutcome = { kind: "answered", retryable: false, executed: "no", retryAfterMs: undefined };

describe("a failed attempt", () => {
  it("is made again at once, elsewhere, when nothing was sent", () => {
    expect(decideRetry({ kind: "unsent" }, 1, false, LIMITS, 1000, 0.9)).toEqual({
      retry: true,
      waitMs: 0,
      elsewhere: true,
    });
  });

  it("is not made again when it may have been executed and carries no operation id", () => {
    expect(decideRetry({ kind: "lost" }, 1, false, LIMITS, 1000, 0).retry).toBe(false);
    expect(decideRetry(UNKNOWN, 1, false, LIMITS, 1000, 0).retry).toBe(false);
    expect(decideRetry({ kind: "lost" }, 1, true, LIMITS, 1000, 0).retry).toBe(true);
    expect(decideRetry(UNKNOWN, 1, true, LIMITS, 1000, 0).retry).toBe(true);
  });

  it("is made again when the server refused it for a while, and never when it refused it for good", () => {
    expect(decideRetry(REFUSED, 1, false, LIMITS, 1000, 0).retry).toBe(true);
    expect(decideRetry(FINAL, 1, true, LIMITS, 1000, 0).retry).toBe(false);
  });

  it("waits as long as the server asks, within the limit", () => {
    const asked = { ...REFUSED, retryAfterMs: 300 };
    expect(decideRetry(asked, 1, true, LIMITS, 1000, 0)).toMatchObject({ waitMs: 300 });
    expect(decideRetry({ ...asked, retryAfterMs: 9000 }, 1, true, LIMITS, 1000, 0)).toMatchObject({
      waitMs: 400,
    });
  });

  it("never outlasts its retries or its deadline", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 2000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, remainingMs, random) => {
          const decision = decideRetry(REFUSED, attempt, true, LIMITS, remainingMs, random);
          if (!decision.retry) return;
          expect(attempt).toBeLessThanOrEqual(LIMITS.retries);
          expect(decision.waitMs).toBeLessThan(remainingMs);
          expect(decision.waitMs).toBeLessThanOrEqual(LIMITS.maxDelayMs);
        },
      ),
    );
  });
});
