/**
 * The invariants of one shard, held against everything that happens: what the copies have in memory and
 * on disk, what the store says, what was acknowledged and what was read. Names and statements are those
 * of docs/replication.md.
 */
import type { CopyMessage } from "@prism/dataplane/domain/replication/event";
import type { ShardRecord as StoredRecord } from "@prism/operator/domain/shard-record";
import type { ShardRecord as DiskRecord } from "@prism/dataplane/adapters/lmdb/shard-record";
import { clientOperationId, sameEntry, writerOf, type CommittedHistory } from "./committed-history.js";
import type { DiskCopies } from "./disk-copies.js";
import type { MemoryCopy } from "./memory-copy.js";
import { ShardHistory } from "./shard-history.js";
import { InvariantViolation } from "./violation.js";

/** What the checker asks of the world. */
export interface CheckedWorld {
  /** Of the node's present volume. */
  disk(node: string): DiskCopies | undefined;
  /** The id's volume is gone for good. */
  isLost(allocationId: string): boolean;
  copies(shard: string): Iterable<MemoryCopy>;
  domainOf(nodeId: string): string;
}

interface Member {
  readonly id: string;
  readonly disk: DiskCopies;
  readonly record: DiskRecord;
}

export class ShardChecker {
  readonly uid: string;
  readonly #world: CheckedWorld;
  readonly #histories = new Map<string, ShardHistory>();
  /** The history of the record as it is now. */
  present = new ShardHistory();
  /** Every record the store ever held, oldest first; the last is that of now. */
  readonly records: StoredRecord[] = [];
  acknowledged = 0;
  isRecordGone = false;
  /** Version of the older record that stands in the place of the right one. */
  #olderVersion: number | undefined;
  readonly #ackers = new Map<number, string>();
  readonly #acked = new Set<string>();
  /** Operations whose caller was told that they were not executed. */
  readonly #refused = new Set<string>();

  constructor(uid: string, world: CheckedWorld) {
    this.uid = uid;
    this.#world = world;
  }

  get record(): StoredRecord | undefined {
    return this.records.at(-1);
  }

  get history(): CommittedHistory {
    return this.present.committed;
  }

  /** The history that a copy is in: after a forced reset some are in an older one. */
  historyOf(copy: MemoryCopy): ShardHistory {
    return this.#historyOf(copy.machine.historyId);
  }

  #historyOf(id: string): ShardHistory {
    // The first one is there before anybody names it.
    if (this.#histories.size === 0) this.#histories.set(id, this.present);
    let history = this.#histories.get(id);
    if (history === undefined) this.#histories.set(id, (history = new ShardHistory()));
    return history;
  }

  // ---------------------------------------------------------------- records that are put back

