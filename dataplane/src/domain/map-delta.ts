/**
 * A newer map from an older one and what differs. Everything that is another at the newer revision than it was at
 * the base is in the delta as it is at the newer one, so it fits any revision between the two as well: a delta
 * that comes twice, late, or after one that overlaps it leads to the same map.
 */
import type { ClusterSettings } from "@prism/api/cluster";
import type { ClusterMap, CollectionMap, MapNode, NodeId, ShardMap, ShardUid } from "./cluster-map.js";

export interface MapDelta {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly leaderEpoch: number;
  readonly baseRevision: number;
  readonly revision: number;
  /** Undefined: as before. */
  readonly head:
    { readonly settings: ClusterSettings; readonly deletedCollections: readonly string[] } | undefined;
  /** New, or others now. */
  readonly nodes: readonly MapNode[];
  readonly collections: readonly CollectionMap[];
  readonly shards: readonly ShardMap[];
  readonly removedNodes: readonly NodeId[];
  readonly removedCollections: readonly string[];
  readonly removedShards: readonly ShardUid[];
}

/** Undefined: `held` is none that the delta can be applied to, and a whole map is needed. */
export function applyMapDelta(held: ClusterMap | undefined, delta: MapDelta): ClusterMap | undefined {
  if (held === undefined || held.leaderEpoch !== delta.leaderEpoch) return undefined;
  if (held.revision < delta.baseRevision) return undefined;
  if (held.revision >= delta.revision) return held;
  const { clusterId, clusterName, leaderEpoch, revision, head } = delta;
  const collections = merged(held.collections, delta.collections, delta.removedCollections, ({ uid }) => uid);
  return {
    clusterId,
    clusterName,
    leaderEpoch,
    revision,
    settings: head?.settings ?? held.settings,
    deletedCollections: head?.deletedCollections ?? held.deletedCollections,
    nodes: merged(held.nodes, delta.nodes, delta.removedNodes, ({ id }) => id),
    // In the order of whole maps; that of nodes and shards means nothing.
    collections:
      collections === held.collections
        ? collections
        : [...collections].sort((a, b) => (a.name < b.name ? -1 : 1)),
    shards: merged(held.shards, delta.shards, delta.removedShards, ({ uid }) => uid),
  };
}

/** @throws {Error} where that can't be: what is done from then on could be wrong. */
export function mapAfter(held: ClusterMap | undefined, delta: MapDelta): ClusterMap {
  const map = applyMapDelta(held, delta);
  if (map === undefined)
    throw new Error(`no map at ${held?.revision} for a delta from ${delta.baseRevision}`);
  return map;
}

function merged<T>(
  held: readonly T[],
  changed: readonly T[],
  removed: readonly string[],
  idOf: (one: T) => string,
): readonly T[] {
  if (changed.length === 0 && removed.length === 0) return held;
  const byId = new Map(held.map((one) => [idOf(one), one]));
  for (const id of removed) byId.delete(id);
  for (const one of changed) byId.set(idOf(one), one);
  return [...byId.values()];
}
