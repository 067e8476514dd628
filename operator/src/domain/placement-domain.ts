import type { ClusterSettings } from "@prism/api/cluster";
import type { NodeSpec } from "./objects.js";
import type { NodeId } from "./shard-record.js";

/**
 * What may be lost together with this node; two copies of a shard never share it. Names that lack
 * the wanted label fall back to the host, so that at least two copies never share a node.
 */
export function placementDomain(topology: ClusterSettings["topology"], node: NodeSpec, id: NodeId): string {
  const label = labelOf(topology.domain, node);
  return label === "" ? `host/${id}` : `${topology.domain}/${label}`;
}

function labelOf(domain: ClusterSettings["topology"]["domain"], node: NodeSpec): string {
  switch (domain) {
    case "Zone":
      return node.zone;
    case "Region":
      return node.region;
    case "Rack":
      return node.rack;
    case "Host":
    case "None":
      return "";
  }
}
