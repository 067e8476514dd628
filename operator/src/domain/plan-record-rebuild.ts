/**
 * Decides whether a shard's record that was deleted, emptied or put back to an older one can be made again
 * from what nodes prove, without losing an acknowledged write. docs/adr/0029-lost-records.md has the argument.
 *
 * A copy keeps on disk which record it was given, before it acts on it. Let M be the newest of them. Who acts
 * on a record after M is in a later in-sync set, and new ids come into that set only by the word of a primary
 * that was given a record which names them. So all who may have acted are the copies that M names. If each of
 * them was given nothing newer, nobody did, and what the protocol promises of M holds: its in-sync set has
 * every acknowledged write. The changes after M, if there were any, have not happened.
 */
import type { Reason } from "@prism/api/reason";
import type { AllocationId, HistoryId, NodeId, ShardRecord } from "./shard-record.js";

export type KeptShardRecord = Pick<
  ShardRecord,
  "uid" | "version" | "term" | "historyId" | "primary" | "inSync" | "recovering" | "copies"
>;

/** What a node says of the record that its copy was given last. */
export interface RecordProof {
  readonly node: NodeId;
  readonly copy: AllocationId;
  /** The highest that the copy has heard of. */
  readonly term: number;
  readonly historyId: HistoryId;
  readonly failure: Reason | undefined;
  readonly kept: KeptShardRecord;
  /**
   * It was said after all that this control plane has sent was taken, and with a lasting refusal of every
   * control plane before it: no newer record is on its way to the copy.
   */
  readonly isCurrent: boolean;
}

export interface LostRecord {
  /** What stands in the record's place, as far as it can be read. */
  readonly stored: { readonly version: number; readonly term: number } | undefined;
  /** The highest version that it is on record to have had; 0 when that is not kept. */
  readonly highestVersion: number;
  readonly proofs: readonly RecordProof[];
  /** Histories of the shard that a person gave up, or began to give up. */
  readonly givenUp: ReadonlySet<HistoryId>;
  readonly nameOf: (node: NodeId) => string;
  readonly nowMs: number;
}

export type RecordRebuild =
  | { readonly kind: "rebuild"; readonly record: ShardRecord; readonly from: KeptShardRecord }
  /** `missing`: each names what is not there, or speaks against it. */
  | { readonly kind: "refuse"; readonly missing: readonly string[] };

/**
 * Between the newest that is proved and the rebuilt one. A record that no copy ever heard of may lie in
 * somebody's backup: put back later, it must count as older than the rebuilt one, and be of another term.
 */
const VERSION_LEAP = 1_000_000;
const TERM_LEAP = 1000;

export function planRecordRebuild(lost: LostRecord): RecordRebuild {
  const { proofs, stored } = lost;
  const newest = newestOf(proofs);
  if (newest === undefined) {
    const unheard = "no node reports what record its copy was given";
    return { kind: "refuse", missing: [unheard, ...unproved(lost, 0)] };
  }
  const missing = [
    ...contradictions(lost, newest),
    ...[...newest.inSync, ...newest.recovering].flatMap((id) => doubt(lost, newest, id) ?? []),
  ];
  if (missing.length > 0) {
    return { kind: "refuse", missing: [...missing, ...unproved(lost, newest.version)] };
  }
  const term = Math.max(newest.term, stored?.term ?? 0) + TERM_LEAP;
  const version = Math.max(newest.version, stored?.version ?? 0, lost.highestVersion) + VERSION_LEAP;
  return { kind: "rebuild", from: newest, record: rebuilt(lost, newest, version, term) };
}

/** Says what a record that a person writes has to be newer than. */
function unproved({ highestVersion }: LostRecord, version: number): string[] {
  if (highestVersion <= version) return [];
  return [`the record was of version ${highestVersion}, which no node that answers was given`];
}

function newestOf(proofs: readonly RecordProof[]): KeptShardRecord | undefined {
  let newest: KeptShardRecord | undefined;
  for (const { kept } of proofs) {
    if (newest === undefined || kept.version > newest.version) newest = kept;
  }
  return newest;
}

/** What no answer of a further node could put right. */
function contradictions({ proofs, stored, givenUp }: LostRecord, newest: KeptShardRecord): string[] {
  const found: string[] = [];
  if (stored !== undefined && stored.version >= newest.version) {
    found.push(
      `the stored version ${stored.version} is not older than ${newest.version}, which nodes were given`,
    );
  }
  if (givenUp.has(newest.historyId)) {
    found.push(`the history of version ${newest.version} was given up by a forced reset that no node shows`);
  }
  const term = Math.max(...proofs.map((proof) => proof.term));
  if (term > newest.term) {
    found.push(
      `term ${term} was begun by a record that no node shows; the newest shown is of term ${newest.term}`,
    );
  }
  if (proofs.some(({ kept }) => kept.uid !== newest.uid)) found.push("nodes hold data of two such shards");
  const differs = proofs.some(({ kept }) => kept.version === newest.version && !sameRecord(kept, newest));
  if (differs) found.push(`nodes were given two records of version ${newest.version}`);
  return found;
}

/** Why the copy may have acted on a newer record than the newest that is proved; undefined when it has not. */
function doubt(
  { proofs, nameOf }: LostRecord,
  newest: KeptShardRecord,
  id: AllocationId,
): string | undefined {
  const proof = proofs.find(({ copy }) => copy === id);
  const place = newest.copies.find((copy) => copy.id === id);
  const what = `copy ${id} on ${place === undefined ? "an unknown node" : nameOf(place.node)}`;
  if (proof === undefined) return `${what} is not heard of`;
  if (!proof.isCurrent) return `${what} has not confirmed the newest map`;
  if (newest.inSync.includes(id) && proof.historyId !== newest.historyId)
    return `${what} is in another history`;
  return undefined;
}

/**
 * Recovering copies leave: they come back under ids of their own, as after every removal. Everything else
 * is as it was, in a new term.
 */
function rebuilt(
  { proofs, nowMs }: LostRecord,
  newest: KeptShardRecord,
  version: number,
  term: number,
): ShardRecord {
  const { uid, historyId, inSync } = newest;
  const isSound = (id: AllocationId): boolean =>
    proofs.some(({ copy, failure }) => copy === id && failure === undefined);
  const primary = isSound(newest.primary) ? newest.primary : (inSync.find(isSound) ?? newest.primary);
  return {
    uid,
    version,
    term,
    historyId,
    primary,
    inSync,
    recovering: [],
    copies: newest.copies.filter(({ id }) => inSync.includes(id)),
    departed: [],
    bootstrap: "",
    lastChange: { reason: "ShardRecordRebuilt", at: nowMs },
  };
}

function sameRecord(left: KeptShardRecord, right: KeptShardRecord): boolean {
  const same = (a: readonly string[], b: readonly string[]): boolean =>
    a.length === b.length && a.every((id) => b.includes(id));
  return (
    left.term === right.term &&
    left.historyId === right.historyId &&
    left.primary === right.primary &&
    same(left.inSync, right.inSync) &&
    same(left.recovering, right.recovering)
  );
}
