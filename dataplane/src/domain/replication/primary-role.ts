/**
 * The primary's half of the protocol: commit by checkpoint, joins, leaves, hand-off. Lives for one term
 * of one copy; every map, message and disk completion of that term goes through it.
 *
 *   write -> append -> [own fsync | replicate to every tracked copy] -> advance -> commit
 *   join:  recovering copy catches up -> waited for at once -> addInSync asked -> a map confirms
 *   leave: silent, slow or cut copy -> removeCopy asked -> still waited for -> a map confirms -> not waited for
 *
 * Who is waited for is in waited-set.ts, how copies are brought up in log-sender.ts.
 */
import type { Reason } from "@prism/api/reason";
import type { AllocationId, NodeId, ShardMap } from "../cluster-map.js";
import { newProgress, silenceMs, type CopyProgress } from "./copy-progress.js";
import { EntryAges } from "./entry-ages.js";
import type { CopyEvent, MessageBody, NewEntry, WriteRefusal } from "./event.js";
import { HandOff } from "./hand-off.js";
import type { LogEntry } from "./log-entry.js";
import { LogSender, type PrimarySelf } from "./log-sender.js";
import type { StepOutput } from "./step-output.js";
import { REPEAT_MS, WaitedSet } from "./waited-set.js";

/** What a copy that is being filled needs of the log is kept for this long after its last step forward. */
const PIN_LEASE_MS = 60_000;

type RetainedLog = Pick<CopyEvent & { kind: "tick" }, "retainFromSeq" | "pinFromSeq">;

export class PrimaryRole {
  readonly #self: PrimarySelf;
  #map: ShardMap;
  /** Seq of the term's first no-op: until it is committed there is no join, hand-off or strong read. */
  readonly startSeq: number;
  /** Own log known to be on disk, in tickets of this role. */
  #ownDurableSeq = 0;
  readonly #ages = new EntryAges();
  readonly #waited: WaitedSet;
  readonly #sender: LogSender;
  readonly #handOff: HandOff;
  readonly #progress = new Map<AllocationId, CopyProgress>();
  /** Nodes whose copy left as too slow in this term: the next copy there must keep up before it joins. */
  readonly #slowNodes = new Set<NodeId>();

  constructor(self: PrimarySelf, map: ShardMap, startSeq: number, nowMs: number) {
    this.#self = self;
    this.#map = map;
    this.startSeq = startSeq;
    this.#waited = new WaitedSet(self.allocationId, self.term, map.inSync);
    this.#sender = new LogSender(self, this.#waited);
    this.#handOff = new HandOff(self.term, self.log);
    this.#track(nowMs);
  }

  get term(): number {
    return this.#self.term;
  }

  get ready(): boolean {
    return this.#self.log.globalCheckpoint >= this.startSeq;
  }

  get draining(): boolean {
    return this.#handOff.isRunning;
  }

  /** Every copy without which nothing is committed, joining and leaving ones and this one too. */
  get waitedFor(): ReadonlySet<AllocationId> {
    return this.#waited.all;
  }

  get floorMet(): boolean {
    return this.#map.inSync.length >= this.#self.settings.minReplicasForWrite;
  }

