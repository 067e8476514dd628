/**
 * The cluster map, indexed the way requests ask: collection by name, shard by number, node by id.
 * One index is built per map and never changes, so that one request sees one map.
 */
import { Problem } from "@prism/api/problem-code";
import { hint } from "@prism/api/did-you-mean";
import type { CollectionSpec } from "@prism/api/collection";
import { Ring } from "@prism/proto/contract/ring";
import type { ClusterMap, MapNode, NodeId, ShardMap } from "../domain/cluster-map.js";
import type { CancelSignal } from "./cancellation.js";
import type { ClusterView } from "./cluster-view.js";

export interface CollectionEntry {
  readonly uid: string;
  readonly name: string;
  readonly spec: CollectionSpec;
  readonly ring: Ring;
  /** By number; undefined while the control plane has not made the shard's record. */
  readonly shards: readonly (ShardMap | undefined)[];
}

export interface ClusterIndex {
  readonly map: ClusterMap;
  readonly collections: ReadonlyMap<string, CollectionEntry>;
  readonly nodes: ReadonlyMap<NodeId, MapNode>;
}

export class ClusterDirectory {
  readonly self: NodeId;
  readonly #view: ClusterView;
  readonly #rings = new Map<number, Ring>();
  #index: ClusterIndex | undefined;

  constructor(view: ClusterView) {
    this.self = view.self;
    this.#view = view;
  }

  /** Of the newest map; undefined before the first. */
  current(): ClusterIndex | undefined {
    const map = this.#view.map();
    if (map === undefined) return undefined;
    if (this.#index?.map !== map) this.#index = this.#build(map);
    return this.#index;
  }

  /** Throws Problem `clusterNotReady` before the first map. */
  index(): ClusterIndex {
    const index = this.current();
    if (index === undefined) {
      throw new Problem("clusterNotReady", "the control plane has not sent a cluster map yet");
    }
    return index;
  }

  /** Throws Problem `collectionNotFound` or `clusterNotReady`. */
  collection(name: string): CollectionEntry {
    const { collections } = this.index();
    const entry = collections.get(name);
    if (entry === undefined) {
      const meant = hint(name, [...collections.keys()]);
      throw new Problem(
        "collectionNotFound",
        `there is no collection ${JSON.stringify(name.slice(0, 64))}${meant}`,
      );
    }
    return entry;
  }

  /** The newest record of one shard; undefined when there is none, or its collection is gone. */
  shard(collection: Pick<CollectionEntry, "name" | "uid">, number: number): ShardMap | undefined {
    const entry = this.current()?.collections.get(collection.name);
    return entry?.uid === collection.uid ? entry.shards[number] : undefined;
  }

  /**
   * Resolves with the first answer of `look` that is not undefined, asking now and after each newer
   * map; with undefined after timeoutMs or when the signal aborts.
   */
  waitFor<T>(look: () => T | undefined, timeoutMs: number, signal?: CancelSignal): Promise<T | undefined> {
    const now = look();
    if (now !== undefined || timeoutMs <= 0 || signal?.aborted === true) return Promise.resolve(now);
    return new Promise((resolve, reject) => {
      const release = (): void => {
        clearTimeout(timer);
        stop();
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = (): void => {
        release();
        resolve(undefined);
      };
      const timer = setTimeout(onAbort, timeoutMs);
      const stop = this.#view.onChange(() => {
        try {
          const result = look();
          if (result === undefined) return;
          release();
          resolve(result);
        } catch (error) {
          release();
          reject(error);
        }
      });
      signal?.addEventListener("abort", onAbort);
    });
  }

  #build(map: ClusterMap): ClusterIndex {
    const entries = new Map<string, CollectionEntry & { shards: (ShardMap | undefined)[] }>();
    for (const { uid, name, spec } of map.collections) {
      const shards = Array.from({ length: spec.shards }, () => undefined);
      entries.set(uid, { uid, name, spec, ring: this.#ring(spec.shards), shards });
    }
    for (const shard of map.shards) {
      const shards = entries.get(shard.collectionUid)?.shards;
      if (shards !== undefined && shard.number < shards.length) shards[shard.number] = shard;
    }
    return {
      map,
      collections: new Map(Array.from(entries.values(), (entry) => [entry.name, entry])),
      nodes: new Map(map.nodes.map((node) => [node.id, node])),
    };
  }

  #ring(shards: number): Ring {
    const known = this.#rings.get(shards);
    if (known !== undefined) return known;
    const ring = new Ring(shards);
    this.#rings.set(shards, ring);
    return ring;
  }
}
