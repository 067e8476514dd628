import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideRetry, parseRetryAfter, type AttemptOutcome } from "./retry-policy.js";

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

  it("waits as long as the server asks, and its own random time on top", () => {
    const asked = { ...REFUSED, retryAfterMs: 300 };
    expect(decideRetry(asked, 1, true, LIMITS, 1000, 0)).toMatchObject({ waitMs: 300 });
    expect(decideRetry(asked, 1, true, LIMITS, 1000, 0.5)).toMatchObject({ waitMs: 325 });
  });

  it("is not made again when the server asks for more time than is left", () => {
    expect(decideRetry({ ...REFUSED, retryAfterMs: 9000 }, 1, true, LIMITS, 1000, 0).retry).toBe(false);
  });

  it("never outlasts its retries or its deadline", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 2000 }),
        fc.option(fc.integer({ min: 0, max: 3000 }), { nil: undefined }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, remainingMs, retryAfterMs, random) => {
          const outcome = { ...REFUSED, retryAfterMs };
          const decision = decideRetry(outcome, attempt, true, LIMITS, remainingMs, random);
          if (!decision.retry) return;
          expect(attempt).toBeLessThanOrEqual(LIMITS.retries);
          expect(decision.waitMs).toBeLessThan(remainingMs);
          expect(decision.waitMs).toBeGreaterThanOrEqual(retryAfterMs ?? 0);
          expect(decision.waitMs - (retryAfterMs ?? 0)).toBeLessThanOrEqual(LIMITS.maxDelayMs);
        },
      ),
    );
  });
});

describe("Retry-After", () => {
  const now = Date.parse("Fri, 21 Nov 2025 12:00:00 GMT");

  it.each([
    ["2", 2000],
    ["0", 0],
    ["Fri, 21 Nov 2025 12:00:05 GMT", 5000],
    ["Fri, 21 Nov 2025 11:00:00 GMT", 0],
    ["-1", undefined],
    ["soon", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("%j is %s ms", (text, expected) => {
    expect(parseRetryAfter(text, now)).toBe(expected);
  });
});
