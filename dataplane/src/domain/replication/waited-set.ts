/**
 * The copies without which a primary commits nothing, with the joins and leaves under way: protocol
 * 7.2 to 7.4. PrimaryWaitsForStoredSet: always a superset of the in-sync set stored in this term.
 */
import type { Reason } from "@prism/api/reason";
import type { AllocationId, ShardMap } from "../cluster-map.js";
import type { StepOutput } from "./step-output.js";

/** Unanswered requests to the control plane and unanswered messages are repeated at this pace. */
export const REPEAT_MS = 250;

interface Leaving {
  readonly reason: Reason;
  askedMs: number;
}

export class WaitedSet {
  readonly #self: AllocationId;
  readonly #term: number;
  readonly #local: Set<AllocationId>;
  readonly #joining = new Map<AllocationId, { askedMs: number }>();
  readonly #leaving = new Map<AllocationId, Leaving>();

  constructor(self: AllocationId, term: number, inSync: readonly AllocationId[]) {
    this.#self = self;
    this.#term = term;
    this.#local = new Set(inSync);
  }

  has(copy: AllocationId): boolean {
    return this.#local.has(copy);
  }

  /** The primary itself among them. */
  get all(): ReadonlySet<AllocationId> {
    return this.#local;
  }

  /** Without the primary itself. */
  others(): AllocationId[] {
    return [...this.#local].filter((copy) => copy !== this.#self);
  }

  /** Nothing joins or leaves. */
  get isSettled(): boolean {
    return this.#joining.size === 0 && this.#leaving.size === 0;
  }

  isLeaving(copy: AllocationId): boolean {
    return this.#leaving.has(copy);
  }

  /** Protocol 7.2, in one step: the copy is waited for before the store is asked, so it can't be promoted unfilled. */
  join(copy: AllocationId, out: StepOutput, nowMs: number): void {
    this.#local.add(copy);
    this.#joining.set(copy, { askedMs: nowMs });
    out.note({ what: "joinStarted", copy });
    this.#request("addInSync", copy, "CaughtUp", out);
  }

  /** Protocol 7.3: ask for the removal, go on waiting; nothing commits without the copy until a map shows it gone. */
  leave(copy: AllocationId, reason: Reason, out: StepOutput, nowMs: number): void {
    if (this.#leaving.has(copy)) return;
    const why = this.#joining.delete(copy) ? "JoinGivenUp" : reason;
    this.#leaving.set(copy, { reason: why, askedMs: nowMs });
    out.note({ what: "removalAsked", copy, reason: why });
    this.#request("removeCopy", copy, why, out);
  }

  /**
   * A copy on its way out that confirms everything again may stay, unless its removal is already stored.
   * A join that was given up is not taken back: the copy may be told so by a map at any moment.
   */
  stay(copy: AllocationId, out: StepOutput): void {
    const leaving = this.#leaving.get(copy);
    if (leaving === undefined || leaving.reason === "JoinGivenUp") return;
    this.#leaving.delete(copy);
    out.note({ what: "removalWithdrawn", copy });
  }

  /** Protocol 7.4: a newer map of the own term; the only confirmation of joins and leaves. */
  applyMap(map: ShardMap, out: StepOutput): void {
    for (const copy of map.inSync) {
      this.#local.add(copy);
      if (this.#joining.delete(copy)) out.note({ what: "joinConfirmed", copy });
    }
    for (const copy of this.others()) {
      if (map.inSync.includes(copy) || map.recovering.includes(copy)) continue;
      this.#local.delete(copy);
      this.#joining.delete(copy);
      this.#leaving.delete(copy);
      out.note({ what: "left", copy });
    }
  }

  repeatRequests(copy: AllocationId, out: StepOutput, nowMs: number): void {
    const joining = this.#joining.get(copy);
    if (joining !== undefined && nowMs - joining.askedMs >= REPEAT_MS) {
      joining.askedMs = nowMs;
      this.#request("addInSync", copy, "CaughtUp", out);
    }
    const leaving = this.#leaving.get(copy);
    if (leaving !== undefined && nowMs - leaving.askedMs >= REPEAT_MS) {
      leaving.askedMs = nowMs;
      this.#request("removeCopy", copy, leaving.reason, out);
    }
  }

  #request(
    action: "addInSync" | "removeCopy",
    allocationId: AllocationId,
    reason: Reason,
    out: StepOutput,
  ): void {
    out.emit({ kind: "request", action, allocationId, term: this.#term, reason });
  }
}
