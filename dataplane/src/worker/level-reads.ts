/**
 * Reads of one copy that ask for more than it has: they wait until the state machine says from which
 * sequence number on they may be answered, or that they may not.
 */
import { Problem } from "@prism/api/problem-code";
import type { NodeId } from "../domain/cluster-map.js";
import type { ReadRefusal, WantedRead } from "../domain/replication/event.js";
import { ShardProblem } from "../services/shard-calls.js";

export interface LevelReadsHost {
  ask(readId: number, wanted: WantedRead): void;
  giveUp(readId: number): void;
  /** Where the primary is, if it is not here. */
  primaryNode(): NodeId | undefined;
  /** Nodes whose copies have not answered what reads wait for. */
  unanswered(): readonly string[];
}

interface Waiting {
  readonly resolve: (atLeastSeq: number) => void;
  readonly reject: (problem: Problem) => void;
  readonly timer: NodeJS.Timeout;
}

export class LevelReads {
  readonly #host: LevelReadsHost;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(host: LevelReadsHost) {
    this.#host = host;
  }

  /** Resolves with the seq to be applied first; rejects with `consistencyNotMet`, `noPrimary` or what `close` is given. */
  confirm(wanted: WantedRead, timeoutMs: number): Promise<number> {
    const readId = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          const problem = new Problem("consistencyNotMet", this.#whyNot(wanted, timeoutMs));
          this.#waiting.delete(readId);
          this.#host.giveUp(readId);
          reject(problem);
        },
        Math.max(1, timeoutMs),
      );
      this.#waiting.set(readId, { resolve, reject, timer });
      this.#host.ask(readId, wanted);
    });
  }

  ready(readId: number, atLeastSeq: number): void {
    this.#take(readId)?.resolve(atLeastSeq);
  }

  refused(readId: number, reason: ReadRefusal): void {
    const problem =
      reason === "notPrimary"
        ? new ShardProblem("noPrimary", "this copy is not the shard's primary", {
            primaryNode: this.#host.primaryNode(),
          })
        : new Problem("shardUnavailable", "this copy of the shard has stopped");
    this.#take(readId)?.reject(problem);
  }

  close(problem: Problem): void {
    for (const readId of this.#waiting.keys()) this.#take(readId)?.reject(problem);
  }

  #whyNot(wanted: WantedRead, timeoutMs: number): string {
    const silent = this.#host.unanswered();
    const primary = this.#host.primaryNode();
    const why =
      silent.length > 0
        ? `the primary has not heard from the copies on ${silent.join(", ")}`
        : primary === undefined
          ? "the primary is not ready, or hands its role over"
          : `nothing was heard from the primary on ${primary}`;
    const level = wanted.level === "strong" ? "strong" : `bounded (${wanted.maxStalenessMs} ms)`;
    return `${level}: within ${Math.round(timeoutMs)} ms ${why}`;
  }

  #take(readId: number): Waiting | undefined {
    const waiting = this.#waiting.get(readId);
    this.#waiting.delete(readId);
    clearTimeout(waiting?.timer);
    return waiting;
  }
}
