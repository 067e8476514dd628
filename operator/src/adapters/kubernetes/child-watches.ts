/** The objects and pods of all clusters, as the API server's watches tell of them. */
import type { Machine } from "../../domain/zone-discovery.js";
import type { LiveObject } from "../../reconcile/workload-action.js";
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

export interface ChildWatches {
  childrenOf(cluster: ClusterKey): readonly LiveObject[];
  podsOf(cluster: ClusterKey): readonly LivePod[];
  machines(): readonly Machine[];
  /** Returns the function that ends it. */
  listen(cluster: ClusterKey, listener: ChildListener): () => void;
}
