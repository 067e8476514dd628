/**
 * Reads one shard at its primary, wherever that moves meanwhile: a strong read has nobody else to ask.
 * A failover looks like latency, as for writes.
 */
import { Problem } from "@prism/api/problem-code";
import type { ShardCall } from "@prism/proto/frame-kind";
import { primaryNodeOf } from "../domain/choose-copies.js";
import type { NodeId, ShardMap } from "../domain/cluster-map.js";
import type { ClusterDirectory } from "./cluster-directory.js";
import { ReadFailure, type CopyAnswer, type ReadOptions, type ReadTarget } from "./copy-reader.js";
import type { NodeTraffic } from "./node-traffic.js";
import { ShardProblem, type ShardCalls } from "./shard-calls.js";

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 250;

type Attempt =
  | { readonly kind: "answered"; readonly answer: CopyAnswer }
  | { readonly kind: "failed"; readonly problem: Problem }
  /** The map names another primary: the old one may wait in vain for its copies. */
  | { readonly kind: "moved" };

export class PrimaryReader {
  readonly #calls: ShardCalls;
  readonly #directory: ClusterDirectory;
  readonly #traffic: NodeTraffic;

  constructor(calls: ShardCalls, directory: ClusterDirectory, traffic: NodeTraffic) {
    this.#calls = calls;
    this.#directory = directory;
    this.#traffic = traffic;
  }

  /** Rejects with ReadFailure: `consistencyNotMet` with the last reason, or what no retry can mend. */
  async read(
    target: ReadTarget,
    call: ShardCall,
    payload: Uint8Array,
    options: ReadOptions,
  ): Promise<CopyAnswer> {
    let pauseMs = FIRST_PAUSE_MS;
    let last = new Problem("noPrimary", "the shard has no record yet");
    let node: NodeId | undefined;
    let hinted: NodeId | undefined;
    while (!options.deadline.hasPassed && options.signal?.aborted !== true) {
      const shard = this.#directory.shard(target.collection, target.number);
      const asked = hinted ?? (shard === undefined ? undefined : primaryNodeOf(shard));
      const followedHint = hinted !== undefined;
      hinted = undefined;
      if (shard !== undefined && asked !== undefined) {
        node = asked;
        const attempt = await this.#attempt(target, shard, asked, call, payload, options);
        if (attempt.kind === "answered") return attempt.answer;
        if (attempt.kind === "moved") continue;
        const { problem } = attempt;
        if (!mayPass(problem)) throw new ReadFailure(problem, asked);
        // The primary's own reason is worth more than that the rest of the time was too short.
        if (last.code !== "consistencyNotMet" || problem.code !== "timeout") last = problem;
        // One hint between two pauses: copies that each name the other would send it in a circle.
        if (!followedHint) hinted = this.#hintOf(problem, asked);
        if (hinted !== undefined) continue;
      }
      await this.#waitForNewer(target, shard, pauseMs, options);
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    }
    throw new ReadFailure(notMet(last, node), node);
  }

  async #attempt(
    target: ReadTarget,
    shard: ShardMap,
    node: NodeId,
    call: ShardCall,
    payload: Uint8Array,
    options: ReadOptions,
  ): Promise<Attempt> {
    const abort = new AbortController();
    const stop = (): void => abort.abort();
    options.signal?.addEventListener("abort", stop);
    const end = this.#traffic.begin(node);
    const startedAtMs = performance.now();
    const timeoutMs = Math.max(1, Math.ceil(options.deadline.leftMs));
    let answered = false;
    const answer = this.#calls
      .call({ node, shard: shard.uid }, call, payload, { timeoutMs, signal: abort.signal })
      .then(
        (bytes): Attempt => {
          answered = true;
          const tookMs = performance.now() - startedAtMs;
          return { kind: "answered", answer: { payload: bytes, node, tookMs } };
        },
        (error: unknown): Attempt => {
          const problem = toProblem(error);
          answered = problem.code !== "timeout" && problem.code !== "shardUnavailable";
          return { kind: "failed", problem };
        },
      );
    const hasMoved = (): true | undefined => {
      const now = this.#directory.shard(target.collection, target.number);
      return now !== undefined && now.term > shard.term && primaryNodeOf(now) !== node ? true : undefined;
    };
    const moved = this.#directory
      .waitFor(hasMoved, timeoutMs, abort.signal)
      .then((newer): Attempt | undefined => (newer === true ? { kind: "moved" } : undefined));
    try {
      return (await Promise.race([answer, moved])) ?? (await answer);
    } finally {
      end(answered);
      options.signal?.removeEventListener("abort", stop);
      abort.abort();
    }
  }

  #hintOf(problem: Problem, asked: NodeId): NodeId | undefined {
    const hint = problem instanceof ShardProblem ? problem.primaryNode : undefined;
    return hint !== undefined && hint !== asked && this.#calls.isReachable(hint) ? hint : undefined;
  }

  async #waitForNewer(
    target: ReadTarget,
    shard: ShardMap | undefined,
    pauseMs: number,
    options: ReadOptions,
  ): Promise<void> {
    const isNewer = (): true | undefined => {
      const now = this.#directory.shard(target.collection, target.number);
      return now !== undefined && now.version > (shard?.version ?? 0) ? true : undefined;
    };
    await this.#directory.waitFor(isNewer, Math.min(pauseMs, options.deadline.leftMs), options.signal);
  }
}

/** Whether it may be otherwise a moment later, or at another primary. */
export function mayPass({ code }: Problem): boolean {
  switch (code) {
    case "noPrimary":
    case "shardUnavailable":
    case "timeout":
    case "consistencyNotMet":
    case "clusterNotReady":
      return true;
    default:
      return false;
  }
}

function notMet(last: Problem, node: NodeId | undefined): Problem {
  if (last.code === "consistencyNotMet") return last;
  const where = node === undefined ? "" : ` from the primary on ${node}`;
  const detail = `strong: no answer${where} in time (${last.code}: ${last.detail})`;
  return new Problem("consistencyNotMet", detail, { cause: last });
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem("internalError", "the shard call failed", { cause: error });
}
