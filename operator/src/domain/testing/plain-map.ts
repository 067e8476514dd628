/** The map as one would make it without keeping anything: what the ledger's maps are held against. */
import type { ClusterMap } from "@prism/proto/gen/node";
import { toMapCollection, toMapHead, toMapNode, toMapShard, type MapSource } from "../map-of-cluster.js";

export function plainMap(source: MapSource): ClusterMap {
  const uids = new Set(source.collections.map(({ uid }) => uid));
  return {
    ...toMapHead(source),
    nodes: source.nodes.filter(({ status }) => status.nodeId !== "").map(toMapNode),
    collections: source.collections.map(toMapCollection),
    shards: source.shards.filter(({ spec }) => uids.has(spec.collectionUid)).map(toMapShard),
  };
}
