/**
 * For how long a thread has not turned its loop, told from pings that another thread sends it at a
 * fixed interval. The pinging thread can stall too; then answers wait unread, and the time of the
 * stall is not held against the pinged thread. Times are of one monotonic clock.
 */
export interface LoopSilence {
  /** When the oldest unanswered ping was sent; undefined when all are answered. */
  readonly waitingSinceMs: number | undefined;
  readonly lastTickMs: number;
}

export function startSilence(nowMs: number): LoopSilence {
  return { waitingSinceMs: undefined, lastTickMs: nowMs };
}

/** The pinging thread's timer fired and sends a ping. */
export function onPingSent(silence: LoopSilence, nowMs: number, intervalMs: number): LoopSilence {
  const stallMs = Math.max(0, nowMs - silence.lastTickMs - 2 * intervalMs);
  const waitingSinceMs =
    silence.waitingSinceMs === undefined ? nowMs : Math.min(nowMs, silence.waitingSinceMs + stallMs);
  return { waitingSinceMs, lastTickMs: nowMs };
}

/** Anything arrived from the thread. */
export function onHeard(silence: LoopSilence): LoopSilence {
  return { waitingSinceMs: undefined, lastTickMs: silence.lastTickMs };
}

/** Told as of the last tick: between ticks the pinging thread can't know whether it stalled itself. */
export function silenceMs(silence: LoopSilence): number {
  return silence.waitingSinceMs === undefined ? 0 : Math.round(silence.lastTickMs - silence.waitingSinceMs);
}
