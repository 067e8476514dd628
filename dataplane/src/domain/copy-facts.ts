/** What of a node's report the control plane decides by, so that a change of it is sent unasked. */
import type { CopyReport } from "@prism/proto/gen/node";

/** Equal for two lists of copies between which no decision can differ; counters are left out. */
export function decisiveFacts(copies: readonly CopyReport[]): string {
  return copies
    .map(({ shardUid, allocationId, historyId, term, mapVersion, role, reason, kept }) =>
      [shardUid, allocationId, historyId, term, mapVersion, role, reason, kept?.mapRevision].join(" "),
    )
    .sort()
    .join("\n");
}
