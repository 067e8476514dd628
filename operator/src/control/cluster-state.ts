/** Everything a decision may look at: the objects as cached, and the nodes as seen. */
import type { ClusterSettings } from "@prism/api/cluster";
import { shardStatusSchema } from "@prism/api/shard";
import type { ObservedNode } from "../domain/shard-observation.js";
import type { NodeId } from "../domain/shard-record.js";
import { placementDomain } from "../domain/placement-domain.js";
import type { ApiObject, ObjectChange, Store } from "../ports/store.js";
import type { NodeFleet } from "./node-fleet.js";
import { ObjectCache } from "./object-cache.js";
import { ObservedMember } from "./observed-member.js";
import { ShardIndex } from "./shard-index.js";
import { steadyNowMs } from "./steady-clock.js";

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
  readonly sinceMs = steadyNowMs();
  #settings: ClusterSettings;
  /** No copy gets a new place; who leads is decided all the same. */
  #paused: boolean;
  /** Of the nodes as they are stored now. */
  #domains: number | undefined;
  #observed: ReadonlyMap<NodeId, ObservedNode> | undefined;

  constructor(store: Store, settings: ClusterSettings, paused: boolean, handlers: StateHandlers) {
    this.#settings = settings;
    this.#paused = paused;
    this.collections = new ObjectCache(store, "PrismCollection", handlers.onCollection);
    this.nodes = new ObjectCache(store, "PrismNode", (change) => {
      this.#nodesChanged();
      handlers.onNode(change);
    });
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
    this.#nodesChanged();
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
    this.#domains ??= new Set(
      [...this.nodes.values()].map(({ metadata, spec, status }) =>
        placementDomain(this.settings.topology, spec, (status.nodeId || metadata.name) as NodeId),
      ),
    ).size;
    return this.#domains;
  }

  /** Nodes by id; a node that never came up has none yet. */
  observeNodes(fleet: NodeFleet, latestRevision: () => number): ReadonlyMap<NodeId, ObservedNode> {
    if (this.#observed === undefined) {
      const known = [...this.nodes.values()].filter(({ status }) => status.nodeId !== "");
      this.#observed = new Map(
        known.map((object) => {
          const node = new ObservedMember(object, this.settings.topology, fleet, latestRevision);
          return [node.id, node];
        }),
      );
    }
    return this.#observed;
  }

  #nodesChanged(): void {
    this.#domains = undefined;
    this.#observed = undefined;
  }
}
