/** When an answer that lacks shards is still an answer. */
import { Problem } from "@prism/api/problem-code";
import type { ShardFailure } from "@prism/api/search";

export interface ShardsSummary {
  readonly total: number;
  readonly successful: number;
  readonly failed: number;
  /** By shard number. */
  readonly failures: readonly ShardFailure[];
}

export interface PartialRules {
  readonly allowPartialResults: boolean;
  readonly minSuccessfulShards: number;
}

export function summarizeShards(total: number, failures: readonly ShardFailure[]): ShardsSummary {
  const sorted = [...failures].sort((a, b) => a.shard - b.shard);
  return { total, successful: total - sorted.length, failed: sorted.length, failures: sorted };
}

/**
 * The problem to answer with instead of results; undefined when the answer may be given. A
 * collection with fewer shards than `minSuccessfulShards` needs all of them.
 */
export function refusePartial(summary: ShardsSummary, rules: PartialRules): Problem | undefined {
  if (summary.failed === 0) return undefined;
  const needed = rules.allowPartialResults
    ? Math.min(rules.minSuccessfulShards, summary.total)
    : summary.total;
  if (summary.successful >= needed) return undefined;
  const reasons = summary.failures
    .slice(0, 5)
    .map(({ shard, node, reason }) => `shard ${shard}${node === undefined ? "" : ` on ${node}`}: ${reason}`);
  return new Problem(
    "partialResults",
    `${summary.successful} of ${summary.total} shards answered, ${needed} are needed (${reasons.join("; ")})`,
  );
}
