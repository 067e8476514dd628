/** What is remembered of shards between passes: what they wait for, whose record is lost, whose primary is in trouble. */
import { isDeepStrictEqual } from "node:util";
import type { Verdict } from "../domain/action.js";
import type { ShardWait } from "../domain/status.js";

export interface LostRecord {
  readonly shard: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** What is missing for it to be made again. */
  readonly missing: readonly string[];
}

export class ShardOutlook {
  readonly #waits = new Map<string, ShardWait>();
  readonly #lostRecords = new Map<string, LostRecord>();
  /** By shard: why its record is not made again, as last said. */
  readonly #doubts = new Map<string, readonly string[]>();
  readonly #troubleSinceMs = new Map<string, number>();

  get waits(): ReadonlyMap<string, ShardWait> {
    return this.#waits;
  }

  get lostRecords(): readonly LostRecord[] {
    return [...this.#lostRecords.values()];
  }

  /** Returns the wait when it is a new one, "over" when one ended. */
  take(shard: string, verdict: Verdict, nowMs: number): ShardWait | "over" | undefined {
    if (verdict.kind === "act") return undefined;
    if (verdict.kind === "pass") return this.#waits.delete(shard) ? "over" : undefined;
    const before = this.#waits.get(shard);
    const same = before?.reason === verdict.reason;
    const wait: ShardWait = {
      reason: verdict.reason,
      evidence: verdict.evidence,
      retryAt: verdict.kind === "wait" ? verdict.retryAtMs : undefined,
      since: same ? before.since : nowMs,
    };
    this.#waits.set(shard, wait);
    return same ? undefined : wait;
  }

  /** True when it was not known yet. */
  recordLost(shard: string, nowMs: number): boolean {
    if (this.#lostRecords.has(shard)) return false;
    this.#lostRecords.set(shard, { shard, since: nowMs, missing: [] });
    return true;
  }

  /** Why the shard's record can't be made again now. True when that is news. */
  recordDoubted(shard: string, missing: readonly string[]): boolean {
    const lost = this.#lostRecords.get(shard);
    if (lost !== undefined) this.#lostRecords.set(shard, { ...lost, missing });
    const before = this.#doubts.get(shard);
    this.#doubts.set(shard, missing);
    return before === undefined || !isDeepStrictEqual(before, missing);
  }

  /** A record that was lost was put back, or made again. */
  recordFound(shard: string): void {
    this.#doubts.delete(shard);
    this.#lostRecords.delete(shard);
  }

  /** The primary's node is in trouble; `atMs` on a clock that does not jump. */
  troubleBegan(shard: string, atMs: number): void {
    if (!this.#troubleSinceMs.has(shard)) this.#troubleSinceMs.set(shard, atMs);
  }

  /** A primary is active: how long there was none, if there was trouble. */
  troubleEnded(shard: string, atMs: number): number | undefined {
    const sinceMs = this.#troubleSinceMs.get(shard);
    this.#troubleSinceMs.delete(shard);
    return sinceMs === undefined ? undefined : atMs - sinceMs;
  }

  forget(shard: string): void {
    this.#waits.delete(shard);
    this.#troubleSinceMs.delete(shard);
  }
}
