/** A replica's half of the protocol: what it does to its log by the word of the term's primary (5.2, 7.1.4). */
import type { CopyLog } from "./copy-log.js";
import type { CopyEvent, MessageBody } from "./event.js";
import type { LogEntry } from "./log-entry.js";
import type { StepOutput } from "./step-output.js";

export type FollowOutcome =
  | { readonly kind: "taken" }
  | { readonly kind: "mismatch" }
  /** A committed entry would have to be overwritten: corruption or a bug. */
  | { readonly kind: "conflict"; readonly detail: string };

type ArrivedSnapshot = CopyEvent & { readonly kind: "snapshotArrived" };

export class ReplicaRole {
  readonly #log: CopyLog;
  /** The prefix known equal to the current primary's log. */
  #confirmed: number;

  constructor(log: CopyLog) {
    this.#log = log;
    this.#confirmed = log.globalCheckpoint;
  }

  get confirmed(): number {
    return this.#confirmed;
  }

  /** A higher term was adopted: what another primary's log had says nothing of this one's. */
  startTerm(): void {
    this.#confirmed = this.#log.globalCheckpoint;
  }

  /** Protocol 5.2, steps 2 to 4. */
  follow(body: MessageBody & { kind: "replicate" }, out: StepOutput): FollowOutcome {
    const log = this.#log;
    const matches =
      body.previousSeq <= log.globalCheckpoint || log.termAt(body.previousSeq) === body.previousTerm;
    if (!matches) return { kind: "mismatch" };
    // What precedes a matching entry matches too: terms identify entries, and each term has one primary.
    this.#confirmed = Math.max(this.#confirmed, Math.min(body.previousSeq, log.lastSeq));
    const conflict = this.#take(body.entries, body.previousSeq, out);
    if (conflict !== undefined) return { kind: "conflict", detail: conflict };
    this.#raiseCheckpoint(Math.min(body.globalCheckpoint, this.#confirmed), out);
    return { kind: "taken" };
  }

  /**
   * Protocol 7.1.4. A snapshot is compared with the log, not with the volatile `confirmed`: a copy that
   * restarted may hold and have confirmed more than it remembers having confirmed. True when the copy
   * holds all that the snapshot does.
   */
  holds({ lastSeq, lastTerm }: ArrivedSnapshot, out: StepOutput): boolean {
    if (lastSeq <= this.#log.globalCheckpoint) return true;
    if (this.#log.termAt(lastSeq) !== lastTerm) return false;
    this.#confirmed = Math.max(this.#confirmed, lastSeq);
    this.#raiseCheckpoint(lastSeq, out);
    return true;
  }

  install({ lastSeq, lastTerm, snapshotId, historyId }: ArrivedSnapshot, out: StepOutput): void {
    this.#log.replaceBySnapshot(lastSeq, lastTerm);
    this.#confirmed = lastSeq;
    out.persist({
      historyId,
      globalCheckpoint: lastSeq,
      installSnapshot: { snapshotId, seq: lastSeq, term: lastTerm },
    });
    out.note({ what: "snapshotInstalled", seq: lastSeq, historyId });
  }

  trim(retainFromSeq: number, out: StepOutput): void {
    const log = this.#log;
    const through = Math.min(retainFromSeq - 1, log.globalCheckpoint);
    if (through <= log.baseSeq) return;
    log.trimThrough(through);
    out.persist({ trimThrough: { seq: log.baseSeq, term: log.baseTerm } });
  }

  /** Step 3: skip what is held, replace a differing suffix whole, append the rest. Returns a conflict's detail. */
  #take(entries: readonly LogEntry[], previousSeq: number, out: StepOutput): string | undefined {
    const log = this.#log;
    let expected = previousSeq;
    let appended: LogEntry[] | undefined;
    for (const entry of entries) {
      expected += 1;
      if (entry.seq !== expected) break;
      if (appended === undefined && entry.seq <= log.lastSeq) {
        const held = log.termAt(entry.seq);
        if (held === undefined || held === entry.term) {
          this.#confirmed = Math.max(this.#confirmed, entry.seq);
          continue;
        }
        if (entry.seq <= log.globalCheckpoint) {
          return `seq ${entry.seq}: term ${held} is committed, ${entry.term} was sent`;
        }
        this.#replaceSuffix(entry.seq - 1, out);
      }
      log.append(entry.term, entry.timeMs, entry.body);
      (appended ??= []).push(entry);
      this.#confirmed = Math.max(this.#confirmed, entry.seq);
    }
    if (appended !== undefined) out.append(appended);
    return undefined;
  }

  /** Everything above the first difference goes, never one entry alone: what is kept must be a prefix of one log. */
  #replaceSuffix(afterSeq: number, out: StepOutput): void {
    out.note({ what: "suffixReplaced", afterSeq, lastSeq: this.#log.lastSeq });
    this.#log.truncateAfter(afterSeq);
    this.#confirmed = Math.min(this.#confirmed, afterSeq);
    out.persist({ truncateAfter: afterSeq });
    out.emit({ kind: "truncated", afterSeq });
  }

  #raiseCheckpoint(checkpoint: number, out: StepOutput): void {
    if (checkpoint <= this.#log.globalCheckpoint) return;
    this.#log.globalCheckpoint = checkpoint;
    out.persist({ globalCheckpoint: checkpoint });
    out.emit({ kind: "commit", through: checkpoint, floorMet: true });
  }
}
