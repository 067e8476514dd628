/** The objects and pods of all clusters, as the API server's watches tell of them. */
import type { KubeObject, Stored } from "@prism/kube-machinery/kube-object";
import type { Resource } from "@prism/kube-machinery/resource";
import type { Machine } from "../../domain/zone-discovery.js";
import type { LiveObject } from "../../reconcile/workload-action.js";
import { CLUSTER_LABEL } from "../../resources/owned-object.js";
import { CHILD_RESOURCES } from "./child-resources.js";
import type { LivePod } from "./live-pod.js";
import { ObjectFeed } from "./object-feed.js";

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

interface MachineObject extends KubeObject {
  readonly spec?: { readonly taints?: Machine["taints"] };
}

class ClusterChildren {
  readonly objects = new Map<string, LiveObject>();
  readonly pods = new Map<string, LivePod>();
  readonly listeners = new Set<ChildListener>();
}

/** Feeds for a reflector of each kind to fill, and what is in them by cluster. */
export class ChildWatches {
  readonly pods = new ObjectFeed<LivePod>();
  readonly machineFeed = new ObjectFeed<MachineObject>();
  readonly children: ReadonlyMap<Resource, ObjectFeed<LiveObject>>;
  readonly #clusters = new Map<string, ClusterChildren>();

  constructor() {
    this.children = new Map(CHILD_RESOURCES.map((resource) => [resource, new ObjectFeed<LiveObject>()]));
    for (const feed of this.children.values()) {
      feed.follow(({ type, object }) => this.#onChild(object, type === "deleted"));
    }
    this.pods.follow(({ type, object }) => this.#onPod(object, type === "deleted"));
  }

  childrenOf(cluster: ClusterKey): readonly LiveObject[] {
    return [...this.#of(cluster).objects.values()];
  }

  podsOf(cluster: ClusterKey): readonly LivePod[] {
    return [...this.#of(cluster).pods.values()];
  }

  machines(): readonly Machine[] {
    return [...this.machineFeed.objects.values()].map(({ metadata, spec }) => ({
      name: metadata.name,
      labels: metadata.labels ?? {},
      taints: spec?.taints ?? [],
    }));
  }

  /** Returns the function that ends it. */
  listen(cluster: ClusterKey, listener: ChildListener): () => void {
    const { listeners } = this.#of(cluster);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** An answer to a write of our own: known before the watch tells of it. */
  heard(resource: Resource, object: LiveObject): LiveObject {
    return this.children.get(resource)?.heard(object) ?? object;
  }

  #onChild(object: LiveObject, deleted: boolean): void {
    const children = this.#of(clusterOf(object));
    const key = `${object.kind}/${object.metadata.name}`;
    if (deleted) children.objects.delete(key);
    else children.objects.set(key, object);
    for (const listener of children.listeners) listener.onChild();
  }

  #onPod(pod: LivePod, deleted: boolean): void {
    const children = this.#of(clusterOf(pod));
    const { name, uid } = pod.metadata;
    if (!deleted) children.pods.set(name, pod);
    else if (children.pods.get(name)?.metadata.uid === uid) children.pods.delete(name);
    for (const listener of children.listeners) listener.onPod(pod, deleted);
  }

  #of({ namespace, name }: ClusterKey): ClusterChildren {
    const key = `${namespace}/${name}`;
    let children = this.#clusters.get(key);
    if (!children) {
      children = new ClusterChildren();
      this.#clusters.set(key, children);
    }
    return children;
  }
}

function clusterOf({ metadata }: Stored): ClusterKey {
  return { namespace: metadata.namespace ?? "", name: metadata.labels?.[CLUSTER_LABEL] ?? "" };
}
