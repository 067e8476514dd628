import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judgeAttempt, type AttemptLimits, type AttemptState } from "./judge-attempt.js";

const ages = fc.integer({ min: 0, max: 5000 });
const limitsOf: fc.Arbitrary<AttemptLimits> = fc.record({
  silenceTimeoutMs: fc.oneof(fc.constant(0), fc.integer({ min: 50, max: 3000 })),
  hedgeDelayMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3000 })),
});
const states: fc.Arbitrary<AttemptState> = fc
  .record({
    sentMs: ages,
    silent: fc.double({ min: 0, max: 1, noNaN: true }),
    showsProgress: fc.boolean(),
    repeatable: fc.boolean(),
    mayHedge: fc.boolean(),
  })
  .map(({ silent, ...state }) => ({ ...state, silentMs: Math.floor(silent * state.sentMs) }));

describe("an attempt without an answer", () => {
  it("is dead exactly when its connection would have said something, and did not for the whole time", () => {
    fc.assert(
      fc.property(states, limitsOf, (state, limits) => {
        const silentTooLong = limits.silenceTimeoutMs > 0 && state.silentMs >= limits.silenceTimeoutMs;
        const isDead = state.repeatable && state.showsProgress && silentTooLong;
        expect(judgeAttempt(state, limits).kind === "dead").toBe(isDead);
      }),
    );
  });

  it("is joined by a second one exactly when it is alive for all that is known, slow, and may be", () => {
    fc.assert(
      fc.property(states, limitsOf, (state, limits) => {
        const { kind } = judgeAttempt(state, limits);
        const isSlow = limits.hedgeDelayMs > 0 && state.sentMs >= limits.hedgeDelayMs;
        expect(kind === "hedge").toBe(state.repeatable && state.mayHedge && isSlow && kind !== "dead");
      }),
    );
  });

  it("that is waited for is looked at again when something changes, not before and not after", () => {
    fc.assert(
      fc.property(states, limitsOf, ages, (state, limits, moreMs) => {
        const verdict = judgeAttempt(state, limits);
        if (verdict.kind !== "wait") return;
        expect(verdict.lookAfterMs).toBeGreaterThan(0);
        const later = { ...state, sentMs: state.sentMs + moreMs, silentMs: state.silentMs + moreMs };
        const kind = judgeAttempt(later, limits).kind;
        expect(kind === "wait").toBe(moreMs < verdict.lookAfterMs);
      }),
    );
  });

  it("never waits by itself for ever longer than told: bytes that come put the verdict off, and nothing else", () => {
    const limits = { silenceTimeoutMs: 800, hedgeDelayMs: 0 };
    const known = { showsProgress: true, repeatable: true, mayHedge: false };
    expect(judgeAttempt({ ...known, sentMs: 60_000, silentMs: 799 }, limits)).toEqual({
      kind: "wait",
      lookAfterMs: 1,
    });
    expect(judgeAttempt({ ...known, sentMs: 800, silentMs: 800 }, limits)).toEqual({ kind: "dead" });
    expect(judgeAttempt({ ...known, showsProgress: false, sentMs: 1e9, silentMs: 1e9 }, limits)).toEqual({
      kind: "wait",
      lookAfterMs: Number.POSITIVE_INFINITY,
    });
  });
});
