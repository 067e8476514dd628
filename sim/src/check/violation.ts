/** Something happened that must never happen. The names are those of ARCHITECTURE.md and docs/replication.md. */
export type InvariantName =
  | "AllAckedResponsesStored"
  | "SameLogUpToGlobalCheckpoint"
  | "GlobalCheckpointBelowLocalCheckpoints"
  | "LocalCheckpointMatchesMaxConfirmedSeq"
  | "AtMostOneAckingPrimaryPerTerm"
  | "InSyncNeverEmpty"
  | "PrimaryWaitsForStoredSet"
  | "ExactlyOnce"
  | "StrongRead"
  | "AllCopiesSameOnQuietDown"
  | "AppliedBelowCheckpoint"
  | "NoTwoCopiesInOneDomain"
  /** A read shows the documents of one committed moment, and not of one before what its session has seen. */
  | "ReadYourWrites"
  | "CommittedReads"
  /** A bounded read shows what was acknowledged until that long before it arrived. */
  | "BoundedRead"
  /** Strong reads and writes of a document look as if each had happened at one moment between question and answer. */
  | "Linearizable"
  /** Nothing is changed by a control plane whose record of the shard is older than a node's. */
  | "NoActionOnOlderRecord"
  /** In the place of a record that is gone nothing begins anew. */
  | "NoNewShardForLostRecord";

let first: InvariantViolation | undefined;

/**
 * The first one since the last question. Checks run in the midst of production code, which catches what is
 * thrown there where it must bear damaged data: the violation may never reach whoever runs the schedule.
 */
export function takeFirstViolation(): InvariantViolation | undefined {
  const taken = first;
  first = undefined;
  return taken;
}

/** As takeFirstViolation, and leaves it. */
export function firstViolation(): InvariantViolation | undefined {
  return first;
}

function remember(violation: InvariantViolation): void {
  first ??= violation;
}

export class InvariantViolation extends Error {
  readonly invariant: InvariantName;
  readonly detail: string;

  constructor(invariant: InvariantName, detail: string) {
    super(`${invariant}: ${detail}`);
    this.name = "InvariantViolation";
    this.invariant = invariant;
    this.detail = detail;
    remember(this);
  }
}
