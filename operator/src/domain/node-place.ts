/** Where the nodes of a cluster stand: which nodes there are, in which zone, under which name. */
import type { ClusterSettings } from "@prism/api/cluster";

export type ZoneSettings = ClusterSettings["topology"]["zones"][number];

export interface NodePlace {
  readonly name: string;
  readonly zone: ZoneSettings;
  /** Counts the nodes of the zone from 0. */
  readonly ordinal: number;
}

/** Spread evenly over the zones, in the order of the zones; more nodes never move one that is there. */
export function nodePlaces(
  settings: Pick<ClusterSettings, "nodes" | "topology">,
  nameOf: (zone: ZoneSettings, ordinal: number) => string,
): readonly NodePlace[] {
  const { zones } = settings.topology;
  return Array.from({ length: settings.nodes }, (_, index) => {
    const zone = zones[index % zones.length];
    if (!zone) throw new Error("a cluster without zones");
    const ordinal = Math.floor(index / zones.length);
    return { name: nameOf(zone, ordinal), zone, ordinal };
  });
}

/** The name of a node in local mode. */
export function localNodeName(zone: ZoneSettings, ordinal: number): string {
  return `node-${zone.name}-${ordinal}`;
}
