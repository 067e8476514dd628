/** A primary passing its role on (protocol 10): everything it has is committed first, then the promotion is asked for. */
import type { AllocationId, ShardMap } from "../cluster-map.js";
import type { CopyLog } from "./copy-log.js";
import type { StepOutput } from "./step-output.js";
import { REPEAT_MS } from "./waited-set.js";

/** A hand-off that was not answered by a new map by then is given up: the term stands, writes go on here. */
const HAND_OFF_MAX_MS = 3000;

interface Attempt {
  readonly target: AllocationId;
  readonly startedMs: number;
  askedMs: number | undefined;
}

export class HandOff {
  readonly #term: number;
  readonly #log: CopyLog;
  #attempt: Attempt | undefined;

  constructor(term: number, log: CopyLog) {
    this.#term = term;
    this.#log = log;
  }

  get isRunning(): boolean {
    return this.#attempt !== undefined;
  }

  start(target: AllocationId, out: StepOutput, nowMs: number): void {
    this.#attempt = { target, startedMs: nowMs, askedMs: undefined };
    out.note({ what: "handOffStarted", target });
  }

  abort(out: StepOutput): void {
    if (this.#attempt !== undefined) out.note({ what: "handOffAborted", target: this.#attempt.target });
    this.#attempt = undefined;
  }

  /** Goes on as far as it can: asks once all is committed, gives up when the target left or time is over. */
  advance(map: ShardMap, out: StepOutput, nowMs: number): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    const { target, startedMs, askedMs } = attempt;
    if (nowMs - startedMs > HAND_OFF_MAX_MS || !map.inSync.includes(target)) {
      this.abort(out);
      return;
    }
    if (this.#log.globalCheckpoint !== this.#log.lastSeq) return;
    if (askedMs !== undefined && nowMs - askedMs < REPEAT_MS) return;
    if (askedMs === undefined) out.note({ what: "handOffAsked", target });
    attempt.askedMs = nowMs;
    out.emit({
      kind: "request",
      action: "promote",
      allocationId: target,
      term: this.#term,
      reason: "HandOff",
    });
  }
}
