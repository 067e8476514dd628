/**
 * The primary's half of the protocol: commit by checkpoint, sending, joins, leaves, hand-off. Lives
 * for one term of one copy; every map, message and disk completion of that term goes through it.
 *
 *   write -> append -> [own fsync | replicate to every tracked copy] -> advance -> commit
 *   join:  recovering copy catches up -> counted in `local` at once -> addInSync asked -> a map confirms
 *   leave: silent or cut copy -> removeCopy asked -> still waited for -> a map confirms -> not waited for
 *
 * PrimaryWaitsForStoredSet: `local` is always a superset of the stored in-sync set of this term.
 */
import type { Reason } from "@prism/api/reason";
import type { AllocationId, HistoryId, ShardMap } from "../cluster-map.js";
import type { CopyLog } from "./copy-log.js";
import { newProgress, type CopyProgress } from "./copy-progress.js";
import type { CopyMessage, CopySettings, MessageBody, NewEntry, WriteRefusal } from "./event.js";
import type { LogEntry } from "./log-entry.js";
import type { StepOutput } from "./step-output.js";

/** Unanswered requests to the control plane and unanswered messages are repeated at this pace. */
const REPEAT_MS = 250;
/** A hand-off that was not answered by a new map by then is given up: the term stands, writes go on here. */
const HAND_OFF_MAX_MS = 3000;
/** Entries in one send effect; the shell may cut it further by bytes. */
const SEND_ENTRIES_MAX = 512;
/** Entries resent to a copy that fell silent, until it answers again. */
const PROBE_ENTRIES_MAX = 16;

export interface PrimarySelf {
  readonly allocationId: AllocationId;
  readonly historyId: HistoryId;
  readonly term: number;
  readonly log: CopyLog;
  readonly settings: CopySettings;
  readonly newSnapshotId: () => string;
}

interface Leaving {
  readonly reason: Reason;
  askedMs: number;
}

interface HandOff {
  readonly target: AllocationId;
  readonly startedMs: number;
  askedMs: number | undefined;
}

export class PrimaryRole {
  readonly #self: PrimarySelf;
  #map: ShardMap;
  /** Seq of the term's first no-op: until it is committed there is no join, hand-off or strong read. */
  readonly startSeq: number;
  /** Own log known to be on disk, in tickets of this role. */
  #ownDurableSeq = 0;
  /** False until the activation is durable: nothing is sent in the term before. */
  #activated = false;
  readonly #local: Set<AllocationId>;
  readonly #joining = new Map<AllocationId, { askedMs: number }>();
  readonly #leaving = new Map<AllocationId, Leaving>();
  readonly #progress = new Map<AllocationId, CopyProgress>();
  #handOff: HandOff | undefined;

  constructor(self: PrimarySelf, map: ShardMap, startSeq: number, nowMs: number) {
    this.#self = self;
    this.#map = map;
    this.startSeq = startSeq;
    this.#local = new Set(map.inSync);
    this.#track(nowMs);
  }

  get ready(): boolean {
    return this.#self.log.globalCheckpoint >= this.startSeq;
  }

  get draining(): boolean {
    return this.#handOff !== undefined;
  }

  get term(): number {
    return this.#self.term;
  }

  /** Every copy without which nothing is committed, joining and leaving ones and this one too. */
  get waitedFor(): ReadonlySet<AllocationId> {
    return this.#local;
  }

  get floorMet(): boolean {
    return this.#map.inSync.length >= this.#self.settings.minReplicasForWrite;
  }

