/** The kinds of object that the operator makes for a cluster, and the two that it only reads. */
import type { Resource } from "@prism/kube-machinery/resource";

export const PODS: Resource = { group: "", version: "v1", kind: "Pod", plural: "pods", namespaced: true };
export const MACHINES: Resource = {
  group: "",
  version: "v1",
  kind: "Node",
  plural: "nodes",
  namespaced: false,
};

export const CHILD_RESOURCES: readonly Resource[] = [
  { group: "", version: "v1", kind: "ConfigMap", plural: "configmaps", namespaced: true },
  { group: "", version: "v1", kind: "Service", plural: "services", namespaced: true },
  { group: "apps", version: "v1", kind: "StatefulSet", plural: "statefulsets", namespaced: true },
  {
    group: "policy",
    version: "v1",
    kind: "PodDisruptionBudget",
    plural: "poddisruptionbudgets",
    namespaced: true,
  },
  {
    group: "networking.k8s.io",
    version: "v1",
    kind: "NetworkPolicy",
    plural: "networkpolicies",
    namespaced: true,
  },
];

/** @throws {TypeError} for a kind that the operator does not make. */
export function childResource(kind: string): Resource {
  const resource = CHILD_RESOURCES.find((one) => one.kind === kind);
  if (!resource) throw new TypeError(`the operator makes no ${kind}`);
  return resource;
}