  /** All of the record's copies are known to those who act on it: each would see that an older one is older. */
  mayBePutBack(): boolean {
    const { record } = this;
    if (record === undefined || this.isRecordGone || this.#olderVersion !== undefined) return false;
    return (
      [...this.#world.copies(this.uid)].filter((copy) => copy.machine.mapVersion >= record.version).length >=
      2
    );
  }

  recordPutBack(version: number): void {
    this.#olderVersion = version;
  }

  /** Somebody deleted the record of a shard that is to stay. */
  recordDeleted(): void {
    this.isRecordGone = true;
  }

  get isPutBack(): boolean {
    return this.#olderVersion !== undefined;
  }

  recordPutForward(): void {
    this.#olderVersion = undefined;
  }

  /** NoActionOnOlderRecord: nobody may have changed the record that was put back, but to make it new again. */
  #checkPutBack(record: StoredRecord): void {
    if (this.#olderVersion === undefined || record.version === this.#olderVersion) return;
    const isMadeAgain = record.lastChange.reason === "ShardRecordRebuilt";
    if (
      isMadeAgain &&
      this.records.every(({ version, term }) => version < record.version && term < record.term)
    ) {
      this.#olderVersion = undefined;
      return;
    }
    const detail = `version ${record.version} was made of version ${this.#olderVersion}, which had been put back`;
    throw new InvariantViolation("NoActionOnOlderRecord", detail);
  }

  /** InSyncNeverEmpty and NoTwoCopiesInOneDomain. */
  recordStored(record: StoredRecord): void {
    this.#checkPutBack(record);
    this.isRecordGone = false;
    // Nobody is bound by what somebody put in the place of the record.
    if (this.#olderVersion !== undefined) return;
    this.records.push(record);
    this.#followHistory(record);
    const { inSync, recovering, primary, copies } = record;
    const describe = (): string => `version ${record.version}: ${primary} leads ${inSync.join(" ")}`;
    if (!inSync.includes(primary)) throw new InvariantViolation("InSyncNeverEmpty", describe());
    if (inSync.some((id) => recovering.includes(id))) {
      throw new InvariantViolation("InSyncNeverEmpty", `${describe()}, recovering ${recovering.join(" ")}`);
    }
    const domains = new Set(copies.map((copy) => this.#world.domainOf(copy.node)));
    if (domains.size < copies.length) {
      const placed = copies.map(({ id, node }) => `${id} in ${this.#world.domainOf(node)}`);
      throw new InvariantViolation("NoTwoCopiesInOneDomain", placed.join(", "));
    }
  }

  /**
   * A forced reset: what the chosen copy has on disk of the history it is in is kept, and with it every promise
   * about that much. What it has in memory alone it may lose before the reset reaches it.
   */
  #followHistory({ historyId, primary, copies }: StoredRecord): void {
    if (this.#histories.size > 0 && !this.#histories.has(historyId)) {
      const node = copies.find(({ id }) => id === primary)?.node ?? "";
      const disk = this.#world.disk(node);
      const held = disk?.records.get(this.uid);
      const before = held === undefined ? this.present : this.#historyOf(held.historyId);
      const kept = held === undefined ? 0 : disk!.matched(this.uid, before.committed);
      this.#histories.set(historyId, new ShardHistory(before, kept));
    }
    this.present = this.#historyOf(historyId);
  }

  // ---------------------------------------------------------------- what copies do

  /** SameLogUpToGlobalCheckpoint, in memory: the committed part of the copy's log is the committed history. */
  committed(copy: MemoryCopy): void {
    const known = this.historyOf(copy);
    const history = known.committed;
    if (copy.matchedIn !== known) copy.matched = copy.baseSeq;
    copy.matchedIn = known;
    if (!known.begun) {
      // What a reset began with counts with the first commit; until then a crash may take what was not on disk.
      if (copy.machine.role !== "primary" || !copy.machine.ready) return;
      known.begun = true;
      known.inherit(copy.baseSeq);
    }
    if (copy.matched < copy.baseSeq) copy.matched = copy.baseSeq;
    while (copy.matched < copy.checkpoint) {
      const seq = copy.matched + 1;
      const entry = copy.at(seq);
      if (entry === undefined) throw this.#broken(copy, `has a hole at ${seq} below ${copy.checkpoint}`);
      const committed = history.at(seq);
      if (committed === undefined) {
        this.#checkRefused(clientOperationId(entry));
        this.#checkRefused(writerOf(entry));
        history.append(entry);
      } else if (!sameEntry(entry, committed)) {
        throw this.#broken(
          copy,
          `holds ${entry.operationId} of term ${entry.term} at ${seq}, committed is ${committed.operationId} of ${committed.term}`,
        );
      }
      copy.matched = seq;
    }
    if (copy.baseSeq > history.lastSeq) {
      throw this.#broken(copy, `begins above ${copy.baseSeq}, committed is ${history.lastSeq}`);
    }
  }

  #broken(copy: MemoryCopy, what: string): InvariantViolation {
    return new InvariantViolation("SameLogUpToGlobalCheckpoint", `${copy.node.name} ${what}`);
  }

  /** LocalCheckpointMatchesMaxConfirmedSeq: what a replica confirms is what the primary of that term holds. */
  confirmed(copy: MemoryCopy, message: CopyMessage, confirmed: number): void {
    if (confirmed > copy.lastSeq) throw this.#unmatched(copy, confirmed, "does not hold that much");
    for (const primary of this.#world.copies(this.uid)) {
      if (primary === copy) continue;
      const { role, term } = primary.machine;
      if (role !== "primary" || term !== message.term) continue;
      const known = Math.min(copy.matched, primary.matched);
      for (let seq = Math.max(known, copy.baseSeq, primary.baseSeq) + 1; seq <= confirmed; seq += 1) {
        const [held, led] = [copy.at(seq), primary.at(seq)];
        if (held === undefined || led === undefined || !sameEntry(held, led)) {
          throw this.#unmatched(
            copy,
            confirmed,
            `differs at ${seq} from ${primary.node.name} in term ${term}`,
          );
        }
      }
    }
  }

  #unmatched(copy: MemoryCopy, confirmed: number, why: string): InvariantViolation {
    const detail = `${copy.node.name} confirms ${confirmed} and ${why}`;
    return new InvariantViolation("LocalCheckpointMatchesMaxConfirmedSeq", detail);
  }

