/** Builds cluster maps for tests. Every option set matters to the test that sets it. */
import { parseClusterSettings } from "@prism/api/cluster";
import type {
  AllocationId,
  ClusterMap,
  HistoryId,
  MapNode,
  NodeId,
  ShardUid,
} from "../domain/cluster-map.js";

export interface MapOptions {
  readonly clusterId?: string;
  readonly revision?: number;
  readonly leaderEpoch?: number;
  readonly nodes?: readonly (Partial<MapNode> & { readonly id: NodeId })[];
  /** Uids; each shard has one copy, on the first node. */
  readonly shards?: readonly string[];
}

export function clusterMap(options: MapOptions = {}): ClusterMap {
  const nodes = (options.nodes ?? []).map((node) => ({
    name: node.id,
    peerAddress: "",
    httpUrl: "",
    zone: "a",
    rack: "",
    region: "",
    attributes: {},
    state: "alive" as const,
    bootId: "",
    ...node,
  }));
  return {
    clusterId: options.clusterId ?? "cluster-1",
    clusterName: "test",
    revision: options.revision ?? 1,
    leaderEpoch: options.leaderEpoch ?? 1,
    settings: parseClusterSettings({ version: "0.1.0" }),
    nodes,
    collections: [],
    deletedCollections: [],
    shards: (options.shards ?? []).map((uid, number) => ({
      uid: uid as ShardUid,
      collectionUid: "collection-1",
      number,
      version: 1,
      term: 1,
      historyId: "h" as HistoryId,
      primary: "a1" as AllocationId,
      inSync: ["a1" as AllocationId],
      recovering: [],
      copies: [{ id: "a1" as AllocationId, node: nodes[0]?.id ?? ("n1" as NodeId), zone: "a" }],
      bootstrap: "",
    })),
  };
}
