/** Prism's own objects of all clusters, as the API server's watches and the answers to writes tell of them. */
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { keyOf, nameOfKey, type Stored } from "@prism/kube-machinery/kube-object";
import { ObjectCache } from "@prism/kube-machinery/object-cache";
import { Reflector } from "@prism/kube-machinery/reflector";
import type { RawCaches } from "./kube-store.js";
import {
  PRISM_CLUSTERS,
  PRISM_COLLECTIONS,
  PRISM_NODES,
  PRISM_SHARDS,
  type RawObject,
} from "./prism-resources.js";

export interface RecordWatchesOptions {
  readonly client: ApiClient;
  /** That are watched; none for all of them. */
  readonly namespaces: readonly string[];
  readonly onError: (error: unknown) => void;
  /** Somebody who was told of a change has thrown. */
  readonly onHandlerError?: (error: unknown) => void;
}

interface Scope extends RawCaches {
  readonly PrismCluster: ObjectCache<RawObject>;
}

export class RecordWatches {
  /** By namespace; "" for all of them. */
  readonly #scopes = new Map<string, Scope>();
  readonly #reflectors: readonly Reflector<RawObject>[];

  constructor({ client, namespaces, onError, onHandlerError }: RecordWatchesOptions) {
    const newCache = (): ObjectCache<RawObject> => new ObjectCache(onHandlerError ? { onHandlerError } : {});
    const reflectors: Reflector<RawObject>[] = [];
    for (const namespace of namespaces.length === 0 ? [""] : namespaces) {
      const scope: Scope = {
        PrismCluster: newCache(),
        PrismCollection: newCache(),
        PrismShard: newCache(),
        PrismNode: newCache(),
      };
      this.#scopes.set(namespace, scope);
      for (const resource of [PRISM_CLUSTERS, PRISM_COLLECTIONS, PRISM_SHARDS, PRISM_NODES]) {
        const sink = scope[resource.kind as keyof Scope];
        const within = namespace === "" ? undefined : namespace;
        reflectors.push(new Reflector({ client, resource, sink, onError, namespace: within }));
      }
    }
    this.#reflectors = reflectors;
  }

  /** Resolves when all that there is has been read once. */
  async start(signal?: AbortSignal): Promise<void> {
    for (const reflector of this.#reflectors) reflector.start();
    await Promise.all(this.#reflectors.map((reflector) => reflector.synced(signal)));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.stop()));
  }

  get hasSynced(): boolean {
    return this.#reflectors.every((reflector) => reflector.hasSynced);
  }

  cachesOf(namespace: string): Scope {
    const scope = this.#scopes.get(namespace) ?? this.#scopes.get("");
    if (!scope) throw new Error(`namespace ${namespace} is not watched`);
    return scope;
  }

  /** By `namespace/name`. */
  cluster(key: string): Stored<RawObject> | undefined {
    return this.cachesOf(nameOfKey(key).namespace ?? "").PrismCluster.get(key);
  }

  /** Hears the key of every cluster that there is, then of every one that changed. */
  followClusters(listener: (key: string) => void): () => void {
    return this.#follow("PrismCluster", (object) => listener(keyOf(object.metadata)));
  }

  followCollections(listener: (object: Stored<RawObject>) => void): () => void {
    return this.#follow("PrismCollection", listener);
  }

  #follow(kind: keyof Scope, listener: (object: Stored<RawObject>) => void): () => void {
    const stops = [...this.#scopes.values()].map((scope) => {
      return scope[kind].follow(({ object }) => listener(object));
    });
    return () => {
      for (const stop of stops) stop();
    };
  }
}
