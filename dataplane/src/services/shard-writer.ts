/**
 * Brings operations to the primary of their shard, wherever it moves meanwhile. Retries carry the
 * same operation ids, so an operation whose first try was executed is only answered again: a
 * failover looks like latency. An operation that may have been executed never ends as "failed".
 */
import { Problem } from "@prism/api/problem-code";
import { ShardCall } from "@prism/proto/frame-kind";
import { WriteRequest, WriteResponse, type WriteItem } from "@prism/proto/gen/node";
import { primaryNodeOf } from "../domain/choose-copies.js";
import type { NodeId, ShardMap } from "../domain/cluster-map.js";
import { fromCallError } from "./call-error.js";
import type { CancelSignal } from "./cancellation.js";
import type { ClusterDirectory, CollectionEntry } from "./cluster-directory.js";
import type { Deadline } from "./deadline.js";
import type { NodeTraffic } from "./node-traffic.js";
import { FIRST_PAUSE_MS, LONGEST_PAUSE_MS, PrimaryCalls } from "./primary-calls.js";
import type { ShardCalls } from "./shard-calls.js";

export interface Written {
  readonly kind: "written";
  readonly result: string;
  readonly term: number;
  readonly seq: number;
  readonly historyId: string;
  readonly copies: number;
  readonly zones: number;
}

export type WriteOutcome = Written | { readonly kind: "refused"; readonly problem: Problem };

export interface WriteOptions {
  readonly deadline: Deadline;
  readonly signal?: CancelSignal | undefined;
  /** Wait and retry while the shard's queue is full, instead of handing the refusal on. */
  readonly waitsForQueue: boolean;
}

interface Pending {
  readonly index: number;
  readonly item: WriteItem;
  mayHaveRun: boolean;
}

/** What one attempt said of all its items. */
type Attempt =
  | { readonly kind: "answered"; readonly response: WriteResponse }
  | { readonly kind: "failed"; readonly problem: Problem }
  /** The map names another primary: whatever the old one says, it can't commit any more. */
  | { readonly kind: "moved" };

export class ShardWriter {
  readonly #primaries: PrimaryCalls;
  readonly #directory: ClusterDirectory;

  constructor(calls: ShardCalls, directory: ClusterDirectory, traffic: NodeTraffic) {
    this.#primaries = new PrimaryCalls(calls, directory, traffic);
    this.#directory = directory;
  }

  /** One outcome per item, in order. Rejects never for a single item's sake. */
  async write(
    collection: CollectionEntry,
    number: number,
    items: readonly WriteItem[],
    options: WriteOptions,
  ): Promise<WriteOutcome[]> {
    const outcomes: WriteOutcome[] = [];
    let pending: Pending[] = items.map((item, index) => ({ index, item, mayHaveRun: false }));
    let pauseMs = FIRST_PAUSE_MS;
    let last: Problem | undefined;
    let hinted: NodeId | undefined;
    while (pending.length > 0) {
      const shard = await this.#waitForShard(collection, number, options);
      if (shard === undefined || options.deadline.hasPassed || options.signal?.aborted === true) break;
      const target = hinted ?? primaryNodeOf(shard);
      const followedHint = hinted !== undefined;
      hinted = undefined;
      if (target !== undefined) {
        const attempt = await this.#attempt(collection, shard, target, pending, options);
        const { retry, problem } = settle(attempt, pending, outcomes, options);
        pending = retry;
        if (pending.length === 0) break;
        if (problem !== undefined) last = problem;
        if (attempt.kind === "moved") continue;
        // One hint between two pauses: copies that each name the other would send it in a circle.
        if (!followedHint) hinted = this.#primaries.hintOf(problem, target);
        if (hinted !== undefined) continue;
      }
      const isNewer = await this.#waitForNewer(collection, shard, pauseMs, options);
      // The pauses grew while nobody led; whoever leads now may only need a moment to take that up.
      pauseMs = isNewer ? FIRST_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    }
    if (pending.length === 0) return outcomes;
    const why = this.#isGone(collection)
      ? new Problem("collectionNotFound", `${collection.name} was deleted meanwhile`)
      : (last ?? this.#nobodyAsked(collection, number));
    for (const { index, mayHaveRun } of pending) {
      outcomes[index] = { kind: "refused", problem: mayHaveRun ? unknownOutcome(why, options) : why };
    }
    return outcomes;
  }

  #isGone(collection: CollectionEntry): boolean {
    const index = this.#directory.current();
    return index !== undefined && index.collections.get(collection.name)?.uid !== collection.uid;
  }

