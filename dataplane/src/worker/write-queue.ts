/**
 * Writes to one shard copy: each call waits here until its operations are evaluated and committed.
 * Evaluation and appending of a slice is one synchronous step, so that conditions hold for the very
 * version they were checked against.
 *
 *   call -> queue -> (primary? floor? room?) -> evaluate a slice -> log -> committed and applied -> answer
 *
 * Once an operation is in the log its answer is its result or "outcome unknown", never "failed".
 */
import { describeLimit, limitKey, type Limits } from "@prism/api/limits";
import { Problem } from "@prism/api/problem-code";
import { xxh32 } from "@prism/proto/contract/xxh32";
import type { WriteItem, WriteOutcome, WriteRequest, WriteResponse } from "@prism/proto/gen/node";
import { toCallError } from "../services/call-error.js";
import { toWriteCommand } from "../adapters/wire/write-command.js";
import { evaluateWrite, type DocumentVersion, type WriteContext } from "../domain/evaluate-write.js";
import type { NodeId } from "../domain/cluster-map.js";
import { operationAgeProblem } from "../domain/operation-age.js";
import type { NewEntry, WriteRefusal } from "../domain/replication/event.js";
import type { WriteResult } from "../domain/replication/log-entry.js";
import { ShardProblem } from "../services/shard-calls.js";
import { OPERATION_WINDOW_MS } from "./operation-table.js";

/** Of operations that are evaluated, appended and sent together, of however many calls. */
const SLICE_ITEMS = 256;

export interface DoneOperation {
  readonly seq: number;
  readonly term: number;
  readonly result: WriteResult;
}

/** What was written before. */
export interface WriteData {
  /** The document's newest version, committed or not. */
  current(id: string): DocumentVersion | undefined;
  findDone(operationId: string): DoneOperation | undefined;
  /** Seq of an operation in the log, committed or not, that is not applied yet. */
  findPending(operationId: string): number | undefined;
  /** Whether either finds it; reads nothing. */
  knows(operationId: string): boolean;
  /** Operations of before may have been forgotten. */
  rememberedSinceMs(): number;
}

/** The copy, as writes see it. */
export interface WriteHost {
  refusal(): WriteRefusal | undefined;
  /** Searches scan too much that is not indexed yet; writes wait. */
  hasBackPressure(): boolean;
  /** Why nothing may be added now; deletes go on. */
  addRefusal(): "diskFull" | "memoryLimit" | undefined;
  context(): WriteContext | undefined;
  readonly data: WriteData;
  /**
   * While nothing of the primary's term is committed: the number of an entry with whose commit all that the
   * copy holds counts. A forced reset may have made a primary of a copy whose data is not on disk yet.
   */
  unprovenThrough(): number | undefined;
  /** Appends; returns the seq of the first. */
  execute(entries: readonly NewEntry[]): number;
  primaryNode(): NodeId | undefined;
  /** The in-sync copies and the domains they stand in, now. */
  safety(): { readonly historyId: string; readonly copies: number; readonly zones: number };
  nowMs(): number;
  /** What was written before can't be read. */
  fail(error: unknown): void;
}

interface Job {
  readonly items: readonly WriteItem[];
  readonly outcomes: (WriteOutcome | undefined)[];
  readonly answer: (response: WriteResponse | Problem) => void;
  readonly arrivedMs: number;
  readonly deadline: NodeJS.Timeout;
  /** Items before this one were evaluated. */
  next: number;
  open: number;
  ended: boolean;
}

/** An operation in the log whose call waits for it. */
interface Waiter {
  readonly job: Job;
  readonly index: number;
  /** What was done before, for which the entry's commit vouches; else the entry itself is waited for. */
  readonly done?: DoneOperation;
  /** The same operation in another call. */
  next: Waiter | undefined;
}

export class WriteQueue {
  readonly #host: WriteHost;
  readonly #maxItems: number;
  readonly #limits: Limits;
  #jobs: Job[] = [];
  #queuedItems = 0;
  #pumping = false;
  readonly #waiters = new Map<number, Waiter>();

