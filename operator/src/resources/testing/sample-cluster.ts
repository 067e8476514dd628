import { clusterObjectSpecSchema, withZones, type ClusterSpec } from "@prism/api/cluster";
import { settleTopology, type Machine } from "../../domain/zone-discovery.js";
import type { ClusterOwner } from "../owned-object.js";

export const OWNER: ClusterOwner = {
  namespace: "search",
  name: "demo",
  uid: "11111111-2222-3333-4444-555555555555",
};
export const IMAGE = "example.com/prism-node";

/** On machines in these zones; `undefined` is a machine without a label. */
export function sampleSpec(
  stated: Record<string, unknown> = {},
  zones: readonly (string | undefined)[] = ["a", "b", "c"],
): ClusterSpec {
  const spec = clusterObjectSpecSchema.parse({ version: "0.1.0", ...stated }) as ClusterSpec;
  const { topology, pod } = spec;
  const machines = zones.map((zone, i): Machine => {
    return {
      name: `machine-${i}`,
      labels: zone === undefined ? {} : { [topology.labelKey]: zone },
      taints: [],
    };
  });
  return withZones(spec, settleTopology({ ...topology, ...pod }, machines));
}
