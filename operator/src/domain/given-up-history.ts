/**
 * Histories that a person gave up, kept apart from the shards' records: when such a record is lost, copies of
 * the history before prove a record from before the reset, and nothing in it tells that it was given up.
 */
export interface GivenUpHistory {
  readonly shard: string;
  readonly historyId: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Resets are rare, and made by people. */
const KEPT = 1000;

/** The newest last; the oldest make room. */
export function withGivenUp(
  log: readonly GivenUpHistory[],
  shard: string,
  historyId: string,
  nowMs: number,
): readonly GivenUpHistory[] {
  if (log.some((one) => one.shard === shard && one.historyId === historyId)) return log;
  return [...log, { shard, historyId, at: nowMs }].slice(-KEPT);
}