  lag(nowMs: number): { copy: AllocationId; confirmed: number; silenceMs: number; behindMs: number }[] {
    return [...this.#progress.values()].map((progress) => ({
      copy: progress.copy,
      confirmed: progress.match ?? 0,
      silenceMs: silenceMs(progress, nowMs),
      behindMs: this.#behindMs(progress, nowMs),
    }));
  }

  refusal(): WriteRefusal | undefined {
    if (this.draining) return "draining";
    if (!this.floorMet) return "notEnoughCopies";
    const { log, settings } = this.#self;
    return log.lastSeq - log.globalCheckpoint >= settings.maxPendingEntries ? "tooManyPending" : undefined;
  }

  // ---------------------------------------------------------------- own disk and writes

  activationDurable(out: StepOutput, nowMs: number, disconnected: ReadonlySet<AllocationId>): void {
    this.#sender.open();
    for (const copy of disconnected) this.disconnected(copy, out, nowMs);
    this.#pumpAll(out, nowMs);
  }

  ownDurable(seq: number, out: StepOutput, nowMs: number): void {
    this.#ownDurableSeq = Math.max(this.#ownDurableSeq, seq);
    this.#ages.durable(seq, nowMs, 2 * this.#self.settings.slowReplicaTimeoutMs);
    this.#advance(out, nowMs);
  }

  write(entries: readonly NewEntry[], out: StepOutput, nowMs: number): void {
    const { log, term } = this.#self;
    const appended: LogEntry[] = [];
    for (const entry of entries) {
      const { operationId, body, result } = entry;
      const seq = log.append(term, nowMs, body);
      appended.push({ seq, term, operationId, body, result, timeMs: log.lastTimeMs });
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
    if (advanced) this.#pin(progress, progress.match, nowMs);
    progress.nextSeq = Math.max(progress.nextSeq, progress.match + 1);
    progress.windowBase = Math.max(progress.windowBase, progress.match);
    progress.reportedCheckpoint = Math.max(progress.reportedCheckpoint, checkpoint);
    progress.lastHeardMs = nowMs;
    progress.probing = false;
    progress.needsSnapshot = false;
    const owed = progress.nextSeq - 1 > progress.match;
    if (!owed) progress.waitingSinceMs = undefined;
    else if (advanced) progress.waitingSinceMs = nowMs;
    if (!owed) this.#waited.stay(from, out);
    this.#advance(out, nowMs);
    this.#maybeJoin(progress, out, nowMs);
    this.#sender.pump(progress, out, nowMs);
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
    const counted = this.#waited.has(from);
    const start = Math.max(body.globalCheckpoint, progress.match ?? 0, counted ? log.baseSeq : 0);
    if (!counted && (!sameHistory || start < log.baseSeq)) {
      progress.needsSnapshot = true;
      progress.waitingSinceMs = undefined;
    } else {
      this.#pin(progress, start, nowMs);
      progress.nextSeq = Math.min(start, log.lastSeq) + 1;
      progress.windowBase = progress.nextSeq - 1;
      progress.probing = false;
    }
    this.#sender.pump(progress, out, nowMs);
  }

  snapshotSent(to: AllocationId, snapshotId: string, ok: boolean, out: StepOutput, nowMs: number): void {
    const progress = this.#progress.get(to);
    if (progress === undefined || progress.snapshotId !== snapshotId) return;
    out.note({ what: ok ? "snapshotSent" : "snapshotFailed", copy: to });
    progress.snapshotId = undefined;
    progress.pinnedMs = nowMs;
    // Failed: the next probe is answered by a mismatch, which asks for a snapshot again, paced by REPEAT_MS.
    progress.needsSnapshot = false;
    progress.probing = true;
    progress.nextSeq = this.#self.log.globalCheckpoint + 1;
    progress.lastSentMs = ok ? 0 : nowMs;
    if (ok) this.#sender.pump(progress, out, nowMs);
  }

  // ---------------------------------------------------------------- connections, maps, time

  disconnected(copy: AllocationId, out: StepOutput, nowMs: number): void {
    const progress = this.#progress.get(copy);
    if (progress === undefined) return;
    this.#sender.cancelSnapshot(progress, out);
    progress.probing = true;
    if (this.#waited.has(copy)) this.#waited.leave(copy, "ReplicaDisconnected", out, nowMs);
  }

  connected(copy: AllocationId, out: StepOutput, nowMs: number): void {
    const progress = this.#progress.get(copy);
    if (progress === undefined) return;
    progress.lastSentMs = 0;
    if (progress.waitingSinceMs !== undefined) this.#sender.resend(progress, out, nowMs);
    this.#sender.pump(progress, out, nowMs);
  }

  applyMap(map: ShardMap, out: StepOutput, nowMs: number): void {
    this.#map = map;
    this.#waited.applyMap(map, out);
    this.#untrack(out);
    this.#track(nowMs);
    this.#advance(out, nowMs);
    this.#pumpAll(out, nowMs);
  }

  tick(retained: RetainedLog, out: StepOutput, nowMs: number): void {
    if (!this.#sender.isOpen) return;
    const { replicaTimeoutMs } = this.#self.settings;
    // Before anything is sent: a step's durable change comes first, and what it trims can't be read to be sent.
    this.#trim(retained, out, nowMs);
    for (const progress of this.#progress.values()) {
      const { copy } = progress;
      this.#judge(progress, out, nowMs);
      this.#waited.repeatRequests(copy, out, nowMs);
      this.#maybeJoin(progress, out, nowMs);
      if (nowMs - progress.lastSentMs < REPEAT_MS) continue;
      if (progress.waitingSinceMs !== undefined) this.#sender.resend(progress, out, nowMs);
      else if (nowMs - progress.lastSentMs >= replicaTimeoutMs / 2) this.#sender.notice(progress, out, nowMs);
      this.#sender.pump(progress, out, nowMs);
    }
    this.#handOff.advance(this.#map, out, nowMs);
  }

  /** Ends what the role has under way; the copy is no longer primary. */
  end(out: StepOutput): void {
    for (const progress of this.#progress.values()) this.#sender.cancelSnapshot(progress, out);
    out.emit({ kind: "stepDown" });
  }

  handOff(target: AllocationId | undefined, out: StepOutput, nowMs: number): void {
    if (target === undefined) return this.#handOff.abort(out);
    const known = this.#map.inSync.includes(target) && this.#progress.get(target)?.match !== undefined;
    if (!this.ready || !this.#waited.isSettled || !known) {
      out.note({ what: "handOffAborted", target });
      return undefined;
    }
    this.#handOff.start(target, out, nowMs);
    return this.#handOff.advance(this.#map, out, nowMs);
  }

  // ---------------------------------------------------------------- silent and slow copies

  /**
   * Total silence is one thing; the other is a copy that answers, and may confirm a little, while what
   * it has not confirmed grows older: writes wait for it. No sign of life makes up for that.
   */
  #judge(progress: CopyProgress, out: StepOutput, nowMs: number): void {
    const { replicaTimeoutMs, slowReplicaTimeoutMs } = this.#self.settings;
    const behindMs = this.#behindMs(progress, nowMs);
    if (behindMs > slowReplicaTimeoutMs / 2) progress.keptUpSinceMs = undefined;
    else if (progress.match !== undefined) progress.keptUpSinceMs ??= nowMs;
    if (!this.#waited.has(progress.copy)) return;
    const reason: Reason | undefined =
      silenceMs(progress, nowMs) > replicaTimeoutMs
        ? "ReplicaTimeout"
        : behindMs > slowReplicaTimeoutMs
          ? "TooSlow"
          : undefined;
    if (reason === undefined) return;
    if (reason === "TooSlow") this.#slowNodes.add(this.#nodeOf(progress.copy));
    this.#waited.leave(progress.copy, reason, out, nowMs);
  }

  /** Age of the oldest entry that is on the own disk and not confirmed by the copy. */
  #behindMs(progress: CopyProgress, nowMs: number): number {
    return this.#ages.oldestAbove(progress.match ?? 0, nowMs);
  }

  #nodeOf(copy: AllocationId): NodeId {
    return this.#map.copies.find((place) => place.id === copy)?.node ?? ("" as NodeId);
  }

  // ---------------------------------------------------------------- commit and join

  /** Protocol 5.3. An acknowledgement means checkpoint >= seq, never "this operation is on all copies". */
  #advance(out: StepOutput, nowMs: number): void {
    if (!this.#sender.isOpen) return;
    const { log } = this.#self;
    let checkpoint = this.#ownDurableSeq;
    for (const copy of this.#waited.others()) {
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
      this.#sender.pump(progress, out, nowMs);
    }
    this.#handOff.advance(this.#map, out, nowMs);
  }

  #maybeJoin(progress: CopyProgress, out: StepOutput, nowMs: number): void {
    const { copy, match } = progress;
    if (!this.#map.recovering.includes(copy) || this.#waited.has(copy) || this.#waited.isLeaving(copy))
      return;
    if (!this.ready || this.draining || match === undefined || match < this.#self.log.globalCheckpoint)
      return;
    if (this.#isOnProbation(progress, nowMs)) return;
    this.#waited.join(copy, out, nowMs);
  }

  /** One moment of being level proves nothing of a copy that was too slow: it must have kept up for a while. */
  #isOnProbation({ copy, keptUpSinceMs }: CopyProgress, nowMs: number): boolean {
    if (!this.#slowNodes.has(this.#nodeOf(copy))) return false;
    return keptUpSinceMs === undefined || nowMs - keptUpSinceMs < this.#self.settings.slowReplicaTimeoutMs;
  }

  #pumpAll(out: StepOutput, nowMs: number): void {
    for (const progress of this.#progress.values()) this.#sender.pump(progress, out, nowMs);
  }

  // ---------------------------------------------------------------- tracking and trimming

  /**
   * Protocol 7.1.5. Nothing goes that an in-sync copy has not reported committed: those leave when they
   * fall behind, so that is bounded. What a copy that is being filled still needs is kept by a lease,
   * and no further back than `pinFromSeq`, so that none can make the log grow without bound.
   */
  #trim({ retainFromSeq, pinFromSeq = 0 }: RetainedLog, out: StepOutput, nowMs: number): void {
    const { log } = this.#self;
    let through = Math.min(retainFromSeq - 1, log.globalCheckpoint);
    let pinned = Number.POSITIVE_INFINITY;
    for (const progress of this.#progress.values()) {
      if (this.#waited.has(progress.copy)) through = Math.min(through, progress.reportedCheckpoint);
      else if (progress.snapshotId !== undefined || nowMs - progress.pinnedMs <= PIN_LEASE_MS)
        pinned = Math.min(pinned, progress.pinSeq);
    }
    through = Math.min(through, Math.max(pinned, pinFromSeq - 1));
    if (through <= log.baseSeq) return;
    log.trimThrough(through);
    out.persist({ trimThrough: { seq: log.baseSeq, term: log.baseTerm } });
  }

  /** A step forward renews the lease; being asked for the same again does not. */
  #pin(progress: CopyProgress, seq: number, nowMs: number): void {
    if (seq <= progress.pinSeq) return;
    progress.pinSeq = seq;
    progress.pinnedMs = nowMs;
  }

  #track(nowMs: number): void {
    for (const copy of [...this.#map.inSync, ...this.#map.recovering]) {
      if (copy === this.#self.allocationId || this.#progress.has(copy)) continue;
      const { globalCheckpoint, baseSeq } = this.#self.log;
      this.#progress.set(copy, newProgress(copy, globalCheckpoint + 1, baseSeq, nowMs));
    }
  }

  #untrack(out: StepOutput): void {
    for (const [copy, progress] of this.#progress) {
      if (this.#waited.has(copy) || this.#map.inSync.includes(copy) || this.#map.recovering.includes(copy))
        continue;
      this.#sender.cancelSnapshot(progress, out);
      this.#progress.delete(copy);
    }
  }
}
