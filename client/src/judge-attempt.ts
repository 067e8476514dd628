/**
 * Whether an attempt that has no answer yet is waited for, given up, or joined by a second one. Pure: ages are
 * arguments.
 *
 * Over a connection that is known to carry signs of life (interim answers while the answer is owed), silence says
 * that this connection is dead, however well others to the same address do: behind the address of a Service each
 * connection leads to one node. Without them, a node that is gone and a request that takes long look the same; then,
 * and when a living node takes long, a second attempt beside the first costs less than waiting (J. Dean and
 * L. Barroso, "The Tail at Scale", 2013: hedged requests).
 */

export interface AttemptLimits {
  /** 0: silence is never a reason. */
  readonly silenceTimeoutMs: number;
  /** 0: there is no second attempt. */
  readonly hedgeDelayMs: number;
}

export interface AttemptState {
  /** Since the request was given to its connection. */
  readonly sentMs: number;
  /** Since then, or since the latest byte that came over the connection, if that is less. */
  readonly silentMs: number;
  /** The connection has shown that it carries signs of life. */
  readonly showsProgress: boolean;
  /** Executing the call twice is the same as once. */
  readonly repeatable: boolean;
  /** A second attempt is allowed, and has not been made. */
  readonly mayHedge: boolean;
}

export type AttemptVerdict =
  /** Until something comes; look again after so long, Infinity: never. */
  | { readonly kind: "wait"; readonly lookAfterMs: number }
  | { readonly kind: "dead" }
  | { readonly kind: "hedge" };

export function judgeAttempt(state: AttemptState, limits: AttemptLimits): AttemptVerdict {
  const { sentMs, silentMs, showsProgress, repeatable, mayHedge } = state;
  // What may not be repeated is better off waiting: its answer may come, and nothing could be done without it.
  if (!repeatable) return { kind: "wait", lookAfterMs: Number.POSITIVE_INFINITY };
  const tellsDead = showsProgress && limits.silenceTimeoutMs > 0;
  const deadInMs = tellsDead ? limits.silenceTimeoutMs - silentMs : Number.POSITIVE_INFINITY;
  if (deadInMs <= 0) return { kind: "dead" };
  const hedges = mayHedge && limits.hedgeDelayMs > 0;
  const hedgeInMs = hedges ? limits.hedgeDelayMs - sentMs : Number.POSITIVE_INFINITY;
  if (hedgeInMs <= 0) return { kind: "hedge" };
  return { kind: "wait", lookAfterMs: Math.min(deadInMs, hedgeInMs) };
}