  #nobodyAsked(collection: CollectionEntry, number: number): Problem {
    const shard = this.#directory.shard(collection, number);
    return shard === undefined || primaryNodeOf(shard) === undefined
      ? new Problem("noPrimary", `shard ${number} of ${collection.name} has no primary`)
      : new Problem("timeout", "the time was up before the shard's primary could be asked");
  }

  async #attempt(
    collection: CollectionEntry,
    shard: ShardMap,
    node: NodeId,
    pending: readonly Pending[],
    { deadline, signal }: WriteOptions,
  ): Promise<Attempt> {
    const payload = WriteRequest.encode({ items: pending.map(({ item }) => item) });
    const call = ShardCall.write;
    const isAnswer = (): boolean => false;
    const place = { collection, shard, node, call, payload, deadline, signal };
    const answer = await this.#primaries.ask({ ...place, isAnswer });
    switch (answer.kind) {
      case "answered":
        return { kind: "answered", response: WriteResponse.decode(answer.payload) };
      case "failed":
        return { kind: "failed", problem: toProblem(answer.error) };
      case "moved":
        return answer;
    }
  }

  /** Undefined when the collection is gone or the time is up. */
  async #waitForShard(
    collection: CollectionEntry,
    number: number,
    options: WriteOptions,
  ): Promise<ShardMap | undefined> {
    const found = await this.#directory.waitFor(
      () => {
        if (this.#isGone(collection)) return "gone";
        return this.#directory.shard(collection, number);
      },
      options.deadline.leftMs,
      options.signal,
    );
    return found === "gone" ? undefined : found;
  }

  /** False when the time is over without a newer record. */
  async #waitForNewer(
    collection: CollectionEntry,
    shard: ShardMap,
    pauseMs: number,
    options: WriteOptions,
  ): Promise<boolean> {
    const newer = await this.#directory.waitFor(
      () => {
        const now = this.#directory.shard(collection, shard.number);
        return now === undefined || now.version > shard.version ? true : undefined;
      },
      Math.min(pauseMs, options.deadline.leftMs),
      options.signal,
    );
    return newer === true;
  }
}

/** Writes down what is decided and returns what must be tried again, with the problem that says why. */
function settle(
  attempt: Attempt,
  pending: readonly Pending[],
  outcomes: WriteOutcome[],
  options: WriteOptions,
): { retry: Pending[]; problem: Problem | undefined } {
  if (attempt.kind === "moved") {
    for (const one of pending) one.mayHaveRun = true;
    return { retry: [...pending], problem: undefined };
  }
  const retry: Pending[] = [];
  let problem: Problem | undefined;
  for (const [position, one] of pending.entries()) {
    const verdict = attempt.kind === "failed" ? attempt.problem : verdictOf(attempt.response, position);
    if (!(verdict instanceof Problem)) {
      outcomes[one.index] = verdict;
    } else if (isRetryable(verdict, one.mayHaveRun, options)) {
      if (verdict.executed === "unknown") one.mayHaveRun = true;
      problem = verdict;
      retry.push(one);
    } else {
      outcomes[one.index] = { kind: "refused", problem: one.mayHaveRun ? doubted(verdict) : verdict };
    }
  }
  return { retry, problem };
}

function isRetryable(problem: Problem, mayHaveRun: boolean, options: WriteOptions): boolean {
  switch (problem.code) {
    case "noPrimary":
    case "shardUnavailable":
    case "timeout":
    case "outcomeUnknown":
    case "clusterNotReady":
      return true;
    case "tooManyRequests":
      return options.waitsForQueue || mayHaveRun;
    default:
      // "Not executed" speaks of this try alone: an earlier one may still be on its way to being committed.
      return mayHaveRun && problem.kind.retryable;
  }
}

function verdictOf(response: WriteResponse, position: number): Written | Problem {
  const outcome = response.outcomes[position];
  if (outcome === undefined) return new Problem("internalError", "the primary left an operation unanswered");
  if (outcome.error !== undefined) return fromCallError(outcome.error);
  const { historyId, copies, zones } = response;
  const { result, term, seq } = outcome;
  return { kind: "written", result, term, seq, historyId, copies, zones };
}

/**
 * Of an operation that an earlier try may have brought into some copy's log: that copy may yet become
 * primary and commit it, whatever the primary of now finds wrong with it.
 */
function doubted(verdict: Problem): Problem {
  const { code, detail, violations } = verdict;
  return new Problem(code, detail, { violations, executed: "unknown", cause: verdict });
}

function unknownOutcome(last: Problem, options: WriteOptions): Problem {
  const detail = `no answer within ${Math.round(options.deadline.totalMs)} ms (${last.detail})`;
  return new Problem("outcomeUnknown", detail, { cause: last });
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem("internalError", "the write call failed", { cause: error });
}
