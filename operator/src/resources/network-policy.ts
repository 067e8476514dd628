import { clusterObjectNames } from "@prism/api/object-names";
import { PORTS } from "./node-settings.js";
import { ownedObject, selectorLabels, type ClusterOwner, type OwnedObject } from "./owned-object.js";

const NAMESPACE_NAME = "kubernetes.io/metadata.name";
/** The namespace that may read metrics. */
const MONITORING = "monitoring";

/** Clients of the namespace, the cluster's own nodes, the operator, the monitoring: nobody else gets in. */
export function buildNetworkPolicy(owner: ClusterOwner, operatorNamespace: string): OwnedObject {
  const { networkPolicy } = clusterObjectNames(owner.name);
  const nodes = { podSelector: { matchLabels: selectorLabels(owner.name) } };
  const operator = {
    namespaceSelector: { matchLabels: { [NAMESPACE_NAME]: operatorNamespace } },
    podSelector: { matchLabels: { "app.kubernetes.io/name": "prism-operator" } },
  };
  const monitoring = { namespaceSelector: { matchLabels: { [NAMESPACE_NAME]: MONITORING } } };
  const port = (number: number): object => ({ protocol: "TCP", port: number });
  return ownedObject(
    owner,
    { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", name: networkPolicy },
    {
      spec: {
        podSelector: nodes.podSelector,
        policyTypes: ["Ingress"],
        ingress: [
          { from: [{ podSelector: {} }], ports: [port(PORTS.http)] },
          { from: [nodes, operator], ports: [port(PORTS.peers)] },
          { from: [monitoring], ports: [port(PORTS.admin)] },
        ],
      },
    },
  );
}