  constructor(host: WriteHost, limits: Limits) {
    this.#host = host;
    this.#maxItems = limits.pendingWrites;
    this.#limits = limits;
  }

  get waiting(): number {
    return this.#queuedItems + this.#waiters.size;
  }

  /** Answers exactly once, in time; returns how to give up on what was not begun. `pump` begins it. */
  add(
    request: WriteRequest,
    timeoutMs: number,
    answer: (response: WriteResponse | Problem) => void,
  ): () => void {
    const { items } = request;
    if (this.#queuedItems > 0 && this.#queuedItems + items.length > this.#maxItems) {
      const most = describeLimit("pendingWrites", this.#limits);
      answer(
        new Problem(
          "tooManyRequests",
          `${this.#queuedItems} operations wait for this shard already, ${most}`,
        ),
      );
      return () => undefined;
    }
    const job: Job = {
      items,
      outcomes: items.map(() => undefined),
      answer,
      arrivedMs: this.#host.nowMs(),
      deadline: setTimeout(() => this.#expire(job), Math.max(1, timeoutMs)),
      next: 0,
      open: items.length,
      ended: false,
    };
    if (items.length === 0) this.#finish(job);
    else {
      this.#jobs.push(job);
      this.#queuedItems += items.length;
    }
    return () => this.#refuseRest(job, new Problem("timeout", "the caller gave up"));
  }

  /** Goes on as far as the copy allows; called after whatever may have made room. */
  pump(): void {
    // Appending steps the copy, which pumps after each step.
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#advance());
    } catch (error) {
      this.#host.fail(error);
    } finally {
      this.#pumping = false;
    }
  }

  /** False when nothing waits, or what waits must go on waiting. */
  #advance(): boolean {
    const job = this.#jobs[0];
    if (job === undefined) return false;
    const problem = this.#obstacle();
    if (problem === "wait" && !job.ended) return false;
    if (problem === undefined) this.#evaluateSlice();
    else {
      if (problem !== "wait") this.#refuseRest(job, problem);
      this.#jobs.shift();
    }
    return true;
  }

  /** The entry at `seq` is committed and applied. */
  applied(done: DoneOperation, floorMet: boolean): void {
    let waiter = this.#waiters.get(done.seq);
    if (waiter === undefined) return;
    this.#waiters.delete(done.seq);
    for (; waiter !== undefined; waiter = waiter.next) {
      const { job, index } = waiter;
      if (floorMet) this.#settle(job, index, written(waiter.done ?? done));
      else this.#settle(job, index, unknownOutcome("too few copies are in sync to answer for the write"));
    }
  }

  /** The copy is not the primary any more, or entries above `afterSeq` were replaced. */
  abandon(afterSeq: number, why: string): void {
    for (const [seq, first] of this.#waiters) {
      if (seq <= afterSeq) continue;
      this.#waiters.delete(seq);
      for (let waiter: Waiter | undefined = first; waiter !== undefined; waiter = waiter.next) {
        this.#settle(waiter.job, waiter.index, unknownOutcome(why));
      }
    }
  }

  tick(nowMs: number): void {
    const job = this.#jobs[0];
    // The client's own retry is a better queue than a longer wait here.
    const isOver = job !== undefined && nowMs - job.arrivedMs > this.#limits.queueWaitMs;
    if (isOver && this.#host.refusal() !== "draining") {
      const detail = `the shard's indexes or copies are behind; it waited ${describeLimit("queueWaitMs", this.#limits)} ms`;
      this.#refuseRest(job, new Problem("tooManyRequests", detail));
    }
    this.pump();
  }

  /** Ends every call: the copy is closing or has failed. */
  close(problem: Problem): void {
    this.abandon(-1, problem.detail);
    for (const job of this.#jobs) this.#refuseRest(job, problem);
    this.#jobs = [];
  }

  #obstacle(): Problem | "wait" | undefined {
    const refusal = this.#host.refusal();
    switch (refusal) {
      case "notPrimary":
      case "stopped": {
        const primaryNode = this.#host.primaryNode();
        return new ShardProblem("noPrimary", "this copy is not the shard's primary", { primaryNode });
      }
      case "notEnoughCopies":
        return new Problem("notEnoughCopies", "fewer copies are in sync than minReplicasForWrite");
      case "draining":
      case "tooManyPending":
        return "wait";
      case undefined:
        return this.#host.context() === undefined || this.#host.hasBackPressure() ? "wait" : undefined;
    }
  }

