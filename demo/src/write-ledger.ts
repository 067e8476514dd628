/**
 * What writers asked for and what the cluster acknowledged: the measure of whether anything was lost.
 * Pure: times are arguments. A writer asks for one write of an id at a time.
 */

export interface Acknowledgement {
  readonly id: string;
  readonly value: number;
  readonly shard: number;
  readonly atMs: number;
}

/** What must be found under an id. */
interface Expectation {
  /** Value of the last acknowledged write; undefined: none was. */
  acknowledged: number | undefined;
  /** Asked for after that, with no answer: found or not, both are right. */
  readonly unanswered: Set<number>;
}

export interface Verdict {
  readonly acknowledgedIds: number;
  readonly kept: number;
  /** Ids with an older value than acknowledged, with none, or with one that nobody wrote. */
  readonly lost: readonly string[];
  /** Ids without an acknowledged write that are there all the same, for their writes got no answer. */
  readonly unansweredFound: number;
}

export interface Pause {
  readonly shard: number;
  /** Longest time between two acknowledgements of the shard: what is usual here. */
  readonly longestBeforeMs: number;
  /** Of the pairs of which the second came after the event. */
  readonly longestAfterMs: number;
}

export class WriteLedger {
  readonly #expected = new Map<string, Expectation>();
  readonly #acknowledgements: Acknowledgement[] = [];
  #failed = 0;

  ask(id: string, value: number): void {
    const expectation = this.#expected.get(id);
    if (expectation) expectation.unanswered.add(value);
    else this.#expected.set(id, { acknowledged: undefined, unanswered: new Set([value]) });
  }

  acknowledge(acknowledgement: Acknowledgement): void {
    const expectation = this.#expected.get(acknowledgement.id)!;
    expectation.acknowledged = acknowledgement.value;
    expectation.unanswered.clear();
    this.#acknowledgements.push(acknowledgement);
  }

  /** The write may have been made all the same: its value stays possible. */
  noteFailure(): void {
    this.#failed += 1;
  }

  get failed(): number {
    return this.#failed;
  }

  get acknowledged(): number {
    return this.#acknowledgements.length;
  }

  ids(): string[] {
    return [...this.#expected.keys()];
  }

  /** Acknowledgements of each shard after a time, by shard. */
  countByShardAfter(atMs: number): ReadonlyMap<number, number> {
    const counts = new Map<number, number>();
    for (const { shard, atMs: ackedMs } of this.#acknowledgements) {
      counts.set(shard, (counts.get(shard) ?? 0) + (ackedMs > atMs ? 1 : 0));
    }
    return counts;
  }

  /** Compares what is found in the cluster, undefined for nothing, with what must be there. */
  check(found: ReadonlyMap<string, number | undefined>): Verdict {
    const lost: string[] = [];
    let acknowledgedIds = 0;
    let kept = 0;
    let unansweredFound = 0;
    for (const [id, { acknowledged, unanswered }] of this.#expected) {
      const value = found.get(id);
      const possible = value === acknowledged || (value !== undefined && unanswered.has(value));
      if (acknowledged !== undefined) acknowledgedIds += 1;
      if (acknowledged !== undefined && possible) kept += 1;
      if (acknowledged === undefined && value !== undefined) unansweredFound += 1;
      if (!possible) lost.push(id);
    }
    return { acknowledgedIds, kept, lost, unansweredFound };
  }

  /** In the order of the shards. */
  pausesAround(eventMs: number): Pause[] {
    const pauses = new Map<number, Pause & { lastMs: number }>();
    for (const { shard, atMs } of this.#acknowledgements) {
      const known = pauses.get(shard) ?? { shard, longestBeforeMs: 0, longestAfterMs: 0, lastMs: atMs };
      const gapMs = atMs - known.lastMs;
      const key = atMs > eventMs ? "longestAfterMs" : "longestBeforeMs";
      pauses.set(shard, { ...known, [key]: Math.max(known[key], gapMs), lastMs: atMs });
    }
    return [...pauses.values()]
      .map(({ shard, longestBeforeMs, longestAfterMs }) => ({ shard, longestBeforeMs, longestAfterMs }))
      .sort((a, b) => a.shard - b.shard);
  }
}
