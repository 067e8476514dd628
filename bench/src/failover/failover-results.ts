/** What the failover benchmark measured, as docs/failover.json holds it. */
import type { Machine } from "../results.js";
import type { LoadCounts } from "./load-message.js";

export interface HealthSettings {
  readonly heartbeatIntervalMs: number;
  readonly failureThreshold: number;
  readonly suspectTimeoutMs: number;
  readonly replicaTimeoutMs: number;
  readonly rebuildDelaySeconds: number;
}

export type FaultKind = "kill" | "freeze";

/** Milliseconds from the fault; undefined: it did not happen. */
export interface ShardStall {
  readonly shard: number;
  readonly lost: "primary" | "replica";
  /** From the last acknowledgement before the fault to the first of a write sent after it. */
  readonly stallMs: number;
  /** The longest time without an acknowledgement until all copies were in sync again. */
  readonly longestMs: number;
  /** When the control plane had changed the shard's record: another primary, or the copy removed. */
  readonly decidedMs: number | undefined;
}

export interface Fault {
  readonly kind: FaultKind;
  readonly node: string;
  /** When the control plane took the node for suspect. */
  readonly noticedMs: number | undefined;
  readonly shards: readonly ShardStall[];
  /** From the node's new start, or its going on, until all copies were in sync. */
  readonly recoveredMs: number;
  readonly recoveryBytes: number;
}

export interface Phase {
  readonly name: string;
  readonly health: HealthSettings;
  readonly kind: FaultKind;
  readonly seconds: number;
  readonly faults: readonly Fault[];
  readonly counts: LoadCounts;
  /** Acknowledged writes that a copy does not have, over all nodes; undefined: it could not be found out. */
  readonly lost: number | undefined;
  /** Why there are fewer faults than wanted; "" when there are not. */
  readonly trouble: string;
  /** The longest gap between acknowledgements of one shard in as many seconds without a fault. */
  readonly quietGapMs: number;
}

export interface LeaderLoss {
  /** Per shard, as in ShardStall. */
  readonly stallsMs: readonly number[];
}

export interface LeaderPhase {
  readonly health: HealthSettings;
  readonly losses: readonly LeaderLoss[];
  readonly counts: LoadCounts;
  readonly lost: number;
}

export interface FailoverResults {
  readonly takenAt: string;
  readonly seconds: number;
  readonly command: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly phases: readonly Phase[];
  readonly leader: LeaderPhase | undefined;
}