  /** The calls at the head of the queue, as far as a slice goes: one step of the copy serves them all. */
  #evaluateSlice(): void {
    const slice = new Slice(this.#host);
    for (let left = SLICE_ITEMS; left > 0;) {
      const job = this.#jobs[0];
      if (job === undefined) break;
      const end = Math.min(job.items.length, job.next + left);
      for (; job.next < end; job.next += 1) {
        this.#queuedItems -= 1;
        left -= 1;
        const outcome = slice.take(job, job.next);
        if (outcome !== undefined) this.#settle(job, job.next, outcome);
      }
      if (job.next < job.items.length) break;
      this.#jobs.shift();
    }
    if (slice.entries.length > 0) {
      const firstSeq = this.#host.execute(slice.entries);
      for (const [entry, waiter] of slice.waiters.entries()) this.#wait(firstSeq + entry, waiter);
    }
    for (const { seq, waiter } of slice.attached) this.#wait(seq, waiter);
  }

  #wait(seq: number, waiter: Waiter): void {
    const before = this.#waiters.get(seq);
    this.#waiters.set(seq, waiter);
    if (before === undefined) return;
    let last = waiter;
    while (last.next !== undefined) last = last.next;
    last.next = before;
  }

  #settle(job: Job, index: number, outcome: WriteOutcome): void {
    if (job.outcomes[index] !== undefined) return;
    job.outcomes[index] = outcome;
    job.open -= 1;
    if (job.open === 0) this.#finish(job);
  }

  /** Of what was not evaluated. */
  #refuseRest(job: Job, problem: Problem): void {
    if (job.ended) return;
    const from = job.next;
    this.#queuedItems -= job.items.length - from;
    job.next = job.items.length;
    const { data } = this.#host;
    // A retry of what an earlier call brought into the log: "not executed" would be taken for the truth.
    const isKnown = (item: WriteItem): boolean => data.knows(scopedOperationId(item));
    if (from === 0 && !job.items.some(isKnown)) return this.#end(job, problem);
    for (const [index, item] of job.items.entries()) {
      if (index >= from) this.#settle(job, index, isKnown(item) ? doubtful(problem) : refused(problem));
    }
    return undefined;
  }

  #expire(job: Job): void {
    if (job.ended) return;
    const evaluated = job.next;
    this.#refuseRest(job, new Problem("timeout", "the operation was not begun in time"));
    for (let index = 0; index < evaluated && !job.ended; index += 1) {
      if (job.outcomes[index] === undefined) {
        this.#settle(job, index, unknownOutcome("the copies did not confirm in time"));
      }
    }
  }

  #finish(job: Job): void {
    const outcomes = job.outcomes.map((outcome) => outcome ?? unknownOutcome("it was not answered"));
    this.#end(job, { outcomes, ...this.#host.safety() });
  }

  #end(job: Job, response: WriteResponse | Problem): void {
    clearTimeout(job.deadline);
    job.ended = true;
    job.answer(response);
  }
}

/** Operations that are evaluated together, each seeing what those before it do. */
class Slice {
  readonly entries: NewEntry[] = [];
  /** Who waits for each of the entries. */
  readonly waiters: Waiter[] = [];
  /** Who waits for an entry that was in the log before. */
  readonly attached: { readonly seq: number; readonly waiter: Waiter }[] = [];
  readonly #host: WriteHost;
  readonly #context: WriteContext;
  readonly #overlay = new Map<string, DocumentVersion | undefined>();
  readonly #entryOf = new Map<string, number>();

  constructor(host: WriteHost) {
    this.#host = host;
    this.#context = host.context()!;
  }

