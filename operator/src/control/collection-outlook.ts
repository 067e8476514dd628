/** Whether a collection is there for those who use it, and if not, why. */
import { REASONS, type Reason } from "@prism/api/reason";
import type { StatusResponse } from "@prism/api/status";
import type { ClusterState } from "./cluster-state.js";
import type { MapPublisher } from "./map-publisher.js";

export interface CollectionOutlook {
  readonly ready: boolean;
  readonly reason: Reason;
  readonly message: string;
}

/**
 * Ready when all its shards have an active primary and enough copies in sync for writes, and more than half of
 * the nodes go by a map that has the collection. A node that is away gets that map when it is back. Undefined: the
 * control plane has none of the name.
 */
export function collectionOutlook(options: {
  readonly name: string;
  readonly status: StatusResponse;
  readonly state: ClusterState;
  readonly maps: MapPublisher;
}): CollectionOutlook | undefined {
  const { name, status, state, maps } = options;
  const collection = state.collections.get(name);
  if (!collection) return undefined;
  if (!collection.status.shardsCreated) {
    const reason = "NoNodeWithCapacity";
    return { ready: false, reason, message: `its shards are not made yet: ${REASONS[reason]}` };
  }
  const shards = status.shards.filter((shard) => shard.collection === name);
  const down = shards.filter((shard) => shard.state === "unavailable" || shard.state === "unknown");
  const missing = collection.spec.shards - shards.length;
  if (missing > 0 || down.length > 0) {
    const about = new Set(down.map((shard) => `shard/${name}/${shard.number}`));
    const cause = status.problems.find(({ object }) => about.has(object));
    const count = `${missing + down.length} of ${collection.spec.shards} shards take no writes`;
    const reason = cause?.reason ?? (missing > 0 ? "ShardRecordLost" : "PrimarySuspect");
    return { ready: false, reason, message: cause ? `${count}: ${cause.message}` : count };
  }
  const confirmed = maps.confirmations(collection.metadata);
  const message = `confirmed by ${confirmed} of ${state.settings.nodes} nodes`;
  const isKnown = confirmed * 2 > state.settings.nodes;
  return isKnown
    ? { ready: true, reason: "AllInSync", message: "" }
    : { ready: false, reason: "NotConfirmed", message };
}
