/**
 * Calls that were sent and not answered yet, matched by id. Each ends exactly once: by its answer,
 * its time limit, its signal, or the loss of the other side.
 */
import { ShardCall } from "@prism/proto/frame-kind";
import { ShardProblem, type ShardCallOptions } from "./shard-calls.js";

interface PendingCall {
  readonly call: ShardCall;
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (problem: ShardProblem) => void;
  readonly timer: NodeJS.Timeout;
  readonly stopListening: (() => void) | undefined;
}

export class PendingCalls {
  readonly #pending = new Map<number, PendingCall>();
  readonly #cancel: (id: number) => void;
  #nextId = 1;

  /** `cancel` tells the other side that nobody waits for this id any more. */
  constructor(cancel: (id: number) => void) {
    this.#cancel = cancel;
  }

  get size(): number {
    return this.#pending.size;
  }

  open(call: ShardCall, options: ShardCallOptions): { id: number; answer: Promise<Uint8Array> } {
    const id = this.#nextId++;
    const { signal } = options;
    const answer = new Promise<Uint8Array>((resolve, reject) => {
      const giveUp = (detail: string): void => {
        if (this.#take(id) === undefined) return;
        this.#cancel(id);
        reject(new ShardProblem("timeout", detail, { executed: executedIfLost(call) }));
      };
      const onAbort = (): void => giveUp("the caller gave up");
      signal?.addEventListener("abort", onAbort);
      this.#pending.set(id, {
        call,
        resolve,
        reject,
        timer: setTimeout(
          () => giveUp(`no answer within ${options.timeoutMs} ms`),
          toTimerMs(options.timeoutMs),
        ),
        stopListening: signal && (() => signal.removeEventListener("abort", onAbort)),
      });
    });
    return { id, answer };
  }

  /** An answer nobody waits for any more is dropped. */
  resolve(id: number, payload: Uint8Array): void {
    this.#take(id)?.resolve(payload);
  }

  reject(id: number, problem: ShardProblem): void {
    this.#take(id)?.reject(problem);
  }

  /** The other side is lost: whether it executed a write can't be known. */
  failAll(detail: string): void {
    for (const [id, { call, reject }] of this.#pending) {
      this.#take(id);
      reject(new ShardProblem("shardUnavailable", detail, { executed: executedIfLost(call) }));
    }
  }

  #take(id: number): PendingCall | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.stopListening?.();
    return pending;
  }
}

/** A timer set above 31 bits fires at once. */
const MAX_TIMER_MS = 0x7fffffff;

export function toTimerMs(timeoutMs: number): number {
  return Math.min(Math.max(1, Math.ceil(timeoutMs)), MAX_TIMER_MS);
}

function executedIfLost(call: ShardCall): "no" | "unknown" {
  return call === ShardCall.write ? "unknown" : "no";
}