  lag(nowMs: number): { copy: AllocationId; confirmed: number; silenceMs: number }[] {
    return [...this.#progress.values()].map((progress) => ({
      copy: progress.copy,
      confirmed: progress.match ?? 0,
      silenceMs: progress.waitingSinceMs === undefined ? 0 : Math.max(0, nowMs - progress.waitingSinceMs),
    }));
  }

  refusal(): WriteRefusal | undefined {
    if (this.#handOff !== undefined) return "draining";
    if (!this.floorMet) return "notEnoughCopies";
    const { log, settings } = this.#self;
    return log.lastSeq - log.globalCheckpoint >= settings.maxPendingEntries ? "tooManyPending" : undefined;
  }

  // ---------------------------------------------------------------- own disk and writes

  activationDurable(out: StepOutput, nowMs: number, disconnected: ReadonlySet<AllocationId>): void {
    this.#activated = true;
    for (const copy of disconnected) this.disconnected(copy, out, nowMs);
    this.#pumpAll(out, nowMs);
  }

  ownDurable(seq: number, out: StepOutput, nowMs: number): void {
    this.#ownDurableSeq = Math.max(this.#ownDurableSeq, seq);
    this.#advance(out, nowMs);
  }

  write(entries: readonly NewEntry[], out: StepOutput, nowMs: number): void {
    const { log, term } = this.#self;
    const appended: LogEntry[] = [];
    for (const entry of entries) {
      const seq = log.append(term, nowMs);
      appended.push({ ...entry, seq, term, timeMs: log.lastTimeMs });
    }
    out.append(appended);
    this.#pumpAll(out, nowMs);
  }

  // ---------------------------------------------------------------- answers from copies

  replicateOk(
    from: AllocationId,
    confirmed: number,
    checkpoint: number,
    out: StepOutput,
    nowMs: number,
  ): void {
    const progress = this.#progress.get(from);
    if (progress === undefined) return;
    const advanced = progress.match === undefined || confirmed > progress.match;
    progress.match = Math.max(progress.match ?? 0, confirmed);
    progress.nextSeq = Math.max(progress.nextSeq, progress.match + 1);
    progress.windowBase = Math.max(progress.windowBase, progress.match);
    progress.reportedCheckpoint = Math.max(progress.reportedCheckpoint, checkpoint);
    progress.lastHeardMs = nowMs;
    progress.probing = false;
    progress.needsSnapshot = false;
    this.#heard(progress, advanced, out, nowMs);
    this.#advance(out, nowMs);
    this.#maybeJoin(progress, out, nowMs);
    this.#pump(progress, out, nowMs);
  }

  /**
   * The copy does not hold what precedes our message. Go back to its checkpoint, which nothing at or
   * below can differ from; if the log does not reach back that far, or the histories differ, a
   * snapshot is the only way. An in-sync copy holds all that was ever committed, so for it the own
   * checkpoint is far enough.
   */
  mismatch(
    from: AllocationId,
    body: MessageBody & { kind: "mismatch" },
    sameHistory: boolean,
    out: StepOutput,
    nowMs: number,
  ): void {
    const progress = this.#progress.get(from);
    if (progress === undefined) return;
    progress.lastHeardMs = nowMs;
    if (progress.snapshotId !== undefined) return;
    const { log } = this.#self;
    const counted = this.#local.has(from);
    const start = Math.max(body.globalCheckpoint, progress.match ?? 0, counted ? log.baseSeq : 0);
    if (!counted && (!sameHistory || start < log.baseSeq)) {
      progress.needsSnapshot = true;
      progress.waitingSinceMs = undefined;
    } else {
      progress.nextSeq = Math.min(start, log.lastSeq) + 1;
      progress.windowBase = progress.nextSeq - 1;
      progress.probing = false;
    }
    this.#pump(progress, out, nowMs);
  }

  snapshotSent(to: AllocationId, snapshotId: string, ok: boolean, out: StepOutput, nowMs: number): void {
    const progress = this.#progress.get(to);
    if (progress === undefined || progress.snapshotId !== snapshotId) return;
    out.note({ what: ok ? "snapshotSent" : "snapshotFailed", copy: to });
    progress.snapshotId = undefined;
    // Failed: the next probe is answered by a mismatch, which asks for a snapshot again, paced by REPEAT_MS.
    progress.needsSnapshot = false;
    progress.probing = true;
    progress.nextSeq = this.#self.log.globalCheckpoint + 1;
    progress.lastSentMs = ok ? 0 : nowMs;
    if (ok) this.#pump(progress, out, nowMs);
  }

  // ---------------------------------------------------------------- connections, maps, time

  disconnected(copy: AllocationId, out: StepOutput, nowMs: number): void {
    const progress = this.#progress.get(copy);
    if (progress === undefined) return;
    if (progress.snapshotId !== undefined) this.#cancelSnapshot(progress, out);
    progress.probing = true;
    if (this.#local.has(copy)) this.#leave(copy, "ReplicaDisconnected", out, nowMs);
  }

  connected(copy: AllocationId, out: StepOutput, nowMs: number): void {
    const progress = this.#progress.get(copy);
    if (progress === undefined) return;
    progress.lastSentMs = 0;
    if (progress.waitingSinceMs !== undefined && this.#activated) this.#resend(progress, out, nowMs);
    this.#pump(progress, out, nowMs);
  }

  /** Protocol 7.4: a newer map of the own term; the only confirmation of joins and leaves. */
  applyMap(map: ShardMap, out: StepOutput, nowMs: number): void {
    this.#map = map;
    const { allocationId } = this.#self;
    for (const copy of map.inSync) {
      this.#local.add(copy);
      if (this.#joining.delete(copy)) out.note({ what: "joinConfirmed", copy });
    }
    for (const copy of this.#local) {
      if (copy === allocationId || map.inSync.includes(copy) || map.recovering.includes(copy)) continue;
      this.#local.delete(copy);
      this.#joining.delete(copy);
      this.#leaving.delete(copy);
      out.note({ what: "left", copy });
    }
    this.#untrack(out);
    this.#track(nowMs);
    this.#advance(out, nowMs);
    this.#pumpAll(out, nowMs);
  }

  tick(retainFromSeq: number, out: StepOutput, nowMs: number): void {
    if (!this.#activated) return;
    const { replicaTimeoutMs } = this.#self.settings;
    for (const progress of this.#progress.values()) {
      const { copy } = progress;
      const silent =
        progress.waitingSinceMs !== undefined && nowMs - progress.waitingSinceMs > replicaTimeoutMs;
      if (silent && this.#local.has(copy)) this.#leave(copy, "ReplicaTimeout", out, nowMs);
      this.#repeatRequests(copy, out, nowMs);
      if (nowMs - progress.lastSentMs < REPEAT_MS) continue;
      if (progress.waitingSinceMs !== undefined) this.#resend(progress, out, nowMs);
      else if (nowMs - progress.lastSentMs >= replicaTimeoutMs / 2) this.#sendNotice(progress, out, nowMs);
      this.#pump(progress, out, nowMs);
    }
    this.#continueHandOff(out, nowMs);
    this.#trim(retainFromSeq, out);
  }

  /** Ends what the role has under way; the copy is no longer primary. */
  end(out: StepOutput): void {
    for (const progress of this.#progress.values()) this.#cancelSnapshot(progress, out);
    if (this.#handOff !== undefined) this.#handOff = undefined;
    out.emit({ kind: "stepDown" });
  }

  // ---------------------------------------------------------------- hand-off (protocol 10)

  handOff(target: AllocationId | undefined, out: StepOutput, nowMs: number): void {
    if (target === undefined) return this.#abortHandOff(out);
    const settled = this.#joining.size === 0 && this.#leaving.size === 0;
    const known = this.#map.inSync.includes(target) && this.#progress.get(target)?.match !== undefined;
    if (!this.ready || !settled || !known) {
      out.note({ what: "handOffAborted", target });
      return;
    }
    this.#handOff = { target, startedMs: nowMs, askedMs: undefined };
    out.note({ what: "handOffStarted", target });
    this.#continueHandOff(out, nowMs);
  }

  #abortHandOff(out: StepOutput): void {
    if (this.#handOff !== undefined) out.note({ what: "handOffAborted", target: this.#handOff.target });
    this.#handOff = undefined;
  }

  #continueHandOff(out: StepOutput, nowMs: number): void {
    const handOff = this.#handOff;
    if (handOff === undefined) return;
    const { log, term } = this.#self;
    if (nowMs - handOff.startedMs > HAND_OFF_MAX_MS || !this.#map.inSync.includes(handOff.target)) {
      return this.#abortHandOff(out);
    }
    if (log.globalCheckpoint !== log.lastSeq) return;
    if (handOff.askedMs !== undefined && nowMs - handOff.askedMs < REPEAT_MS) return;
    if (handOff.askedMs === undefined) out.note({ what: "handOffAsked", target: handOff.target });
    handOff.askedMs = nowMs;
    out.emit({ kind: "request", action: "promote", allocationId: handOff.target, term, reason: "HandOff" });
  }

  // ---------------------------------------------------------------- commit

  /** Protocol 5.3. An acknowledgement means checkpoint >= seq, never "this operation is on all copies". */
  #advance(out: StepOutput, nowMs: number): void {
    if (!this.#activated) return;
    const { log, allocationId } = this.#self;
    let checkpoint = this.#ownDurableSeq;
    for (const copy of this.#local) {
      if (copy === allocationId) continue;
      const match = this.#progress.get(copy)?.match;
      if (match === undefined) return;
      checkpoint = Math.min(checkpoint, match);
    }
    if (checkpoint <= log.globalCheckpoint) return;
    const wasReady = this.ready;
    log.globalCheckpoint = checkpoint;
    out.persist({ globalCheckpoint: checkpoint });
    out.emit({ kind: "commit", through: checkpoint, floorMet: this.floorMet });
    if (!wasReady && this.ready)
      out.note({ what: "ready", term: this.#self.term, globalCheckpoint: checkpoint });
    for (const progress of this.#progress.values()) {
      if (!wasReady) this.#maybeJoin(progress, out, nowMs);
      this.#pump(progress, out, nowMs);
    }
    this.#continueHandOff(out, nowMs);
  }

  /** Protocol 7.2, in one step: the copy is waited for before the store is asked, so it can't be promoted unfilled. */
  #maybeJoin(progress: CopyProgress, out: StepOutput, nowMs: number): void {
    const { copy, match } = progress;
    const { log, term } = this.#self;
    if (!this.#map.recovering.includes(copy) || this.#local.has(copy) || this.#leaving.has(copy)) return;
    if (!this.ready || this.#handOff !== undefined || match === undefined || match < log.globalCheckpoint)
      return;
    this.#local.add(copy);
    this.#joining.set(copy, { askedMs: nowMs });
    out.note({ what: "joinStarted", copy });
    out.emit({ kind: "request", action: "addInSync", allocationId: copy, term, reason: "CaughtUp" });
  }

  /** Protocol 7.3: ask for the removal, go on waiting; nothing commits without the copy until a map shows it gone. */
  #leave(copy: AllocationId, reason: Reason, out: StepOutput, nowMs: number): void {
    if (this.#leaving.has(copy)) return;
    const why = this.#joining.delete(copy) ? "JoinGivenUp" : reason;
    this.#leaving.set(copy, { reason: why, askedMs: nowMs });
    out.note({ what: "removalAsked", copy, reason: why });
    out.emit({
      kind: "request",
      action: "removeCopy",
      allocationId: copy,
      term: this.#self.term,
      reason: why,
    });
  }

  #repeatRequests(copy: AllocationId, out: StepOutput, nowMs: number): void {
    const { term } = this.#self;
    const joining = this.#joining.get(copy);
    if (joining !== undefined && nowMs - joining.askedMs >= REPEAT_MS) {
      joining.askedMs = nowMs;
      out.emit({ kind: "request", action: "addInSync", allocationId: copy, term, reason: "CaughtUp" });
    }
    const leaving = this.#leaving.get(copy);
    if (leaving !== undefined && nowMs - leaving.askedMs >= REPEAT_MS) {
      leaving.askedMs = nowMs;
      out.emit({ kind: "request", action: "removeCopy", allocationId: copy, term, reason: leaving.reason });
    }
  }

  /** A copy that was on its way out and confirms everything again may stay, unless its removal is already stored. */
  #heard(progress: CopyProgress, advanced: boolean, out: StepOutput, nowMs: number): void {
    const owed = progress.nextSeq - 1 > (progress.match ?? 0);
    if (!owed) progress.waitingSinceMs = undefined;
    else if (advanced) progress.waitingSinceMs = nowMs;
    const leaving = this.#leaving.get(progress.copy);
    if (leaving === undefined || owed || leaving.reason === "JoinGivenUp") return;
    this.#leaving.delete(progress.copy);
    out.note({ what: "removalWithdrawn", copy: progress.copy });
  }

  // ---------------------------------------------------------------- sending

  #pumpAll(out: StepOutput, nowMs: number): void {
    for (const progress of this.#progress.values()) this.#pump(progress, out, nowMs);
  }

  /** Sends what the copy lacks, within its window; a commit notice when there is nothing else to send. */
  #pump(progress: CopyProgress, out: StepOutput, nowMs: number): void {
    if (!this.#activated || progress.snapshotId !== undefined) return;
    if (progress.needsSnapshot) {
      if (nowMs - progress.snapshotStartedMs >= REPEAT_MS) this.#startSnapshot(progress, out, nowMs);
      return;
    }
    const { log, settings } = this.#self;
    if (progress.probing && progress.match === undefined && !this.#local.has(progress.copy)) {
      if (progress.lastSentMs === 0) this.#sendNotice(progress, out, nowMs);
      return;
    }
    if (progress.probing && progress.waitingSinceMs !== undefined) return;
    if (progress.nextSeq <= log.baseSeq) {
      progress.needsSnapshot = !this.#local.has(progress.copy);
      progress.nextSeq = log.baseSeq + 1;
      if (progress.needsSnapshot) return;
    }
    const windowEnd = progress.windowBase + settings.windowEntries;
    while (progress.nextSeq <= log.lastSeq && progress.nextSeq <= windowEnd) {
      const through = Math.min(log.lastSeq, windowEnd, progress.nextSeq + SEND_ENTRIES_MAX - 1);
      this.#sendEntries(progress, progress.nextSeq, through, out, nowMs);
      progress.nextSeq = through + 1;
    }
    if (progress.nextSeq > log.lastSeq && progress.toldCheckpoint < this.#checkpointFor(progress)) {
      this.#sendNotice(progress, out, nowMs);
    }
  }

  /** After silence: go back to what is confirmed, and send little until the copy answers. */
  #resend(progress: CopyProgress, out: StepOutput, nowMs: number): void {
    if (progress.snapshotId !== undefined || progress.needsSnapshot) return;
    const { log } = this.#self;
    progress.probing = true;
    const from = Math.max((progress.match ?? log.globalCheckpoint) + 1, log.baseSeq + 1);
    if (from > log.lastSeq) {
      this.#sendNotice(progress, out, nowMs);
      return;
    }
    const through = Math.min(log.lastSeq, from + PROBE_ENTRIES_MAX - 1);
    this.#sendEntries(progress, from, through, out, nowMs);
    progress.nextSeq = through + 1;
  }

  #sendEntries(
    progress: CopyProgress,
    fromSeq: number,
    throughSeq: number,
    out: StepOutput,
    nowMs: number,
  ): void {
    const message = this.#replicate(progress, fromSeq - 1);
    out.emit({ kind: "sendEntries", message, fromSeq, throughSeq });
    progress.lastSentMs = nowMs;
    progress.waitingSinceMs ??= nowMs;
  }

  /** A replicate message without entries: probe, commit notice and sign of life in one. */
  #sendNotice(progress: CopyProgress, out: StepOutput, nowMs: number): void {
    const { log } = this.#self;
    const previous =
      progress.match === undefined ? log.globalCheckpoint : Math.min(progress.match, log.lastSeq);
    out.emit({ kind: "send", message: this.#replicate(progress, Math.max(previous, log.baseSeq)) });
    progress.lastSentMs = nowMs;
    progress.waitingSinceMs ??= nowMs;
  }

  #replicate(progress: CopyProgress, previousSeq: number): CopyMessage {
    const globalCheckpoint = this.#checkpointFor(progress);
    progress.toldCheckpoint = Math.max(progress.toldCheckpoint, globalCheckpoint);
    return this.#message(progress.copy, {
      kind: "replicate",
      previousSeq,
      previousTerm: this.#self.log.termAt(previousSeq) ?? 0,
      entries: [],
      globalCheckpoint,
    });
  }

  /** A copy that is not in sync is never told of more than it confirmed, so it can't keep a checkpoint above a hole. */
  #checkpointFor(progress: CopyProgress): number {
    const { globalCheckpoint } = this.#self.log;
    return this.#local.has(progress.copy)
      ? globalCheckpoint
      : Math.min(globalCheckpoint, progress.match ?? 0);
  }

  #message(to: AllocationId, body: MessageBody): CopyMessage {
    const { allocationId, historyId, term } = this.#self;
    return { shardUid: this.#map.uid, historyId, from: allocationId, to, term, body };
  }

  // ---------------------------------------------------------------- snapshots and trimming

  #startSnapshot(progress: CopyProgress, out: StepOutput, nowMs: number): void {
    const snapshotId = this.#self.newSnapshotId();
    progress.snapshotId = snapshotId;
    progress.needsSnapshot = false;
    progress.waitingSinceMs = undefined;
    progress.snapshotStartedMs = nowMs;
    progress.lastSentMs = nowMs;
    out.note({ what: "snapshotStarted", copy: progress.copy });
    out.emit({ kind: "startSnapshot", to: progress.copy, snapshotId });
  }

  #cancelSnapshot(progress: CopyProgress, out: StepOutput): void {
    if (progress.snapshotId === undefined) return;
    out.emit({ kind: "cancelSnapshot", to: progress.copy, snapshotId: progress.snapshotId });
    progress.snapshotId = undefined;
    progress.probing = true;
  }

  /** Protocol 7.1.5: never above what a tracked copy still needs; a snapshot under way pins the log whole. */
  #trim(retainFromSeq: number, out: StepOutput): void {
    const { log } = this.#self;
    let through = Math.min(retainFromSeq - 1, log.globalCheckpoint);
    for (const progress of this.#progress.values()) {
      if (progress.snapshotId !== undefined) return;
      if (this.#local.has(progress.copy)) through = Math.min(through, progress.reportedCheckpoint);
      else if (progress.match !== undefined) through = Math.min(through, progress.match);
    }
    if (through <= log.baseSeq) return;
    log.trimThrough(through);
    out.persist({ trimThrough: { seq: log.baseSeq, term: log.baseTerm } });
  }

  #track(nowMs: number): void {
    for (const copy of [...this.#map.inSync, ...this.#map.recovering]) {
      if (copy === this.#self.allocationId || this.#progress.has(copy)) continue;
      this.#progress.set(copy, newProgress(copy, this.#self.log.globalCheckpoint + 1, nowMs));
    }
  }

  #untrack(out: StepOutput): void {
    for (const [copy, progress] of this.#progress) {
      if (this.#local.has(copy) || this.#map.inSync.includes(copy) || this.#map.recovering.includes(copy))
        continue;
      this.#cancelSnapshot(progress, out);
      this.#progress.delete(copy);
      this.#leaving.delete(copy);
    }
  }
}
