/**
 * What a node knows about its cluster: the map that the control plane sends, as the node's own
 * types. Copies act on the record of their own shard by its `version`; the coordinator takes the
 * whole map by its `revision`.
 */
import type { ClusterSettings } from "@prism/api/cluster";
import type { CollectionSpec } from "@prism/api/collection";

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

export type NodeId = Branded<string, "NodeId">;
export type AllocationId = Branded<string, "AllocationId">;
export type ShardUid = Branded<string, "ShardUid">;
export type HistoryId = Branded<string, "HistoryId">;

export type NodeState = "alive" | "suspect" | "dead";

export interface MapNode {
  readonly id: NodeId;
  readonly name: string;
  readonly peerAddress: string;
  readonly httpUrl: string;
  readonly zone: string;
  readonly rack: string;
  readonly region: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly state: NodeState;
  readonly bootId: string;
}

export interface CopyPlace {
  readonly id: AllocationId;
  readonly node: NodeId;
  readonly zone: string;
}

/** The shard's record as delivered to nodes: protocol section 2. */
export interface ShardMap {
  readonly uid: ShardUid;
  readonly collectionUid: string;
  readonly number: number;
  readonly version: number;
  readonly term: number;
  readonly historyId: HistoryId;
  readonly primary: AllocationId;
  readonly inSync: readonly AllocationId[];
  readonly recovering: readonly AllocationId[];
  readonly copies: readonly CopyPlace[];
  /** Nonce of the shard's making, "" once any copy has been seen: only then may empty data be made. */
  readonly bootstrap: string;
}

export interface CollectionMap {
  readonly uid: string;
  readonly name: string;
  readonly spec: CollectionSpec;
  readonly generation: number;
}

export interface ClusterMap {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly revision: number;
  readonly leaderEpoch: number;
  readonly settings: ClusterSettings;
  readonly nodes: readonly MapNode[];
  readonly collections: readonly CollectionMap[];
  readonly shards: readonly ShardMap[];
  /** Uids of collections whose deletion is on record. */
  readonly deletedCollections: readonly string[];
}
