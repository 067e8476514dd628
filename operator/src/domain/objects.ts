/** The kinds of object that the control plane keeps, and what each holds. */
import type { ClusterSettings } from "@prism/api/cluster";
import type { PrismCollection } from "@prism/api/collection";
import type { ShardSpec, ShardStatus } from "@prism/api/shard";
import type { Condition } from "./condition.js";
import type { DeletedCollection } from "./deleted-collection.js";
import type { GivenUpHistory } from "./given-up-history.js";

export interface ClusterStatus {
  /** Identity of the cluster's data; nodes of another cluster are refused. */
  readonly clusterId: string;
  /** Grows at each start of a control plane: nodes follow the highest they have seen. */
  readonly leaderEpoch: number;
  /** Of the spec that the conditions speak of. */
  readonly observedGeneration: number;
  /** All of them, from the first pass of a control plane on; empty before. */
  readonly conditions: readonly Condition[];
  /** Newest last, a bounded number. */
  readonly deletedCollections: readonly DeletedCollection[];
  /** Newest last, a bounded number. */
  readonly givenUpHistories?: readonly GivenUpHistory[];
}

export interface CollectionStatus {
  /** All shard records were written once. One that is missing after that is lost, not new. */
  readonly shardsCreated: boolean;
}

/** A member of the cluster: a place of that name, and the volume that stands there. */
export interface NodeSpec {
  readonly zone: string;
  readonly region: string;
  readonly rack: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface NodeStatus {
  /** Kept on the node's volume: another id under the same name is another volume. "" until seen. */
  readonly nodeId: string;
  readonly bootId: string;
  readonly peerAddress: string;
  readonly httpUrl: string;
  readonly adminUrl: string;
}

export interface ObjectKinds {
  PrismCluster: { readonly spec: ClusterSettings; readonly status: ClusterStatus };
  PrismCollection: { readonly spec: PrismCollection["spec"]; readonly status: CollectionStatus };
  PrismShard: { readonly spec: ShardSpec; readonly status: ShardStatus };
  PrismNode: { readonly spec: NodeSpec; readonly status: NodeStatus };
}
