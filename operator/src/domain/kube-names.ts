/**
 * Names of what a cluster becomes in Kubernetes. A StatefulSet's name goes into a label of its pods with a hash
 * of 11 characters, and a label holds 63: a longer name is accepted, and no pod is ever made.
 */

const SLUG_LENGTH = 12;
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/**
 * The zone's own name where that is short and lower-case, else what is left of it and a hash of the whole: zones may
 * be long, upper-case or hold `_`. "" for nodes that stand in no zone.
 */
export function zoneSlug(zone: string): string {
  if (zone.length <= SLUG_LENGTH && (zone === "" || LABEL.test(zone))) return zone;
  const kept = zone
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, SLUG_LENGTH)
    .replaceAll(/^-+|-+$/g, "");
  return `${kept === "" ? "zone" : kept}-${shortHash(zone)}`;
}

export function statefulSetName(cluster: string, zone: string): string {
  return zone === "" ? cluster : `${cluster}-${zoneSlug(zone)}`;
}

/** Of the pod, of the node in it, and of the PrismNode that remembers it. */
export function podName(cluster: string, zone: string, ordinal: number): string {
  return `${statefulSetName(cluster, zone)}-${ordinal}`;
}

/** Of the Service that gives every pod a name, whether it is ready or not. */
export function nodesServiceName(cluster: string): string {
  return `${cluster}-nodes`;
}

export function settingsName(cluster: string): string {
  return `${cluster}-settings`;
}

/** Of the Secret with the nodes' certificate. */
export function nodeTlsName(cluster: string): string {
  return `${cluster}-node-tls`;
}

/** FNV-1a of 32 bits, folded to 16: http://www.isthe.com/chongo/tech/comp/fnv/. */
function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return ((hash >>> 16) ^ (hash & 0xffff)).toString(16).padStart(4, "0");
}
