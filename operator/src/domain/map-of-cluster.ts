/** What the map says of each thing, from the objects and what is known of the nodes' health. */
import { toClusterSettings, type ClusterSettings } from "@prism/api/cluster";
import type { CollectionSpec } from "@prism/api/collection";
import type { ClusterMap, MapCollection, MapNode, MapShard } from "@prism/proto/gen/node";
import type { HealthState } from "./failure-detector.js";
import type { NodeSpec, NodeStatus, ObjectKinds } from "./objects.js";

export interface MapSource {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly revision: number;
  readonly leaderEpoch: number;
  readonly settings: ClusterSettings;
  readonly nodes: readonly {
    readonly name: string;
    readonly spec: NodeSpec;
    readonly status: NodeStatus;
    readonly state: HealthState;
    readonly exited: boolean;
  }[];
  readonly collections: readonly {
    readonly uid: string;
    readonly generation: number;
    readonly spec: ObjectKinds["PrismCollection"]["spec"];
  }[];
  /** Uids. */
  readonly deletedCollections: readonly string[];
  readonly shards: readonly {
    readonly uid: string;
    readonly spec: ObjectKinds["PrismShard"]["spec"];
    readonly status: ObjectKinds["PrismShard"]["status"];
  }[];
}

const encoder = new TextEncoder();

/** Its identity and settings, without anything that is in it. */
export function toMapHead(source: MapSource): ClusterMap {
  return {
    clusterId: source.clusterId,
    clusterName: source.clusterName,
    revision: source.revision,
    leaderEpoch: source.leaderEpoch,
    settingsJson: encoder.encode(JSON.stringify(toClusterSettings(source.settings))),
    nodes: [],
    collections: [],
    shards: [],
    deletedCollections: [...source.deletedCollections],
  };
}

/** What HTTP shows of a collection: without the reference that only the stored object has. */
export function toCollectionSpec(spec: ObjectKinds["PrismCollection"]["spec"]): CollectionSpec {
  const { clusterRef: _, ...rest } = spec;
  return rest;
}

export function toMapNode(node: MapSource["nodes"][number]): MapNode {
  return {
    nodeId: node.status.nodeId,
    name: node.name,
    peerAddress: node.status.peerAddress,
    httpUrl: node.status.httpUrl,
    zone: node.spec.zone,
    rack: node.spec.rack,
    region: node.spec.region,
    attributes: { ...node.spec.attributes },
    state: toMapState(node.state, node.exited),
    bootId: node.status.bootId,
  };
}

/** A control plane that just started knows nothing against a node it has not dialled yet. */
function toMapState(state: HealthState, exited: boolean): "alive" | "suspect" | "dead" {
  switch (state) {
    case "starting":
      return exited ? "suspect" : "alive";
    case "alive":
    case "suspect":
    case "dead":
      return state;
  }
}

export function toMapCollection(collection: MapSource["collections"][number]): MapCollection {
  return {
    uid: collection.uid,
    name: collection.spec.name,
    specJson: encoder.encode(JSON.stringify(toCollectionSpec(collection.spec))),
    generation: collection.generation,
  };
}

export function toMapShard(shard: MapSource["shards"][number]): MapShard {
  const { spec, status } = shard;
  return {
    uid: shard.uid,
    collectionUid: spec.collectionUid,
    number: spec.number,
    version: status.version,
    term: status.term,
    historyId: status.historyId,
    primary: status.primary,
    inSync: [...status.inSync],
    recovering: [...status.recovering],
    copies: status.copies.map((copy) => ({ allocationId: copy.id, nodeId: copy.node, zone: copy.zone })),
    bootstrap: spec.bootstrap,
  };
}
