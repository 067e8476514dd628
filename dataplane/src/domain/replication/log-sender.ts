/**
 * Brings other copies up to a primary's log: entries within a window, probes after silence, commit
 * notices, and the start of snapshots where the log does not reach back far enough.
 */
import type { AllocationId, HistoryId, ShardUid } from "../cluster-map.js";
import type { CopyLog } from "./copy-log.js";
import type { CopyProgress } from "./copy-progress.js";
import type { CopyMessage, CopySettings } from "./event.js";
import type { StepOutput } from "./step-output.js";
import { REPEAT_MS, type WaitedSet } from "./waited-set.js";

/** Entries in one send effect; the shell may cut it further by bytes. */
const SEND_ENTRIES_MAX = 512;
/** Entries resent to a copy that fell silent, until it answers again. */
const PROBE_ENTRIES_MAX = 16;

export interface PrimarySelf {
  readonly shardUid: ShardUid;
  readonly allocationId: AllocationId;
  readonly historyId: HistoryId;
  readonly term: number;
  readonly log: CopyLog;
  readonly settings: CopySettings;
  readonly newSnapshotId: () => string;
}

export class LogSender {
  readonly #self: PrimarySelf;
  readonly #waited: WaitedSet;
  #isOpen = false;

  constructor(self: PrimarySelf, waited: WaitedSet) {
    this.#self = self;
    this.#waited = waited;
  }

  /** Protocol 6.3.2: the activation is durable; nothing is sent in the term before. */
  open(): void {
    this.#isOpen = true;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Sends what the copy lacks, within its window; a commit notice when there is nothing else to send. */
  pump(progress: CopyProgress, out: StepOutput, nowMs: number): void {
    if (!this.#isOpen || progress.snapshotId !== undefined) return;
    if (progress.needsSnapshot) {
      if (nowMs - progress.snapshotStartedMs >= REPEAT_MS) this.#startSnapshot(progress, out, nowMs);
      return;
    }
    const { log, settings } = this.#self;
    const isWaitedFor = this.#waited.has(progress.copy);
    if (progress.probing && progress.match === undefined && !isWaitedFor) {
      if (progress.lastSentMs === 0) this.notice(progress, out, nowMs);
      return;
    }
    if (progress.probing && progress.waitingSinceMs !== undefined) return;
    if (progress.nextSeq <= log.baseSeq) {
      progress.needsSnapshot = !isWaitedFor;
      progress.nextSeq = log.baseSeq + 1;
      if (progress.needsSnapshot) return;
    }
    const { windowEntries, windowBytes = Number.POSITIVE_INFINITY } = settings;
    const bytesEnd = log.sizes.lastWithin(progress.windowBase, windowBytes);
    const windowEnd = Math.min(progress.windowBase + windowEntries, bytesEnd);
    while (progress.nextSeq <= log.lastSeq && progress.nextSeq <= windowEnd) {
      const through = Math.min(log.lastSeq, windowEnd, progress.nextSeq + SEND_ENTRIES_MAX - 1);
      this.#sendEntries(progress, progress.nextSeq, through, out, nowMs);
      progress.nextSeq = through + 1;
    }
    if (progress.nextSeq > log.lastSeq && progress.toldCheckpoint < this.#checkpointFor(progress)) {
      this.notice(progress, out, nowMs);
    }
  }

  /** After silence: go back to what is confirmed, and send little until the copy answers. */
  resend(progress: CopyProgress, out: StepOutput, nowMs: number): void {
    if (!this.#isOpen || progress.snapshotId !== undefined || progress.needsSnapshot) return;
    const { log } = this.#self;
    progress.probing = true;
    const from = Math.max((progress.match ?? log.globalCheckpoint) + 1, log.baseSeq + 1);
    if (from > log.lastSeq) {
      this.notice(progress, out, nowMs);
      return;
    }
    const through = Math.min(log.lastSeq, from + PROBE_ENTRIES_MAX - 1);
    this.#sendEntries(progress, from, through, out, nowMs);
    progress.nextSeq = through + 1;
  }

  /** A replicate message without entries: probe, commit notice and sign of life in one. */
  notice(progress: CopyProgress, out: StepOutput, nowMs: number): void {
    const { log } = this.#self;
    const previous =
      progress.match === undefined ? log.globalCheckpoint : Math.min(progress.match, log.lastSeq);
    out.emit({ kind: "send", message: this.#replicate(progress, Math.max(previous, log.baseSeq)) });
    progress.lastSentMs = nowMs;
    progress.waitingSinceMs ??= nowMs;
  }

  cancelSnapshot(progress: CopyProgress, out: StepOutput): void {
    if (progress.snapshotId === undefined) return;
    out.emit({ kind: "cancelSnapshot", to: progress.copy, snapshotId: progress.snapshotId });
    progress.snapshotId = undefined;
    progress.probing = true;
  }

  #startSnapshot(progress: CopyProgress, out: StepOutput, nowMs: number): void {
    const snapshotId = this.#self.newSnapshotId();
    progress.snapshotId = snapshotId;
    progress.needsSnapshot = false;
    progress.waitingSinceMs = undefined;
    progress.snapshotStartedMs = nowMs;
    // What the snapshot will hold is known to the shell alone; it is no less than the log's base.
    progress.pinSeq = this.#self.log.baseSeq;
    progress.pinnedMs = nowMs;
    progress.lastSentMs = nowMs;
    out.note({ what: "snapshotStarted", copy: progress.copy });
    out.emit({ kind: "startSnapshot", to: progress.copy, snapshotId });
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

  #replicate(progress: CopyProgress, previousSeq: number): CopyMessage {
    const { shardUid, allocationId, historyId, term, log } = this.#self;
    const globalCheckpoint = this.#checkpointFor(progress);
    progress.toldCheckpoint = Math.max(progress.toldCheckpoint, globalCheckpoint);
    const previousTerm = log.termAt(previousSeq) ?? 0;
    const body = { kind: "replicate", previousSeq, previousTerm, entries: [], globalCheckpoint } as const;
    return { shardUid, historyId, from: allocationId, to: progress.copy, term, body };
  }

  /** A copy that is not in sync is never told of more than it confirmed, so it can't keep a checkpoint above a hole. */
  #checkpointFor(progress: CopyProgress): number {
    const { globalCheckpoint } = this.#self.log;
    return this.#waited.has(progress.copy)
      ? globalCheckpoint
      : Math.min(globalCheckpoint, progress.match ?? 0);
  }
}