  /** An outcome that is known at once; else the operation waits for an entry. */
  take(job: Job, index: number): WriteOutcome | undefined {
    const item = job.items[index]!;
    const operationId = scopedOperationId(item);
    const done = this.#host.data.findDone(operationId);
    if (done !== undefined) return this.#answerAgain(done, job, index);
    const seq = this.#host.data.findPending(operationId);
    if (seq !== undefined) {
      this.attached.push({ seq, waiter: { job, index, next: undefined } });
      return undefined;
    }
    const entry = this.#entryOf.get(operationId);
    if (entry !== undefined) {
      this.waiters[entry] = { job, index, next: this.waiters[entry] };
      return undefined;
    }
    try {
      const { body, result } = this.#evaluate(item);
      this.#entryOf.set(operationId, this.entries.length);
      this.waiters.push({ job, index, next: undefined });
      this.entries.push({ operationId, body, result });
      const { id } = item;
      if (body.kind === "index") this.#overlay.set(id, { version: undefined, record: body.record });
      else this.#overlay.set(id, undefined);
      return undefined;
    } catch (error) {
      // Nothing was executed, whatever went wrong while evaluating.
      if (error instanceof Problem) return refused(error);
      return refused(
        new Problem("internalError", (error as Error).message, { executed: "no", cause: error }),
      );
    }
  }

  #answerAgain(done: DoneOperation, job: Job, index: number): WriteOutcome | undefined {
    const seq = this.#host.unprovenThrough();
    if (seq === undefined) return written(done);
    this.attached.push({ seq, waiter: { job, index, done, next: undefined } });
    return undefined;
  }

  #evaluate(item: WriteItem): Pick<NewEntry, "body" | "result"> {
    // The host's clock never goes back: once the wall clock was, all new ids would look old to it.
    const nowMs = Math.min(this.#host.nowMs(), Date.now());
    const sinceMs = this.#host.data.rememberedSinceMs();
    const tooOld = operationAgeProblem(item.operationId, nowMs, OPERATION_WINDOW_MS, sinceMs);
    if (tooOld !== undefined) throw tooOld;
    const command = toWriteCommand(item);
    const refusal = command.action === "delete" ? undefined : this.#host.addRefusal();
    if (refusal !== undefined) throw new Problem(refusal, fullDetail(refusal, this.#context.limits));
    const current = this.#overlay.has(item.id)
      ? this.#overlay.get(item.id)
      : this.#host.data.current(item.id);
    return evaluateWrite(command, current, this.#context);
  }
}

function fullDetail(code: "diskFull" | "memoryLimit", limits: Limits): string {
  const key = limitKey(code === "diskFull" ? "diskReserveBytes" : "memoryBudgetBytes");
  const cause =
    code === "diskFull"
      ? `less than ${limits.diskReserveBytes} bytes of disk are free`
      : "indexes need more than their part of the memory budget";
  return `${cause} (${key}): the node takes deletes only`;
}

/**
 * An operation id is the client's to choose: one that it uses again, for another document or another
 * action, names another operation, and must not be answered with the result of the first.
 */
function scopedOperationId({ operationId, action, id }: WriteItem): string {
  const name = `${action}\n${id}`;
  if (scratch.length < 3 * name.length) scratch = Buffer.allocUnsafeSlow(3 * name.length);
  return `${operationId}#${xxh32(scratch.subarray(0, scratch.write(name))).toString(36)}`;
}

let scratch = Buffer.allocUnsafeSlow(4096);

function written({ result, term, seq }: DoneOperation): WriteOutcome {
  return { result, term, seq };
}

function refused(problem: Problem): WriteOutcome {
  return { result: "", term: 0, seq: 0, error: toCallError(problem) };
}

/** The refusal of a retry. Where the primary is stays worth knowing. */
function doubtful(problem: Problem): WriteOutcome {
  if (!(problem instanceof ShardProblem)) return unknownOutcome(problem.detail);
  const { code, detail, primaryNode } = problem;
  return refused(new ShardProblem(code, detail, { executed: "unknown", primaryNode }));
}

function unknownOutcome(why: string): WriteOutcome {
  return refused(new Problem("outcomeUnknown", why));
}
