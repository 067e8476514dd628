/**
 * Term checks of a primary: rounds of questions that show that nobody else could have acknowledged a
 * write before the round began (protocol 9.2; the idea is the read index of Ongaro, "Consensus:
 * Bridging Theory and Practice", 2014, section 6.4, without its lease).
 *
 *   start: need := local - self, a fresh nonce -> termCheck to each -> termCheckOk of all, in this term
 *
 * A copy that answers in the primary's term has taken part in no later one so far, and only a copy of
 * `local` can be promoted. So when all have answered, whatever was acknowledged before the round began
 * is at or below the checkpoint of this primary.
 *
 * One round runs at a time. What came after its start waits for the next: an answer that was on its way
 * already says nothing of the time since (StrongRead).
 */
import type { AllocationId } from "../cluster-map.js";

/** Unanswered checks are repeated at this pace. */
const REPEAT_MS = 250;

/** What a round needs to know of the primary. */
export interface CheckedPrimary {
  readonly term: number;
  /** The term's no-op is committed: all that was acknowledged in earlier terms is below the checkpoint. */
  readonly ready: boolean;
  readonly draining: boolean;
  /** `local`: every copy that is waited for, joining and leaving ones too. A superset of the stored set. */
  readonly waitedFor: ReadonlySet<AllocationId>;
}

interface Round {
  readonly term: number;
  readonly nonce: string;
  readonly startedMs: number;
  readonly need: Set<AllocationId>;
  sentMs: number;
}

export type SendTermCheck = (to: AllocationId, nonce: string) => void;

export class ReadRounds {
  readonly #self: AllocationId;
  readonly #newNonce: () => string;
  #round: Round | undefined;
  #last: { readonly term: number; readonly startedMs: number } | undefined;

  constructor(self: AllocationId, newNonce: () => string) {
    this.#self = self;
    this.#newNonce = newNonce;
  }

  get isRunning(): boolean {
    return this.#round !== undefined;
  }

  /** Of the running round. */
  get term(): number | undefined {
    return this.#round?.term;
  }

  /** Copies whose answer the running round lacks. */
  get unanswered(): readonly AllocationId[] {
    return this.#round === undefined ? [] : [...this.#round.need];
  }

  /** Start of the newest round that was completed in this term: nobody acknowledged elsewhere before it. */
  lastStartMs(term: number): number | undefined {
    return this.#last?.term === term ? this.#last.startedMs : undefined;
  }

  start(primary: CheckedPrimary, send: SendTermCheck, nowMs: number): void {
    const need = new Set(primary.waitedFor);
    need.delete(this.#self);
    const nonce = this.#newNonce();
    this.#round = { term: primary.term, nonce, startedMs: nowMs, need, sentMs: nowMs };
    for (const copy of need) send(copy, nonce);
  }

  /** An answer in the primary's own term. One to another nonce is of another round, or of another life. */
  answered(from: AllocationId, nonce: string): void {
    if (this.#round?.nonce === nonce) this.#round.need.delete(from);
  }

  abandon(): void {
    this.#round = undefined;
  }

  /**
   * Whether the running round is complete, which ends it. A copy that a map of this term has shown gone
   * can't be promoted any more and owes no answer; one that is merely asked to leave owes it still.
   */
  complete(primary: CheckedPrimary): boolean {
    const round = this.#round;
    if (round === undefined) return false;
    for (const copy of round.need) if (!primary.waitedFor.has(copy)) round.need.delete(copy);
    if (round.need.size > 0) return false;
    this.#round = undefined;
    this.#last = { term: round.term, startedMs: round.startedMs };
    return true;
  }

  tick(send: SendTermCheck, nowMs: number): void {
    const round = this.#round;
    if (round === undefined || nowMs - round.sentMs < REPEAT_MS) return;
    round.sentMs = nowMs;
    for (const copy of round.need) send(copy, round.nonce);
  }
}
