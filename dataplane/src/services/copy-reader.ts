/**
 * Reads one shard by asking its copies, best first. A copy that fails is followed by the next at
 * once; one that keeps silent, or takes a large share of the time, by the next beside it, and the
 * first answer wins (hedged requests: Dean and Barroso, "The Tail at Scale", CACM 56(2), 2013). So a
 * frozen node costs a moment where another copy is in sync, and only its shards where none is.
 */
import { Problem } from "@prism/api/problem-code";
import type { ShardFailure } from "@prism/api/search";
import type { ShardCall } from "@prism/proto/frame-kind";
import { rankCopies, type RankedCopy } from "../domain/choose-copies.js";
import type { NodeId, ShardMap } from "../domain/cluster-map.js";
import { isAnswerOfNode, toCallProblem } from "./call-error.js";
import { Cancellation, type CancelSignal } from "./cancellation.js";
import type { ClusterDirectory, CollectionEntry } from "./cluster-directory.js";
import type { Deadline } from "./deadline.js";
import type { NodeTraffic } from "./node-traffic.js";
import type { ShardCalls } from "./shard-calls.js";

export interface HedgeSettings {
  /** A node that answers nothing for this long is not waited for alone. */
  readonly silentAfterMs: number;
  /** Share of the time after which another copy is asked, though the node answers other calls. */
  readonly share: number;
}

export interface ReadTarget {
  readonly collection: Pick<CollectionEntry, "name" | "uid">;
  readonly number: number;
}

export interface ReadOptions {
  readonly deadline: Deadline;
  readonly signal?: CancelSignal | undefined;
  /** Asked first if its copy is still in sync. */
  readonly preferred?: NodeId | undefined;
}

export interface CopyAnswer {
  readonly payload: Uint8Array;
  readonly node: NodeId;
  readonly tookMs: number;
}

/** No copy answered. `node` is the last one asked; undefined when there was none to ask. */
export class ReadFailure extends Problem {
  readonly node: NodeId | undefined;

  constructor(problem: Problem, node: NodeId | undefined) {
    super(problem.code, problem.detail, { violations: problem.violations, cause: problem });
    this.name = "ReadFailure";
    this.node = node;
  }
}

export class CopyReader {
  readonly #calls: ShardCalls;
  readonly #directory: ClusterDirectory;
  readonly #traffic: NodeTraffic;
  readonly #hedge: HedgeSettings;

  constructor(calls: ShardCalls, directory: ClusterDirectory, traffic: NodeTraffic, hedge: HedgeSettings) {
    this.#calls = calls;
    this.#directory = directory;
    this.#traffic = traffic;
    this.#hedge = hedge;
  }

  /** Rejects with ReadFailure: the last problem met, `timeout`, or `shardUnavailable` without copies. */
  async read(
    target: ReadTarget,
    call: ShardCall,
    payload: Uint8Array,
    options: ReadOptions,
  ): Promise<CopyAnswer> {
    let shard = this.#directory.shard(target.collection, target.number);
    for (;;) {
      if (shard === undefined) {
        throw new ReadFailure(new Problem("shardUnavailable", "the shard has no record yet"), undefined);
      }
      try {
        return await this.#readCopiesOf(shard, call, payload, options);
      } catch (error) {
        const newer = this.#directory.shard(target.collection, target.number);
        const worthwhile = newer !== undefined && newer.version > shard.version;
        if (!worthwhile || options.deadline.hasPassed || options.signal?.aborted === true) throw error;
        shard = newer;
      }
    }
  }

  #readCopiesOf(
    shard: ShardMap,
    call: ShardCall,
    payload: Uint8Array,
    options: ReadOptions,
  ): Promise<CopyAnswer> {
    const { nodes } = this.#directory.index();
    const ranked = rankCopies(shard, nodes, this.#directory.self, this.#traffic);
    const copies = putFirst(ranked, options.preferred);
    return new Promise((resolve, reject) => {
      const attempt = (copy: RankedCopy, signal: CancelSignal): Promise<Uint8Array> =>
        this.#calls.call({ node: copy.node, shard: shard.uid }, call, payload, {
          timeoutMs: Math.max(1, Math.ceil(options.deadline.leftMs)),
          signal,
        });
      new ReadRace(copies, attempt, this.#traffic, this.#hedge, options, resolve, reject).start();
    });
  }
}

function putFirst(ranked: readonly RankedCopy[], preferred: NodeId | undefined): RankedCopy[] {
  const first = ranked.filter((copy) => copy.node === preferred);
  return [...first, ...ranked.filter((copy) => copy.node !== preferred)];
}

