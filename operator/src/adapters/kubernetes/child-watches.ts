/** The objects and pods of all clusters, and the machines, as the API server's watches tell of them. */
import type { ApiClient } from "@prism/kube-machinery/api-client";
import type { KubeObject, Stored } from "@prism/kube-machinery/kube-object";
import { ObjectCache } from "@prism/kube-machinery/object-cache";
import { Reflector } from "@prism/kube-machinery/reflector";
import type { Resource } from "@prism/kube-machinery/resource";
import type { Machine } from "../../domain/zone-discovery.js";
import type { LiveObject } from "../../reconcile/workload-action.js";
import { CLUSTER_LABEL, MANAGED_SELECTOR } from "../../resources/owned-object.js";
import { CHILD_RESOURCES, MACHINES, PODS } from "./child-resources.js";
import type { LivePod } from "./live-pod.js";

export interface ClusterKey {
  readonly namespace: string;
  readonly name: string;
}

export interface ChildListener {
  /** Once for each change of a pod, in order; `gone` when the API server has it no more. */
  readonly onPod: (pod: LivePod, gone: boolean) => void;
  /** Another object of the cluster changed. */
  readonly onChild: () => void;
}

export interface ChildWatchesOptions {
  readonly client: Pick<ApiClient, "list" | "watch">;
  /** That are watched; none for all of them. */
  readonly namespaces: readonly string[];
  readonly onError: (error: unknown) => void;
  /** Somebody who was told of a change has thrown. */
  readonly onHandlerError?: (error: unknown) => void;
}

/** As the node controller marks a machine whose kubelet is silent. */
const UNREACHABLE = "node.kubernetes.io/unreachable";

interface MachineObject extends KubeObject {
  readonly spec?: {
    readonly taints?: readonly (Machine["taints"][number] & { readonly timeAdded?: string })[];
  };
}

type ByCluster<T extends KubeObject> = ObjectCache<T, "cluster">;

/** Where lists and watches reach: one namespace, or all of them. */
interface Scope {
  readonly namespace: string | undefined;
  readonly pods: ByCluster<LivePod>;
  readonly children: ReadonlyMap<string, ByCluster<LiveObject>>;
}

export class ChildWatches {
  readonly #scopes: readonly Scope[];
  readonly #machines = new ObjectCache<MachineObject>();
  readonly #reflectors: readonly Pick<Reflector<KubeObject>, "start" | "stop" | "synced">[];
  readonly #listeners = new Map<string, Set<ChildListener>>();

  constructor({ client, namespaces, onError, onHandlerError }: ChildWatchesOptions) {
    this.#scopes = (namespaces.length === 0 ? [undefined] : namespaces).map((namespace) =>
      this.#scope(namespace, onHandlerError),
    );
    const follow = <T extends KubeObject>(
      resource: Resource,
      sink: ObjectCache<T, never> | ByCluster<T>,
      selection: { readonly namespace?: string | undefined; readonly labelSelector?: string },
    ): Reflector<T> => new Reflector<T>({ client, resource, sink, onError, ...selection });
    this.#reflectors = [
      follow(MACHINES, this.#machines, {}),
      ...this.#scopes.flatMap(({ namespace, pods, children }) => {
        const selection = { namespace, labelSelector: MANAGED_SELECTOR };
        return [
          follow(PODS, pods, selection),
          ...CHILD_RESOURCES.map((resource) => follow(resource, children.get(resource.kind)!, selection)),
        ];
      }),
    ];
  }

  /** Resolves when all that there is has been read once. */
  async start(signal?: AbortSignal): Promise<void> {
    for (const reflector of this.#reflectors) reflector.start();
    await Promise.all(this.#reflectors.map((reflector) => reflector.synced(signal)));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.stop()));
  }

  childrenOf(cluster: ClusterKey): readonly LiveObject[] {
    const key = toKey(cluster);
    const caches = this.#scopeOf(cluster.namespace)?.children.values() ?? [];
    return [...caches].flatMap((cache) => cache.byIndex("cluster", key));
  }

  podsOf(cluster: ClusterKey): readonly LivePod[] {
    return this.#scopeOf(cluster.namespace)?.pods.byIndex("cluster", toKey(cluster)) ?? [];
  }

  machines(): readonly Machine[] {
    return [...this.#machines.values()].map(({ metadata, spec }) => ({
      name: metadata.name,
      labels: metadata.labels ?? {},
      taints: spec?.taints ?? [],
    }));
  }

  /** Machines that do not answer, by name, and since when. */
  silentMachines(): ReadonlyMap<string, number> {
    const silent = new Map<string, number>();
    for (const { metadata, spec } of this.#machines.values()) {
      const taint = spec?.taints?.find(({ key }) => key === UNREACHABLE);
      if (taint) silent.set(metadata.name, Date.parse(taint.timeAdded ?? metadata.creationTimestamp));
    }
    return silent;
  }

  /** Returns the function that ends it. */
  listen(cluster: ClusterKey, listener: ChildListener): () => void {
    const key = toKey(cluster);
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** An answer to a write of our own: known before the watch tells of it. */
  heard(object: LiveObject): LiveObject {
    const cache = this.#scopeOf(object.metadata.namespace ?? "")?.children.get(object.kind);
    return cache?.heard(object) ?? object;
  }

  #scope(namespace: string | undefined, onHandlerError: ((error: unknown) => void) | undefined): Scope {
    const indexers = { cluster: (object: Stored): readonly string[] => [toKey(clusterOf(object))] };
    const options = onHandlerError ? { indexers, onHandlerError } : { indexers };
    const pods = new ObjectCache<LivePod, "cluster">(options);
    pods.follow(({ type, object }) => {
      for (const listener of this.#listenersOf(object)) listener.onPod(object, type === "deleted");
    });
    const children = new Map(
      CHILD_RESOURCES.map(({ kind }) => {
        const cache = new ObjectCache<LiveObject, "cluster">(options);
        cache.follow(({ object }) => {
          for (const listener of this.#listenersOf(object)) listener.onChild();
        });
        return [kind, cache];
      }),
    );
    return { namespace, pods, children };
  }

  #scopeOf(namespace: string): Scope | undefined {
    return this.#scopes.find((scope) => scope.namespace === undefined || scope.namespace === namespace);
  }

  #listenersOf(object: Stored): Iterable<ChildListener> {
    return this.#listeners.get(toKey(clusterOf(object))) ?? [];
  }
}

function clusterOf({ metadata }: Stored): ClusterKey {
  return { namespace: metadata.namespace ?? "", name: metadata.labels?.[CLUSTER_LABEL] ?? "" };
}

function toKey({ namespace, name }: ClusterKey): string {
  return `${namespace}/${name}`;
}
