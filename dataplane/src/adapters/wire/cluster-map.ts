/** ClusterMap and MapDelta on the wire <-> in the domain. */
import { parseClusterSettings, type ClusterSettings } from "@prism/api/cluster";
import type { CollectionSpec } from "@prism/api/collection";
import type * as wire from "@prism/proto/gen/node";
import type {
  AllocationId,
  ClusterMap,
  CollectionMap,
  HistoryId,
  MapNode,
  NodeId,
  NodeState,
  ShardMap,
  ShardUid,
} from "../../domain/cluster-map.js";
import type { MapDelta } from "../../domain/map-delta.js";

const utf8 = new TextDecoder();
/** For keys that a control plane of before them does not send. */
const DEFAULT_HEALTH = parseClusterSettings({ version: "0.0.0" }).health;

/** @throws {Error} when a JSON part does not parse or a node's state is none of the known. */
export function fromWireMap(map: wire.ClusterMap): ClusterMap {
  return {
    clusterId: map.clusterId,
    clusterName: map.clusterName,
    revision: map.revision,
    leaderEpoch: map.leaderEpoch,
    settings: settings.of(map.settingsJson),
    nodes: map.nodes.map(fromWireNode),
    collections: map.collections.map(fromWireCollection),
    shards: map.shards.filter(isRecord).map(fromWireShard),
    deletedCollections: map.deletedCollections,
  };
}

/** @throws {Error} as fromWireMap, and when the delta holds nothing that says which map it leads to. */
export function fromWireDelta(delta: wire.MapDelta): MapDelta {
  const { baseRevision, changed } = delta;
  if (changed === undefined) throw new Error("a delta without a map");
  const { settingsJson, deletedCollections } = changed;
  const unknown = changed.shards.filter((shard) => !isRecord(shard)).map(({ uid }) => uid);
  return {
    clusterId: changed.clusterId,
    clusterName: changed.clusterName,
    leaderEpoch: changed.leaderEpoch,
    baseRevision,
    revision: changed.revision,
    head: settingsJson.length === 0 ? undefined : { settings: settings.of(settingsJson), deletedCollections },
    nodes: changed.nodes.map(fromWireNode),
    collections: changed.collections.map(fromWireCollection),
    shards: changed.shards.filter(isRecord).map(fromWireShard),
    removedNodes: delta.removedNodes as NodeId[],
    removedCollections: delta.removedCollections,
    // A whole map would not have had them either.
    removedShards: [...delta.removedShards, ...unknown] as ShardUid[],
  };
}

/** What is in JSON in each map and hardly ever changes: the one parsed last serves as long as the bytes are the same. */
class LastParsed<T> {
  readonly #parse: (text: string) => T;
  #bytes = Buffer.alloc(0);
  #value: T | undefined;

  constructor(parse: (text: string) => T) {
    this.#parse = parse;
  }

  of(json: Uint8Array): T {
    if (this.#value !== undefined && this.#bytes.equals(json)) return this.#value;
    const value = this.#parse(utf8.decode(json));
    this.#bytes = Buffer.from(json);
    this.#value = value;
    return value;
  }
}

/** Parsed strictly by the control plane, which may be newer than this node and know more keys. */
const settings = new LastParsed((text): ClusterSettings => {
  const parsed = JSON.parse(text) as ClusterSettings;
  return { ...parsed, health: { ...DEFAULT_HEALTH, ...parsed.health } };
});

/**
 * A record that lacks what every record has is unknown, not empty: nothing may be promoted, made or
 * deleted by it, so for this node the map does not have it.
 */
function isRecord({ uid, version, term, historyId, primary, inSync, recovering }: wire.MapShard): boolean {
  return (
    uid !== "" &&
    historyId !== "" &&
    version >= 1 &&
    term >= 1 &&
    inSync.includes(primary) &&
    !recovering.some((id) => inSync.includes(id))
  );
}

export function toWireMap(map: ClusterMap): wire.ClusterMap {
  return {
    clusterId: map.clusterId,
    clusterName: map.clusterName,
    revision: map.revision,
    leaderEpoch: map.leaderEpoch,
    settingsJson: Buffer.from(JSON.stringify(map.settings)),
    nodes: map.nodes.map((node) => ({
      nodeId: node.id,
      name: node.name,
      peerAddress: node.peerAddress,
      httpUrl: node.httpUrl,
      zone: node.zone,
      rack: node.rack,
      region: node.region,
      attributes: { ...node.attributes },
      state: node.state,
      bootId: node.bootId,
    })),
    collections: map.collections.map((collection) => ({
      uid: collection.uid,
      name: collection.name,
      specJson: Buffer.from(JSON.stringify(collection.spec)),
      generation: collection.generation,
    })),
    shards: map.shards.map(toWireShard),
    deletedCollections: [...map.deletedCollections],
  };
}

function fromWireNode(node: wire.MapNode): MapNode {
  return {
    id: node.nodeId as NodeId,
    name: node.name,
    peerAddress: node.peerAddress,
    httpUrl: node.httpUrl,
    zone: node.zone,
    rack: node.rack,
    region: node.region,
    attributes: node.attributes,
    state: parseNodeState(node.state),
    bootId: node.bootId,
  };
}

function parseNodeState(state: string): NodeState {
  if (state === "alive" || state === "suspect" || state === "dead") return state;
  throw new Error(`node state ${JSON.stringify(state)} is none of alive, suspect, dead`);
}

function fromWireCollection(collection: wire.MapCollection): CollectionMap {
  return {
    uid: collection.uid,
    name: collection.name,
    spec: JSON.parse(utf8.decode(collection.specJson)) as CollectionSpec,
    generation: collection.generation,
  };
}

function fromWireShard(shard: wire.MapShard): ShardMap {
  return {
    uid: shard.uid as ShardUid,
    collectionUid: shard.collectionUid,
    number: shard.number,
    version: shard.version,
    term: shard.term,
    historyId: shard.historyId as HistoryId,
    primary: shard.primary as AllocationId,
    inSync: shard.inSync as AllocationId[],
    recovering: shard.recovering as AllocationId[],
    copies: shard.copies.map((copy) => ({
      id: copy.allocationId as AllocationId,
      node: copy.nodeId as NodeId,
      zone: copy.zone,
    })),
    bootstrap: shard.bootstrap,
  };
}

export function toWireShard(shard: ShardMap): wire.MapShard {
  return {
    uid: shard.uid,
    collectionUid: shard.collectionUid,
    number: shard.number,
    version: shard.version,
    term: shard.term,
    historyId: shard.historyId,
    primary: shard.primary,
    inSync: [...shard.inSync],
    recovering: [...shard.recovering],
    copies: shard.copies.map((copy) => ({ allocationId: copy.id, nodeId: copy.node, zone: copy.zone })),
    bootstrap: shard.bootstrap,
  };
}
