/**
 * Whether, when and where a failed attempt is made again. Pure: randomness and time are arguments.
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

export type RetryDecision =
  { readonly retry: false } | { readonly retry: true; readonly waitMs: number; readonly elsewhere: boolean };

const NO: RetryDecision = { retry: false };

/**
 * @param attempt attempts made so far, from 1
 * @param repeatable executing twice is the same as once
 * @param remainingMs until the call's deadline
 * @param random in [0, 1): full jitter, so that clients of a failed node do not come back together
 */
export function decideRetry(
  outcome: AttemptOutcome,
  attempt: number,
  repeatable: boolean,
  limits: RetryLimits,
  remainingMs: number,
  random: number,
): RetryDecision {
  if (attempt > limits.retries) return NO;
  if (!isSafe(outcome, repeatable)) return NO;
  const ceilingMs = Math.min(limits.maxDelayMs, limits.baseDelayMs * 2 ** (attempt - 1));
  const jitteredMs = Math.round(ceilingMs * random);
  // Another endpoint can be asked at once; the same one only after a pause.
  const asked = outcome.kind === "answered" ? (outcome.retryAfterMs ?? 0) : 0;
  const waitMs =
    outcome.kind === "unsent" && attempt === 1 ? 0 : Math.max(jitteredMs, Math.min(asked, limits.maxDelayMs));
  if (waitMs >= remainingMs) return NO;
  return { retry: true, waitMs, elsewhere: outcome.kind !== "answered" };
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
