/**
 * Reads one shard at its primary, wherever that moves meanwhile: a strong read has nobody else to ask.
 * A failover looks like latency, as for writes.
 */
import { Problem } from "@prism/api/problem-code";
import type { ShardCall } from "@prism/proto/frame-kind";
import { primaryNodeOf } from "../domain/choose-copies.js";
import type { NodeId, ShardMap } from "../domain/cluster-map.js";
import { isAnswerOfNode, toCallProblem } from "./call-error.js";
import type { ClusterDirectory } from "./cluster-directory.js";
import { ReadFailure, type CopyAnswer, type ReadOptions, type ReadTarget } from "./copy-reader.js";
import type { NodeTraffic } from "./node-traffic.js";
import { FIRST_PAUSE_MS, LONGEST_PAUSE_MS, PrimaryCalls } from "./primary-calls.js";
import type { ShardCalls } from "./shard-calls.js";

export class PrimaryReader {
  readonly #primaries: PrimaryCalls;
  readonly #directory: ClusterDirectory;

  constructor(calls: ShardCalls, directory: ClusterDirectory, traffic: NodeTraffic) {
    this.#primaries = new PrimaryCalls(calls, directory, traffic);
    this.#directory = directory;
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
        const { collection } = target;
        const { deadline, signal } = options;
        const place = { collection, shard, node: asked, call, payload, deadline, signal };
        const attempt = await this.#primaries.ask({
          ...place,
          isAnswer: (error) => isAnswerOfNode(toCallProblem(error)),
        });
        if (attempt.kind === "answered") {
          return { payload: attempt.payload, node: asked, tookMs: attempt.tookMs };
        }
        if (attempt.kind === "moved") continue;
        const problem = toCallProblem(attempt.error);
        if (!mayPass(problem)) throw new ReadFailure(problem, asked);
        // The primary's own reason is worth more than that the rest of the time was too short.
        if (last.code !== "consistencyNotMet" || problem.code !== "timeout") last = problem;
        // One hint between two pauses: copies that each name the other would send it in a circle.
        if (!followedHint) hinted = this.#primaries.hintOf(problem, asked);
        if (hinted !== undefined) continue;
      }
      await this.#waitForNewer(target, shard, pauseMs, options);
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    }
    throw new ReadFailure(notMet(last, node), node);
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
