/**
 * The record of a shard, on which all safety rests, and the only ways it may change (protocol
 * sections 2, 6.1 and 7.5). A change is computed here from the record that was read, and written by
 * compare-and-swap on exactly that one.
 *
 * Kept by every change: InSyncNeverEmpty (and it contains the primary), inSync and recovering
 * disjoint, version + 1, term + 1 in a promotion and otherwise unchanged, and an allocation id goes
 * one way only: recovering -> inSync -> gone.
 */
import type { Reason } from "@prism/api/reason";

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

export type NodeId = Branded<string, "NodeId">;
export type AllocationId = Branded<string, "AllocationId">;
export type ShardUid = Branded<string, "ShardUid">;
export type HistoryId = Branded<string, "HistoryId">;

export interface CopyPlace {
  readonly id: AllocationId;
  readonly node: NodeId;
  readonly zone: string;
}

/** A copy that left the sets: its node may come back with data to start from. */
export interface DepartedCopy {
  readonly node: NodeId;
  readonly zone: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly reason: Reason;
  /**
   * How often a copy on this node left in a row without having been in sync between; one that was too
   * slow counts on over being in sync, or it would come and go at the same pace for ever.
   */
  readonly attempts: number;
}

export interface LastChange {
  readonly reason: Reason;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface ShardRecord {
  readonly uid: ShardUid;
  readonly version: number;
  readonly term: number;
  readonly historyId: HistoryId;
  readonly primary: AllocationId;
  readonly inSync: readonly AllocationId[];
  readonly recovering: readonly AllocationId[];
  /** Where the copies of both sets are. */
  readonly copies: readonly CopyPlace[];
  readonly departed: readonly DepartedCopy[];
  /** Nonce of the shard's making, "" once a copy was seen: only with it may empty data be made. */
  readonly bootstrap: string;
  readonly lastChange: LastChange;
}

export type RecordChange =
  | {
      readonly kind: "promote";
      readonly target: AllocationId;
      /** In-sync copies that leave the set in the same step; never the target. */
      readonly drop: readonly AllocationId[];
    }
  | { readonly kind: "addInSync"; readonly id: AllocationId; readonly term: number }
  | { readonly kind: "removeCopy"; readonly id: AllocationId; readonly term: number }
  | { readonly kind: "addRecovering"; readonly copy: CopyPlace }
  | { readonly kind: "clearBootstrap" }
  /**
   * Protocol 8.5: only when every in-sync copy is known to be gone, and a person has said so or nothing
   * can have been acknowledged.
   */
  | {
      readonly kind: "beginHistory";
      readonly copy: CopyPlace;
      /** The highest term that any copy has heard of. */
      readonly aboveTerm: number;
      readonly historyId: HistoryId;
    };

export type Refusal =
  /** The request belongs to another term than the record's. */
  | "otherTerm"
  | "notInSync"
  | "notRecovering"
  /** The primary leaves the set by a promotion only. */
  | "isPrimary"
  /** In neither set: a newer map says so to whoever asks. */
  | "notACopy"
  | "alreadyACopy"
  | "nothingToChange"
  /** An in-sync copy is promoted: it has everything. */
  | "inSync"
  | "sameHistory";

export type ChangeResult =
  { readonly ok: true; readonly record: ShardRecord } | { readonly ok: false; readonly refusal: Refusal };

export interface NewShard {
  readonly uid: ShardUid;
  readonly historyId: HistoryId;
  readonly bootstrap: string;
  /** First the primary. Never empty. */
  readonly copies: readonly CopyPlace[];
  readonly nowMs: number;
}

/** A copy that has kept up for this long after it was too slow starts with a clean sheet. */
const SLOWNESS_MEMORY_MS = 600_000;

export function newShardRecord(shard: NewShard): ShardRecord {
  const [primary, ...others] = shard.copies.map((copy) => copy.id);
  if (primary === undefined) throw new Error("a shard without copies has no record");
  return {
    uid: shard.uid,
    version: 1,
    term: 1,
    historyId: shard.historyId,
    primary,
    inSync: [primary],
    recovering: others,
    copies: shard.copies,
    departed: [],
    bootstrap: shard.bootstrap,
    lastChange: { reason: "ShardCreated", at: shard.nowMs },
  };
}

/** The record after the change, or why it may not happen. */
export function changeRecord(
  record: ShardRecord,
  change: RecordChange,
  reason: Reason,
  nowMs: number,
): ChangeResult {
  switch (change.kind) {
    case "promote":
      return promote(record, change.target, change.drop, reason, nowMs);
    case "addInSync":
      if (change.term !== record.term) return refused("otherTerm");
      if (!record.recovering.includes(change.id)) return refused("notRecovering");
      return changed(record, reason, nowMs, {
        inSync: [...record.inSync, change.id],
        recovering: record.recovering.filter((id) => id !== change.id),
        departed: record.departed.filter(
          (departed) => departed.node !== placeOf(record, change.id)?.node || isSlowness(departed.reason),
        ),
      });
    case "removeCopy":
      if (change.term !== record.term) return refused("otherTerm");
      if (change.id === record.primary) return refused("isPrimary");
      if (!isCopy(record, change.id)) return refused("notACopy");
      return changed(record, reason, nowMs, without(record, [change.id], reason, nowMs));
    case "addRecovering":
      if (isCopy(record, change.copy.id)) return refused("alreadyACopy");
      return changed(record, reason, nowMs, {
        recovering: [...record.recovering, change.copy.id],
        copies: [...record.copies, change.copy],
      });
    case "clearBootstrap":
      if (record.bootstrap === "") return refused("nothingToChange");
      return changed(record, reason, nowMs, { bootstrap: "" });
    case "beginHistory":
      return beginHistory(record, change, reason, nowMs);
  }
}

export function isCopy(record: ShardRecord, id: AllocationId): boolean {
  return record.inSync.includes(id) || record.recovering.includes(id);
}

export function placeOf(record: ShardRecord, id: AllocationId): CopyPlace | undefined {
  return record.copies.find((copy) => copy.id === id);
}

function promote(
  record: ShardRecord,
  target: AllocationId,
  drop: readonly AllocationId[],
  reason: Reason,
  nowMs: number,
): ChangeResult {
  if (!record.inSync.includes(target)) return refused("notInSync");
  const dropped = drop.filter((id) => id !== target && record.inSync.includes(id));
  return changed(record, reason, nowMs, {
    ...without(record, dropped, reason, nowMs),
    term: record.term + 1,
    primary: target,
  });
}

/** The term goes up as in every promotion; the history is another, which no copy of before can pass for. */
function beginHistory(
  record: ShardRecord,
  change: Extract<RecordChange, { kind: "beginHistory" }>,
  reason: Reason,
  nowMs: number,
): ChangeResult {
  const { copy, aboveTerm, historyId } = change;
  if (record.inSync.includes(copy.id)) return refused("inSync");
  if (historyId === record.historyId) return refused("sameHistory");
  const gone = record.copies.filter(({ node }) => node !== copy.node).map(({ id }) => id);
  const { departed = [] } = without(record, gone, reason, nowMs);
  return changed(record, reason, nowMs, {
    term: Math.max(record.term, aboveTerm) + 1,
    historyId,
    primary: copy.id,
    inSync: [copy.id],
    recovering: [],
    copies: [copy],
    departed: departed.filter(({ node }) => node !== copy.node),
    bootstrap: "",
  });
}

function without(
  record: ShardRecord,
  ids: readonly AllocationId[],
  reason: Reason,
  nowMs: number,
): Partial<ShardRecord> {
  const left = record.copies.filter((copy) => ids.includes(copy.id));
  const departed = left.map((copy): DepartedCopy => {
    const before = record.departed.find((other) => other.node === copy.node);
    return { node: copy.node, zone: copy.zone, at: nowMs, reason, attempts: attempts(before, reason, nowMs) };
  });
  const nodes = new Set(departed.map((copy) => copy.node));
  return {
    inSync: record.inSync.filter((id) => !ids.includes(id)),
    recovering: record.recovering.filter((id) => !ids.includes(id)),
    copies: record.copies.filter((copy) => !ids.includes(copy.id)),
    departed: [...record.departed.filter((copy) => !nodes.has(copy.node)), ...departed],
  };
}

function attempts(before: DepartedCopy | undefined, reason: Reason, nowMs: number): number {
  if (before === undefined) return 1;
  // Kept over being in sync, it says nothing of a copy that leaves for another reason.
  const isOver = isSlowness(before.reason) && (!isSlowness(reason) || nowMs - before.at > SLOWNESS_MEMORY_MS);
  return isOver ? 1 : before.attempts + 1;
}

function isSlowness(reason: Reason): boolean {
  return reason === "TooSlow" || reason === "JoinGivenUp";
}

function changed(
  record: ShardRecord,
  reason: Reason,
  nowMs: number,
  fields: Partial<ShardRecord>,
): ChangeResult {
  const lastChange = { reason, at: nowMs };
  return { ok: true, record: { ...record, lastChange, ...fields, version: record.version + 1 } };
}

function refused(refusal: Refusal): ChangeResult {
  return { ok: false, refusal };
}
