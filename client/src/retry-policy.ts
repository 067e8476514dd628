/**
 * Whether and when a failed attempt is made again. Pure: randomness and time are arguments.
 *
 * A retry is made only where it is safe: when nothing was executed, or when executing twice is the same
 * as once, because the call only reads or carries an operation id that the cluster applies at most once.
 */

export type AttemptOutcome =
  /** An error answer of the server. */
  | {
      readonly kind: "answered";
      readonly retryable: boolean;
      readonly executed: "no" | "unknown";
      readonly retryAfterMs: number | undefined;
    }
  /** No connection: nothing was sent. */
  | { readonly kind: "unsent" }
  /** The request was sent, the answer did not come: broken connection or attempt timeout. */
  | { readonly kind: "lost" };

export interface RetryLimits {
  /** Attempts after the first. */
  readonly retries: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
}

export type RetryDecision = { readonly retry: false } | { readonly retry: true; readonly waitMs: number };

const NO: RetryDecision = { retry: false };

/**
 * The pause is full jitter under a doubling ceiling (M. Brooker, "Exponential Backoff And Jitter", 2015),
 * so that clients of a failed node do not come back together. A Retry-After comes on top of it whole:
 * a server that asks for more time than the call has left gets no second attempt.
 *
 * @param attempt attempts made so far, from 1
 * @param repeatable executing twice is the same as once
 * @param remainingMs until the call's deadline
 * @param random in [0, 1)
 */
export function decideRetry(
  outcome: AttemptOutcome,
  attempt: number,
  repeatable: boolean,
  limits: RetryLimits,
  remainingMs: number,
  random: number,
): RetryDecision {
  if (attempt > limits.retries || !isSafe(outcome, repeatable)) return NO;
  const ceilingMs = Math.min(limits.maxDelayMs, limits.baseDelayMs * 2 ** (attempt - 1));
  const jitterMs = Math.round(ceilingMs * random);
  const waitMs = pauseMs(outcome, attempt, jitterMs);
  return waitMs >= remainingMs ? NO : { retry: true, waitMs };
}

/** Nothing reached the first endpoint, so the next one can be asked at once. */
function pauseMs(outcome: AttemptOutcome, attempt: number, jitterMs: number): number {
  if (outcome.kind === "unsent" && attempt === 1) return 0;
  return jitterMs + (outcome.kind === "answered" ? (outcome.retryAfterMs ?? 0) : 0);
}

function isSafe(outcome: AttemptOutcome, repeatable: boolean): boolean {
  switch (outcome.kind) {
    case "unsent":
      return true;
    case "lost":
      return repeatable;
    case "answered":
      return outcome.retryable && (repeatable || outcome.executed === "no");
  }
}

/** Unless the call only reads. */
export function mayHaveExecuted(outcome: AttemptOutcome): boolean {
  switch (outcome.kind) {
    case "unsent":
      return false;
    case "lost":
      return true;
    case "answered":
      return outcome.executed === "unknown";
  }
}

/** Retry-After (RFC 9110, section 10.2.3): seconds or a date, as milliseconds from now; undefined if it is neither. */
export function parseRetryAfter(
  value: string | string[] | undefined,
  unixTimeMs: number,
): number | undefined {
  const text = typeof value === "string" ? value.trim() : "";
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const dateMs = /^[A-Z][a-z]{2},/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - unixTimeMs);
}
