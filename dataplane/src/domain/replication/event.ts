/** What a shard copy's state machine is told, and what it asks for. See shard-copy.ts. */
import type { Reason } from "@prism/api/reason";
import type { AllocationId, HistoryId, ShardMap, ShardUid } from "../cluster-map.js";
import type { LogEntry, LogEntryBody, TermSpan, WriteResult } from "./log-entry.js";

/** Protocol section 3, what survives a restart. `globalCheckpoint` and `lastSeq` are as last made durable. */
export interface DurableCopy {
  readonly shardUid: ShardUid;
  readonly allocationId: AllocationId;
  readonly historyId: HistoryId;
  readonly term: number;
  readonly activatedTerm: number;
  readonly baseSeq: number;
  readonly baseTerm: number;
  readonly lastSeq: number;
  readonly termSpans: readonly TermSpan[];
  readonly globalCheckpoint: number;
  /** Newest entry's time, 0 for an empty log. */
  readonly lastTimeMs: number;
}

// ---------------------------------------------------------------- messages between copies

export type MessageBody =
  /** `entries` are empty in what the machine sends as an effect: see SendEntries. */
  | {
      readonly kind: "replicate";
      readonly previousSeq: number;
      readonly previousTerm: number;
      readonly entries: readonly LogEntry[];
      readonly globalCheckpoint: number;
    }
  | { readonly kind: "replicateOk"; readonly confirmed: number; readonly globalCheckpoint: number }
  | { readonly kind: "mismatch"; readonly globalCheckpoint: number; readonly lastSeq: number }
  | { readonly kind: "higherTerm" }
  /** Are you still in my term? Answered in an equal term alone. */
  | { readonly kind: "termCheck"; readonly nonce: string }
  | { readonly kind: "termCheckOk"; readonly nonce: string }
  /** A replica asks its primary for a checkpoint that is at most this old. */
  | { readonly kind: "freshnessAsk"; readonly nonce: string; readonly maxAgeMs: number }
  /** All that was acknowledged until `ageMs` before the question came is at or below the checkpoint. */
  | {
      readonly kind: "freshness";
      readonly nonce: string;
      readonly ageMs: number;
      readonly globalCheckpoint: number;
    };

export interface CopyMessage {
  readonly shardUid: ShardUid;
  readonly historyId: HistoryId;
  readonly from: AllocationId;
  readonly to: AllocationId;
  readonly term: number;
  readonly body: MessageBody;
}

// ---------------------------------------------------------------- events

export interface NewEntry {
  readonly operationId: string;
  readonly body: LogEntryBody;
  readonly result: WriteResult;
}

export type CopyEvent = { readonly nowMs: number } & (
  | { readonly kind: "map"; readonly map: ShardMap }
  | { readonly kind: "message"; readonly message: CopyMessage }
  /** A persist effect is durable. Tickets complete in order. */
  | { readonly kind: "persisted"; readonly ticket: number }
  /** Evaluated operations for the log, all or none. Only when `canWrite` said yes in the same turn. */
  | { readonly kind: "write"; readonly entries: readonly NewEntry[] }
  /** Also carries what the shell knows of the log's size and age. */
  | {
      readonly kind: "tick";
      /** Entries below may go as far as retention is concerned. */
      readonly retainFromSeq: number;
      /** Entries below go even when a copy that is being filled needs them; without it none do. */
      readonly pinFromSeq?: number;
    }
  /** The connection to the node of another copy broke. */
  | { readonly kind: "disconnected"; readonly copy: AllocationId }
  | { readonly kind: "connected"; readonly copy: AllocationId }
  /** All of a snapshot has arrived and lies aside, complete and checked. */
  | {
      readonly kind: "snapshotArrived";
      readonly snapshotId: string;
      readonly from: AllocationId;
      readonly historyId: HistoryId;
      readonly term: number;
      readonly lastSeq: number;
      readonly lastTerm: number;
    }
  /** The sending of a snapshot ended: the receiver said it holds it, or it failed. */
  | {
      readonly kind: "snapshotSent";
      readonly to: AllocationId;
      readonly snapshotId: string;
      readonly ok: boolean;
    }
  /** Hand the primary role over; the machine drains first. `undefined` ends an attempt. */
  | { readonly kind: "handOff"; readonly target: AllocationId | undefined }
  /** A read that what the copy has may be too old for. Answered by readReady or readRefused, once. */
  | { readonly kind: "read"; readonly readId: number; readonly wanted: WantedRead }
  /** Nobody waits for the read any more. */
  | { readonly kind: "readGivenUp"; readonly readId: number }
);

/** See copy-reads.ts. */
export type WantedRead =
  | { readonly level: "strong" }
  /** Shows all that was acknowledged so long before the read came. At least 1. */
  | { readonly level: "bounded"; readonly maxStalenessMs: number };

/** `notPrimary`: a strong read is for the primary. */
export type ReadRefusal = "notPrimary" | "stopped";

type WithoutTime<E> = E extends { readonly nowMs: number } ? Omit<E, "nowMs"> : never;
/** As it comes from whoever leaves the time to the one who hands it in. */
export type TimelessEvent = WithoutTime<CopyEvent>;

// ---------------------------------------------------------------- effects

/** One atomic, durable change of the copy's persistent state. Absent fields stay as they are. */
export interface PersistChange {
  readonly term?: number;
  readonly activatedTerm?: number;
  readonly historyId?: HistoryId;
  /** Delete every entry above this seq, before appending. */
  readonly truncateAfter?: number;
  readonly append?: readonly LogEntry[];
  /** Raises the durable checkpoint; the shell may apply entries up to it in this transaction or a later one. */
  readonly globalCheckpoint?: number;
  /** Drop log entries up to this seq. */
  readonly trimThrough?: { readonly seq: number; readonly term: number };
  /** Replace documents, dedup table and log by the snapshot that lies aside; base, checkpoint and applied become `seq`. */
  readonly installSnapshot?: { readonly snapshotId: string; readonly seq: number; readonly term: number };
}

