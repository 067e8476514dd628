/** What a primary knows of one other copy in its own term. Volatile: a new term starts it afresh. */
import type { AllocationId } from "../cluster-map.js";

export interface CopyProgress {
  readonly copy: AllocationId;
  /** Confirmed prefix in this term; undefined until the copy answered (an unknown match blocks every commit). */
  match: number | undefined;
  /** The next seq to send. */
  nextSeq: number;
  /** Sending goes `windowEntries` beyond this: the match, or where the copy said it stands. */
  windowBase: number;
  /** Highest checkpoint told to the copy, so that a commit notice is sent once. */
  toldCheckpoint: number;
  /** The copy's own checkpoint as last reported: trimming goes no further. */
  reportedCheckpoint: number;
  /** When the oldest send without progress happened; undefined: nothing is owed. */
  waitingSinceMs: number | undefined;
  lastSentMs: number;
  lastHeardMs: number;
  /** One message at a time until an answer shows where the copy stands. */
  probing: boolean;
  /** Transfer in progress. */
  snapshotId: string | undefined;
  /** The copy can't be brought up from the log: it needs a snapshot. */
  needsSnapshot: boolean;
  snapshotStartedMs: number;
  /** Entries above are kept for the copy while it is being filled, */
  pinSeq: number;
  /** for a time that begins anew with each step forward. */
  pinnedMs: number;
  /** Since when it has not been far behind; undefined: it is. */
  keptUpSinceMs: number | undefined;
}

/** How long the copy has owed an answer without any word from it; 0 when it owes none. */
export function silenceMs({ waitingSinceMs, lastHeardMs }: CopyProgress, nowMs: number): number {
  return waitingSinceMs === undefined ? 0 : Math.max(0, nowMs - Math.max(waitingSinceMs, lastHeardMs));
}

/** `pinSeq`: the log's base, so that what the copy needs is there still when it says where it starts. */
export function newProgress(
  copy: AllocationId,
  nextSeq: number,
  pinSeq: number,
  nowMs: number,
): CopyProgress {
  return {
    copy,
    match: undefined,
    nextSeq,
    windowBase: nextSeq - 1,
    toldCheckpoint: -1,
    reportedCheckpoint: 0,
    waitingSinceMs: undefined,
    lastSentMs: 0,
    lastHeardMs: nowMs,
    probing: true,
    snapshotId: undefined,
    needsSnapshot: false,
    snapshotStartedMs: Number.NEGATIVE_INFINITY,
    pinSeq,
    pinnedMs: nowMs,
    keptUpSinceMs: undefined,
  };
}
