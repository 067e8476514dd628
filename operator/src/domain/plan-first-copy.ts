/**
 * A shard whose first copy was lost before it was ever joined by another goes on with a copy on a node
 * that lives. A write is acknowledged only while the stored in-sync set has minReplicasForWrite members
 * (protocol, the floor), and the set of a record as it was made has one: with a floor of two or more
 * nothing can have been acknowledged, so no person has to accept a loss. With a floor of one the lost
 * copy may have acknowledged writes that nobody else has, and the shard waits.
 */
import { PASS, type Verdict } from "./action.js";
import { resetCandidates } from "./plan-forced-reset.js";
import { conditionOf, nodeOf, type ShardObservation } from "./shard-observation.js";
import type { HistoryId } from "./shard-record.js";

/** Nobody has changed the record since it was made: its in-sync set has been the first copy alone all the time. */
const AS_MADE_VERSION = 1;
const FEWEST_FOR_ANY_LOSS = 2;

export function planFirstCopy(observation: ShardObservation): Verdict {
  const { record, settings, name, resourceVersion, nodes } = observation;
  const asMade = record.version === AS_MADE_VERSION && record.bootstrap !== "";
  if (!asMade || settings.minReplicasForWrite < FEWEST_FOR_ANY_LOSS) return PASS;
  const condition = conditionOf(observation, record.primary);
  const lost =
    condition === "removed" ||
    (condition === "dead" && nodeOf(observation, record.primary)?.state === "dead");
  const [copy] = resetCandidates(observation);
  if (!lost || copy === undefined) return PASS;
  const { uid, version, term } = record;
  return {
    kind: "act",
    actions: [
      {
        kind: "changeRecord",
        shard: name,
        precondition: { uid, resourceVersion, version, term },
        change: {
          kind: "beginHistory",
          copy: { id: copy.id, node: copy.node, zone: nodes.get(copy.node)?.zone ?? "" },
          aboveTerm: Math.max(term, ...observation.copies.map((one) => one.term)),
          historyId: `${record.historyId}-${observation.nonce}` as HistoryId,
        },
        reason: "FirstCopyLost",
        evidence: { lost: record.primary, condition },
        request: undefined,
        note: undefined,
      },
    ],
  };
}