export type StopReason = "committedEntryConflict" | "secondPrimaryInTerm";

export type CopyEffect =
  | {
      readonly kind: "persist";
      readonly ticket: number;
      readonly change: PersistChange;
      /** Something waits for it to be durable; else it may go along with a later one. */
      readonly vital: boolean;
    }
  | { readonly kind: "send"; readonly message: CopyMessage }
  /** Send a replicate message with the log's entries `fromSeq`..`throughSeq`; the shell reads them from its log. */
  | {
      readonly kind: "sendEntries";
      readonly message: CopyMessage;
      readonly fromSeq: number;
      readonly throughSeq: number;
    }
  /**
   * The checkpoint rose: apply entries up to here in seq order and acknowledge their writers. When
   * the stored in-sync set fell below minReplicasForWrite meanwhile (`floorMet` false), writers get
   * "outcome unknown" instead: the entries stay, and a retry is answered once the set is large enough.
   */
  | { readonly kind: "commit"; readonly through: number; readonly floorMet: boolean }
  /** The copy stopped being primary: every waiting writer gets "outcome unknown". */
  | { readonly kind: "stepDown" }
  /** The log above `seq` was replaced: forget what was remembered of those entries (pending operation ids, overlays). */
  | { readonly kind: "truncated"; readonly afterSeq: number }
  | { readonly kind: "startSnapshot"; readonly to: AllocationId; readonly snapshotId: string }
  | { readonly kind: "cancelSnapshot"; readonly to: AllocationId; readonly snapshotId: string }
  | { readonly kind: "discardSnapshot"; readonly snapshotId: string }
  /** The read may be answered from what is applied, once that reaches `atLeastSeq`. */
  | { readonly kind: "readReady"; readonly readId: number; readonly atLeastSeq: number }
  | { readonly kind: "readRefused"; readonly readId: number; readonly reason: ReadRefusal }
  | {
      readonly kind: "request";
      readonly action: "addInSync" | "removeCopy" | "promote";
      readonly allocationId: AllocationId;
      readonly term: number;
      readonly reason: Reason;
    }
  /** A protocol violation: stop this copy, keep its data, report it failed. */
  | { readonly kind: "stop"; readonly reason: StopReason; readonly detail: string }
  /** A change worth a log line and a place in the shard's ring of protocol events. */
  | { readonly kind: "note"; readonly note: ProtocolNote };

export type ProtocolNote =
  | { readonly what: "activated"; readonly term: number; readonly startSeq: number }
  | { readonly what: "ready"; readonly term: number; readonly globalCheckpoint: number }
  | { readonly what: "steppedDown"; readonly term: number; readonly newTerm: number }
  /** As replica: another copy leads, or is about to. */
  | { readonly what: "termAdopted"; readonly term: number }
  | { readonly what: "suffixReplaced"; readonly afterSeq: number; readonly lastSeq: number }
  | {
      readonly what: "joinStarted" | "joinConfirmed" | "left" | "removalWithdrawn";
      readonly copy: AllocationId;
    }
  | { readonly what: "removalAsked"; readonly copy: AllocationId; readonly reason: Reason }
  | { readonly what: "snapshotStarted" | "snapshotSent" | "snapshotFailed"; readonly copy: AllocationId }
  | { readonly what: "snapshotInstalled"; readonly seq: number; readonly historyId: HistoryId }
  /** The control plane gave up the history before: a forced reset. */
  | { readonly what: "historyStarted"; readonly historyId: HistoryId; readonly before: HistoryId }
  | { readonly what: "handOffStarted" | "handOffAborted" | "handOffAsked"; readonly target: AllocationId };

/** Why a write can't be executed here now; nothing was executed. */
export type WriteRefusal = "notPrimary" | "draining" | "notEnoughCopies" | "stopped" | "tooManyPending";

export interface CopySettings {
  readonly minReplicasForWrite: number;
  /** A copy that owes an answer and says nothing for this long is removed from the set. */
  readonly replicaTimeoutMs: number;
  /** So is a copy that has not confirmed an entry this long after it was durable here, whatever it says. */
  readonly slowReplicaTimeoutMs: number;
  /** Entries sent but not confirmed, per copy. */
  readonly windowEntries: number;
  /** As windowEntries, in bytes, of which one entry may have more; undefined: as many as they have. */
  readonly windowBytes?: number;
  /** Entries not committed yet, before writes are refused with tooManyPending. */
  readonly maxPendingEntries: number;
}

/** What status, metrics and the write path read from a copy. */
export interface CopyView {
  readonly allocationId: AllocationId;
  readonly role: "primary" | "replica" | "stopped";
  /** As primary: the term's first no-op is committed. */
  readonly ready: boolean;
  readonly draining: boolean;
  readonly historyId: HistoryId;
  readonly term: number;
  readonly mapVersion: number;
  readonly lastSeq: number;
  readonly globalCheckpoint: number;
  /** Members of the stored in-sync set, as the newest map of this term says. */
  readonly inSync: readonly AllocationId[];
  readonly lag: readonly {
    readonly copy: AllocationId;
    readonly confirmed: number;
    readonly silenceMs: number;
    /** Age of the oldest entry that is durable here and not confirmed there. */
    readonly behindMs: number;
  }[];
}
