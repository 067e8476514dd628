/** What a cluster that exists can't become, yet or ever. */
import type { ClusterSettings } from "@prism/api/cluster";
import { nodePlaces, type ZoneSettings } from "./node-place.js";

/** Why `wanted` may not follow `present`, as a sentence that says what to do; undefined when it may. */
export function changeRefusal(
  present: ClusterSettings,
  wanted: ClusterSettings,
  nameOf: (zone: ZoneSettings, ordinal: number) => string,
): string | undefined {
  if (present.mode !== wanted.mode) {
    return `spec.mode is ${present.mode} and can't become ${wanted.mode}; make another cluster`;
  }
  if (wanted.nodes < present.nodes) {
    return `spec.nodes is ${present.nodes} and can't shrink to ${wanted.nodes} yet; set it to ${present.nodes} or more`;
  }
  const kept = new Set(nodePlaces(wanted, nameOf).map((place) => place.name));
  const gone = nodePlaces(present, nameOf).find((place) => !kept.has(place.name));
  if (gone === undefined) return undefined;
  return (
    `node ${gone.name} would have no place in spec.topology.zones; ` +
    "keep the zones that are there, in their order, and raise nodes together with new zones"
  );
}