/** One pass over the copies of a shard. */
class ReadRace {
  readonly #waiting: RankedCopy[];
  readonly #attempt: (copy: RankedCopy, signal: CancelSignal) => Promise<Uint8Array>;
  readonly #traffic: NodeTraffic;
  readonly #hedge: HedgeSettings;
  readonly #options: ReadOptions;
  readonly #resolve: (answer: CopyAnswer) => void;
  readonly #reject: (failure: ReadFailure) => void;
  readonly #running = new Map<RankedCopy, { abort: Cancellation; end: (answered: boolean) => void }>();
  #timer: NodeJS.Timeout | undefined;
  #lastNode: NodeId | undefined;
  #lastStartMs = 0;
  /** Why a copy could not meet the level: more worth than that the time is up. */
  #notMet: Problem | undefined;
  #done = false;

  constructor(
    copies: RankedCopy[],
    attempt: (copy: RankedCopy, signal: CancelSignal) => Promise<Uint8Array>,
    traffic: NodeTraffic,
    hedge: HedgeSettings,
    options: ReadOptions,
    resolve: (answer: CopyAnswer) => void,
    reject: (failure: ReadFailure) => void,
  ) {
    this.#waiting = copies;
    this.#attempt = attempt;
    this.#traffic = traffic;
    this.#hedge = hedge;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    if (this.#waiting.length === 0) {
      this.#fail(new Problem("shardUnavailable", "no copy of the shard is in sync"));
      return;
    }
    if (this.#options.signal?.aborted === true) {
      this.#onAbort();
      return;
    }
    this.#options.signal?.addEventListener("abort", this.#onAbort);
    this.#startNext();
  }

  #startNext(): void {
    const copy = this.#waiting.shift()!;
    const abort = new Cancellation();
    const end = this.#traffic.begin(copy.node);
    const startedAtMs = performance.now();
    this.#running.set(copy, { abort, end });
    this.#lastNode = copy.node;
    this.#lastStartMs = startedAtMs;
    this.#attempt(copy, abort).then(
      (payload) => {
        if (!this.#running.delete(copy)) return;
        end(true);
        this.#finish();
        this.#resolve({ payload, node: copy.node, tookMs: performance.now() - startedAtMs });
      },
      (error: unknown) => {
        if (!this.#running.delete(copy)) return;
        const problem = toCallProblem(error);
        end(isAnswerOfNode(problem));
        this.#afterFailure(copy, problem);
      },
    );
    this.#arm();
  }

  #afterFailure(copy: RankedCopy, problem: Problem): void {
    if (problem.code === "consistencyNotMet") this.#notMet = problem;
    if (this.#waiting.length > 0 && !this.#options.deadline.hasPassed) this.#startNext();
    else if (this.#running.size === 0) {
      this.#lastNode = copy.node;
      this.#fail(problem);
    }
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const { deadline } = this.#options;
    let waitMs = deadline.leftMs;
    if (this.#waiting.length > 0) {
      const shareLeftMs = this.#lastStartMs + deadline.totalMs * this.#hedge.share - performance.now();
      waitMs = Math.min(waitMs, Math.max(1, Math.min(this.#hedge.silentAfterMs, shareLeftMs)));
    }
    // Whole milliseconds: node keeps one list of timers for each length, and a search costs two.
    this.#timer = setTimeout(() => this.#onTimer(), Math.floor(waitMs));
  }

  #onTimer(): void {
    const { deadline } = this.#options;
    if (deadline.hasPassed || deadline.leftMs < 1) {
      const late = new Problem("timeout", `no copy answered within ${Math.round(deadline.totalMs)} ms`);
      this.#fail(this.#notMet ?? late);
      return;
    }
    const silent =
      this.#lastNode !== undefined && !this.#traffic.heardSince(this.#lastNode, this.#lastStartMs);
    const longAgo = performance.now() - this.#lastStartMs >= deadline.totalMs * this.#hedge.share;
    if (this.#waiting.length > 0 && (silent || longAgo)) this.#startNext();
    else this.#arm();
  }

  readonly #onAbort = (): void => {
    this.#fail(new Problem("timeout", "the request was given up"));
  };

  #fail(problem: Problem): void {
    if (this.#done) return;
    this.#finish();
    this.#reject(new ReadFailure(problem, this.#lastNode));
  }

  #finish(): void {
    this.#done = true;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    for (const { abort, end } of this.#running.values()) {
      end(false);
      abort.abort();
    }
    this.#running.clear();
  }
}

/** How an answer names a shard that it lacks. */
export function toShardFailure(shard: number, reason: unknown): ShardFailure {
  if (!(reason instanceof Problem)) {
    return { shard, reason: "internalError", detail: "the shard's answer could not be read" };
  }
  const node = reason instanceof ReadFailure ? reason.node : undefined;
  return { shard, ...(node === undefined ? {} : { node }), reason: reason.code, detail: reason.detail };
}