  /** PrimaryWaitsForStoredSet. */
  checkWaits(): void {
    const { record } = this;
    if (record === undefined || this.#olderVersion !== undefined) return;
    for (const copy of this.#world.copies(this.uid)) {
      const { role, term } = copy.machine;
      if (role !== "primary" || term !== record.term || copy.allocationId !== record.primary) continue;
      const waitedFor: ReadonlySet<string> | undefined = copy.machine.waitedFor();
      if (waitedFor === undefined) continue;
      const left = record.inSync.filter((id) => !waitedFor.has(id));
      if (left.length > 0) {
        const detail = `${copy.node.name} in term ${term} does not wait for ${left.join(" ")}, stored in sync`;
        throw new InvariantViolation("PrimaryWaitsForStoredSet", detail);
      }
    }
  }

  // ---------------------------------------------------------------- what the disks hold

  /** AllAckedResponsesStored and GlobalCheckpointBelowLocalCheckpoints, over the stored in-sync set. */
  checkDisks(): void {
    if (this.#olderVersion !== undefined) return;
    const { begun, ackedSeq } = this.present;
    const members = this.#members();
    let lowest: Member | undefined;
    for (const member of members) {
      const matched = member.disk.matched(this.uid, this.history);
      if (matched < ackedSeq) {
        const detail = `${ackedSeq} is acknowledged, ${member.id} has ${matched} on disk`;
        throw new InvariantViolation("AllAckedResponsesStored", detail);
      }
      if (lowest === undefined || member.record.lastSeq < lowest.record.lastSeq) lowest = member;
    }
    if (lowest === undefined || !begun) return;
    for (const copy of this.#world.copies(this.uid)) {
      const { checkpoint } = copy;
      if (checkpoint <= lowest.record.lastSeq || !members.some(({ id }) => id === copy.allocationId))
        continue;
      const detail = `${copy.node.name} has checkpoint ${checkpoint}, the log of ${lowest.id} ends at ${lowest.record.lastSeq} on disk`;
      throw new InvariantViolation("GlobalCheckpointBelowLocalCheckpoints", detail);
    }
  }

  /** AppliedBelowCheckpoint, in every transaction. */
  checkApplied(node: string, record: DiskRecord): void {
    if (record.appliedSeq <= record.globalCheckpoint) return;
    const detail = `${node} has applied ${record.appliedSeq} with checkpoint ${record.globalCheckpoint} on disk`;
    throw new InvariantViolation("AppliedBelowCheckpoint", detail);
  }

  #members(): Member[] {
    const { record } = this;
    if (record === undefined) return [];
    const members: Member[] = [];
    for (const id of record.inSync) {
      const place = record.copies.find((copy) => copy.id === id);
      if (place === undefined || this.#world.isLost(id)) continue;
      const disk = this.#world.disk(place.node);
      const held = disk?.records.get(this.uid);
      if (disk !== undefined && held?.allocationId === id) members.push({ id, disk, record: held });
      else if (this.present.begun && this.present.ackedSeq > 0) {
        const detail = `${this.present.ackedSeq} is acknowledged, ${place.node} does not hold ${id}`;
        throw new InvariantViolation("AllAckedResponsesStored", detail);
      }
    }
    return members;
  }

  // ---------------------------------------------------------------- what clients are told

  /** Of a write: an acknowledgement means that it is committed. */
  acked(operationId: string, seq: number, term: number, by: MemoryCopy, atMs: number): void {
    const history = this.historyOf(by);
    const entry = history.committed.at(seq);
    if (entry === undefined || clientOperationId(entry) !== operationId || entry.term !== term) {
      const detail = `${by.node.name} acknowledges ${operationId} at ${seq} of term ${term}, committed is ${entry?.operationId ?? "nothing"}`;
      throw new InvariantViolation("AllAckedResponsesStored", detail);
    }
    const leads = by.machine.term;
    const acker = `${by.allocationId} of process ${by.node.bootId}`;
    const before = this.#ackers.get(leads);
    if (before !== undefined && before !== acker) {
      throw new InvariantViolation("AtMostOneAckingPrimaryPerTerm", `term ${leads}: ${before} and ${acker}`);
    }
    this.#ackers.set(leads, acker);
    history.acked(seq, atMs);
    this.acknowledged += 1;
    this.#acked.add(operationId);
  }

  isAcked(operationId: string): boolean {
    return this.#acked.has(operationId);
  }

  /** Whether a version is one of the present history: of an older one nothing is promised any more. */
  holds(version: { readonly term: number; readonly seq: number }): boolean {
    return this.history.at(version.seq)?.term === version.term;
  }

  /** The client was told for good that the operation was not executed. */
  refused(operationId: string): void {
    this.#refused.add(operationId);
    const isCommitted = [...this.#histories.values(), this.present].some(({ committed }) =>
      committed.has(operationId),
    );
    if (isCommitted) this.#checkRefused(operationId);
  }

  #checkRefused(operationId: string): void {
    if (!this.#refused.has(operationId)) return;
    const detail = `${operationId} was answered as not executed, and is committed`;
    throw new InvariantViolation("ExactlyOnce", detail);
  }
}
