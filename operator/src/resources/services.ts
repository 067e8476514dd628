/** How nodes are reached: each by its name, all of them by one. */
import { clusterObjectNames } from "@prism/api/object-names";
import { PORTS } from "./node-settings.js";
import { ownedObject, selectorLabels, type ClusterOwner, type OwnedObject } from "./owned-object.js";

/** Names for the pods, those that recover included: their peers must find them to fill them. */
export function buildNodesService(owner: ClusterOwner): OwnedObject {
  const { nodesService } = clusterObjectNames(owner.name);
  return ownedObject(
    owner,
    { apiVersion: "v1", kind: "Service", name: nodesService },
    {
      spec: {
        type: "ClusterIP",
        clusterIP: "None",
        publishNotReadyAddresses: true,
        selector: selectorLabels(owner.name),
        ports: [
          { name: "peers", port: PORTS.peers, targetPort: "peers", protocol: "TCP" },
          { name: "admin", port: PORTS.admin, targetPort: "admin", protocol: "TCP" },
        ],
      },
    },
  );
}

/** The public API: any node answers any request. */
export function buildClientService(owner: ClusterOwner): OwnedObject {
  const { clientService } = clusterObjectNames(owner.name);
  return ownedObject(
    owner,
    { apiVersion: "v1", kind: "Service", name: clientService },
    {
      spec: {
        type: "ClusterIP",
        selector: selectorLabels(owner.name),
        ports: [{ name: "http", port: PORTS.http, targetPort: "http", protocol: "TCP", appProtocol: "http" }],
      },
    },
  );
}
