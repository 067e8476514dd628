import { clusterObjectNames } from "@prism/api/object-names";
import { ownedObject, selectorLabels, type ClusterOwner, type OwnedObject } from "./owned-object.js";

/**
 * One for all zones of the cluster: Kubernetes counts pods that are ready, not copies that are in sync, so it is the
 * operator that says when one more may go.
 */
export function buildDisruptionBudget(owner: ClusterOwner, maxUnavailable: 0 | 1): OwnedObject {
  const { disruptionBudget } = clusterObjectNames(owner.name);
  return ownedObject(
    owner,
    { apiVersion: "policy/v1", kind: "PodDisruptionBudget", name: disruptionBudget },
    {
      spec: {
        maxUnavailable,
        selector: { matchLabels: selectorLabels(owner.name) },
        // A pod that does not run keeps no copy in sync; without this it would keep its machine from being drained.
        unhealthyPodEvictionPolicy: "AlwaysAllow",
      },
    },
  );
}
