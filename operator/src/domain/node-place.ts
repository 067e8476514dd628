/** Where the nodes of a cluster stand: which nodes there are, in which zone, under which name. */
import type { ClusterSettings } from "@prism/api/cluster";

export type ZoneSettings = ClusterSettings["topology"]["zones"][number];

export interface NodePlace {
  readonly name: string;
  readonly zone: ZoneSettings;
  /** Counts the nodes of the zone from 0. */
  readonly ordinal: number;
}

/** Where a node stands that stands in no zone. */
export const NO_ZONE: ZoneSettings = { name: "", region: "", rack: "", attributes: {}, storageClassName: "" };

/** Spread evenly over the zones, in the order of the zones; more nodes never move one that is there. */
export function nodePlaces(
  settings: Pick<ClusterSettings, "nodes" | "topology">,
  nameOf: (zone: ZoneSettings, ordinal: number) => string,
): readonly NodePlace[] {
  const stated = settings.topology.zones;
  const zones = stated.length === 0 ? [NO_ZONE] : stated;
  return Array.from({ length: settings.nodes }, (_, index) => {
    const zone = zones[index % zones.length] ?? NO_ZONE;
    const ordinal = Math.floor(index / zones.length);
    return { name: nameOf(zone, ordinal), zone, ordinal };
  });
}

/** The name of a node in local mode. */
export function localNodeName(zone: ZoneSettings, ordinal: number): string {
  return `node-${zone.name}-${ordinal}`;
}
