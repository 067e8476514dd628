/**
 * The names of what is made from a cluster, a zone, a collection. Kubernetes takes lower-case DNS names,
 * cut at 63 characters where a name becomes a label, and pods of a StatefulSet are never made when its name
 * is longer than 52; zones and collections may be called otherwise. A name that fits is used as it is, any
 * other becomes a slug with a hash behind it. A name that fits but looks like such a slug is hashed too, so
 * that two names meet in one only when their hashes do.
 */

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const ZONE_SLUG_LENGTH = 12;
const COLLECTION_SLUG_LENGTH = 20;
const LABEL_LENGTH = 63;

/** FNV-1a over UTF-8 (G. Fowler, L. C. Noll, K.-P. Vo), mixed as MurmurHash3 ends: 32 bits as 8 hex digits. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0).toString(16).padStart(8, "0");
}

/** Lower case, everything else hyphens; "" when nothing of the name is left. */
function slugOf(name: string, length: number): string {
  const lower = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return lower.replace(/^-/, "").slice(0, length).replace(/-$/, "");
}

function hashed(name: string, slugLength: number, hashLength: number): string {
  const slug = slugOf(name, slugLength);
  const hash = hashOf(name).slice(0, hashLength);
  return slug === "" ? hash : `${slug}-${hash}`;
}

/** The zone in names and in label values, "" of none: `a`, `us-east-1a`, `europe-west1-8f2c`. At most 17 characters. */
export function zoneSlug(zone: string): string {
  if (zone === "") return "";
  const fits = zone.length <= ZONE_SLUG_LENGTH && DNS_LABEL.test(zone) && !/^(.*-)?[0-9a-f]{4}$/.test(zone);
  return fits ? zone : hashed(zone, ZONE_SLUG_LENGTH, 4);
}

/** `<cluster>-<zone>`; the cluster's name alone when it has no zones. At most 48 characters. */
export function statefulSetName(cluster: string, zone: string): string {
  return zone === "" ? cluster : `${cluster}-${zoneSlug(zone)}`;
}

/** The pod's name is the node's name and that of its PrismNode. */
export function podName(cluster: string, zone: string, ordinal: number): string {
  return `${statefulSetName(cluster, zone)}-${ordinal}`;
}

/** Of a PrismCollection that was made over HTTP: `<cluster>-<slug>-<hash>`. At most 60 characters. */
export function collectionObjectName(cluster: string, collection: string): string {
  return `${cluster}-${hashed(collection, COLLECTION_SLUG_LENGTH, 8)}`;
}

/** Of a PrismShard: `<cluster>.<collection>.<number>`. */
export function shardObjectName(cluster: string, collection: string, number: number): string {
  return `${cluster}.${shardPart(collection)}.${number}`;
}

function shardPart(collection: string): string {
  const fits =
    collection.length <= LABEL_LENGTH &&
    DNS_LABEL.test(collection) &&
    !/^(.*-)?[0-9a-f]{8}$/.test(collection);
  return fits ? collection : hashed(collection, COLLECTION_SLUG_LENGTH, 8);
}

export interface ClusterObjectNames {
  /** Headless, with the addresses of nodes that are not ready too. */
  readonly nodesService: string;
  readonly clientService: string;
  readonly disruptionBudget: string;
  readonly settings: string;
  readonly networkPolicy: string;
  readonly caSecret: string;
  readonly nodeTlsSecret: string;
  readonly operatorTlsSecret: string;
  /** Stays when the cluster is deleted: a new one of its name adopts it. */
  readonly identity: string;
  /** Which versions the shards' records have come to; stays as well. */
  readonly records: string;
}

/** The objects of which a cluster has one each. */
export function clusterObjectNames(cluster: string): ClusterObjectNames {
  return {
    nodesService: `${cluster}-nodes`,
    clientService: cluster,
    disruptionBudget: cluster,
    settings: `${cluster}-settings`,
    networkPolicy: cluster,
    caSecret: `${cluster}-ca`,
    nodeTlsSecret: `${cluster}-node-tls`,
    operatorTlsSecret: `${cluster}-operator-tls`,
    identity: `${cluster}-identity`,
    records: `${cluster}-records`,
  };
}
