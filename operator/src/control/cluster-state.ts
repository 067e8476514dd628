/** Everything a decision may look at: the objects as cached, and the nodes as seen. */
import type { ClusterSettings } from "@prism/api/cluster";
import { shardStatusSchema } from "@prism/api/shard";
import type { ObservedNode } from "../domain/shard-observation.js";
import type { NodeId } from "../domain/shard-record.js";
import { placementDomain } from "../domain/placement-domain.js";
import type { ApiObject, ObjectChange, Store } from "../ports/store.js";
import type { NodeFleet } from "./node-fleet.js";
import { ObjectCache } from "./object-cache.js";
import { ShardIndex } from "./shard-index.js";

export interface StateHandlers {
  readonly onCollection: (change: ObjectChange<"PrismCollection">) => void;
  readonly onShard: (change: ObjectChange<"PrismShard">) => void;
  readonly onNode: (change: ObjectChange<"PrismNode">) => void;
}

export class ClusterState {
  readonly collections: ObjectCache<"PrismCollection">;
  readonly shards: ObjectCache<"PrismShard">;
  readonly nodes: ObjectCache<"PrismNode">;
  readonly index = new ShardIndex();
  #settings: ClusterSettings;
  /** No copy gets a new place; who leads is decided all the same. */
  #paused: boolean;

  constructor(store: Store, settings: ClusterSettings, paused: boolean, handlers: StateHandlers) {
    this.#settings = settings;
    this.#paused = paused;
    this.collections = new ObjectCache(store, "PrismCollection", handlers.onCollection);
    this.nodes = new ObjectCache(store, "PrismNode", handlers.onNode);
    this.shards = new ObjectCache(
      store,
      "PrismShard",
      (change) => {
        this.index.take(change);
        handlers.onShard(change);
      },
      ({ status }) => shardStatusSchema.safeParse(status).success,
    );
  }

  get settings(): ClusterSettings {
    return this.#settings;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Counts for every decision from now on. */
  adopt(settings: ClusterSettings, paused: boolean): void {
    this.#settings = settings;
    this.#paused = paused;
  }

  async start(): Promise<void> {
    await this.nodes.start();
    await this.collections.start();
    await this.shards.start();
  }

  stop(): void {
    this.nodes.stop();
    this.collections.stop();
    this.shards.stop();
  }

  collectionOf(shard: ApiObject<"PrismShard">): ApiObject<"PrismCollection"> | undefined {
    const collection = this.collections.get(shard.spec.collection);
    return collection?.metadata.uid === shard.spec.collectionUid ? collection : undefined;
  }

  /** Distinct placement domains, those of nodes that never came up included. */
  domains(): number {
    const domains = new Set<string>();
    for (const { metadata, spec, status } of this.nodes.values()) {
      const id = (status.nodeId || metadata.name) as NodeId;
      domains.add(placementDomain(this.settings.topology, spec, id));
    }
    return domains.size;
  }

  /** Nodes by id; a node that never came up has none yet. */
  observeNodes(fleet: NodeFleet, latestRevision: number): Map<NodeId, ObservedNode> {
    const observed = new Map<NodeId, ObservedNode>();
    for (const object of this.nodes.values()) {
      if (object.status.nodeId === "") continue;
      const node = this.observeNode(object, fleet, latestRevision);
      observed.set(node.id, node);
    }
    return observed;
  }

  observeNode(object: ApiObject<"PrismNode">, fleet: NodeFleet, latestRevision: number): ObservedNode {
    const { name } = object.metadata;
    const id = object.status.nodeId as NodeId;
    const member = fleet.get(name);
    const health = fleet.health(name);
    const state = health?.state ?? "starting";
    const report = member?.report;
    return {
      id,
      name,
      zone: object.spec.zone,
      domain: placementDomain(this.settings.topology, object.spec, id),
      state,
      sinceMs: Math.max(health?.sinceMs ?? 0, state === "alive" ? (member?.connectedSinceMs ?? 0) : 0),
      reason: health?.reason,
      exited: health?.exited ?? false,
      drainingSinceMs: member?.drainingSinceMs,
      diskFull: report?.diskFull === true,
      accepting: state === "alive" && report?.ready === true && !report.draining && !report.diskFull,
      upToDate: report !== undefined && report.mapRevision >= latestRevision,
      weight: 1,
    };
  }
}
