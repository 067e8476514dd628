/** What the demonstration claims, held against what was measured. Pure. */
import type { DrillReport } from "./failure-drill.js";
import type { Shown } from "./showcase.js";
import type { LoadReport } from "./speech-collection.js";

export interface Measurements {
  readonly speeches: number;
  readonly startSeconds: number;
  readonly load: LoadReport;
  readonly searches: readonly Shown[];
  readonly drill: DrillReport;
}

export interface Claim {
  readonly claim: string;
  readonly held: boolean;
  /** What was measured. */
  readonly measured: string;
}

export function judge({ load, searches, drill }: Measurements): Claim[] {
  const { writes, verdict, searches: reads, copies } = drill;
  const poor = searches.filter(({ complete, hits }) => !complete || hits.length === 0);
  const unequal = copies.filter(({ documents }) => documents.some((count) => count !== documents[0]));
  const failedReads = `${reads.failed} failed, ${reads.partial} missed a shard, of ${reads.answered + reads.failed}`;
  return [
    {
      claim: "every passage sent was loaded",
      held: load.sent > 0 && load.loaded === load.sent,
      measured: `${load.loaded} of ${load.sent}`,
    },
    {
      claim: "every kind of search found something, on all shards",
      held: searches.length > 0 && poor.length === 0,
      measured: `${searches.length - poor.length} of ${searches.length}`,
    },
    {
      claim: "every shard took writes again",
      held: drill.resumed,
      measured: drill.resumed ? `after ${longestPauseMs(drill).toFixed(0)} ms at most` : "no",
    },
    {
      claim: "every acknowledged write is there, with its last value",
      held: verdict.acknowledgedIds > 0 && verdict.lost.length === 0,
      measured: `${verdict.kept} of ${verdict.acknowledgedIds} documents${firstOf(verdict.lost)}`,
    },
    {
      claim: "counting agrees with looking",
      held: drill.counted === drill.found,
      measured: `${drill.counted} counted, ${drill.found} found`,
    },
    {
      claim: "no write failed",
      held: writes.failed === 0,
      measured: `${writes.failed} failed${reasons(writes.failures)}, ${writes.retries} requests repeated`,
    },
    {
      claim: "no search failed or missed a shard",
      held: reads.answered > 0 && reads.failed === 0 && reads.partial === 0,
      measured: `${failedReads}${reasons(reads.failures)}`,
    },
    {
      claim: "the node came back, every copy in sync",
      held: drill.inSyncAfterMs !== undefined,
      measured:
        drill.inSyncAfterMs === undefined ? "no" : `after ${(drill.inSyncAfterMs / 1000).toFixed(1)} s`,
    },
    {
      claim: "all copies of a shard hold as many documents",
      held: copies.length > 0 && unequal.length === 0,
      measured: `${copies.length - unequal.length} of ${copies.length} shards`,
    },
  ];
}

export function longestPauseMs(drill: DrillReport): number {
  return Math.max(0, ...drill.shards.map((shard) => shard.longestAfterMs));
}

function firstOf(ids: readonly string[]): string {
  return ids.length === 0 ? "" : `; lost: ${ids.slice(0, 3).join(", ")}${ids.length > 3 ? ", ..." : ""}`;
}

function reasons(failures: Readonly<Record<string, number>>): string {
  const named = Object.entries(failures).map(([code, count]) => `${code} ${count}`);
  return named.length === 0 ? "" : ` (${named.join(", ")})`;
}
