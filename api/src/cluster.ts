/**
 * PrismCluster: what a cluster is told to be. The schema holds exactly the settings that work; see
 * testdata/defaults.json for all defaults in one place.
 */
import * as z from "zod";
import { API_VERSION, clusterName, kubernetesMetadata } from "./api-object.js";
import { clusterStatusSchema } from "./cluster-status.js";
import { zoneSlug } from "./object-names.js";
import { parseQuantity } from "./quantity.js";
import { oneOf, parseWith, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";
import {
  imageSchema,
  labelKey,
  optionalObjectName,
  podSchema,
  requestsAboveLimits,
  resourcesSchema,
  storageSchema,
} from "./workload.js";

/** Longer than a machine takes to start again. */
const DEFAULT_REBUILD_DELAY_SECONDS = 300;

export const MOST_ZONES = 64;

/** Zones that a cluster gets when it names none, cut to the number of its nodes. */
const DEFAULT_ZONES = ["a", "b", "c"] as const;

const domainName = z
  .string()
  .max(63)
  .regex(/^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/, "must be letters, digits and inner - _ .");

/** "" is the same as none: nodes are told the parsed form, and take it again. */
const optionalName = z
  .union([z.literal(""), domainName], "must be letters, digits and inner - _ .")
  .default("");

const zone = strictObject({
  name: domainName.describe("Nodes are spread evenly over the zones, in the order of this list."),
  region: optionalName.describe("Needed when topology.domain is Region."),
  rack: optionalName.describe("Needed when topology.domain is Rack."),
  attributes: z
    .record(z.string().min(1).max(63), z.string().max(256))
    .default({})
    .describe("Shown by status."),
  storageClassName: optionalObjectName.describe(
    "Of the volumes in this zone. Default: storage.storageClassName. Cannot be changed.",
  ),
});

const topology = strictObject({
  domain: oneOf(["Zone", "Region", "Rack", "Host", "None"])
    .default("Zone")
    .describe("Two copies of a shard never share one of these; None allows it for zones, never for nodes."),
  labelKey: labelKey
    .default("topology.kubernetes.io/zone")
    .describe("The label of machines whose value is the name of their zone. Cannot be changed."),
  zones: z
    .array(zone)
    .min(1)
    .max(MOST_ZONES)
    .optional()
    .describe(
      "Default: in Kubernetes the zones that machines are labelled with when the cluster is made, kept in " +
        "status.topology.zones; in local mode a, b and c, cut to the number of nodes. May grow at its end.",
    ),
});

const replication = strictObject({
  factor: z
    .int()
    .min(1)
    .max(16)
    .optional()
    .describe("Copies of each shard, the primary included. Default: 3; 1 in mode Single."),
  minReplicasForWrite: z
    .int()
    .min(1)
    .max(16)
    .optional()
    .describe(
      "Copies, the primary included, that must be in sync for writes. Default: 2, or the factor if less.",
    ),
});

const health = strictObject({
  heartbeatIntervalMs: z
    .int()
    .min(50)
    .max(60_000)
    .default(1000)
    .describe("How often the control plane expects to hear of a node."),
  failureThreshold: z
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe("Missed heartbeats after which a node is suspect and its primaries move."),
  suspectTimeoutMs: z
    .int()
    .min(50)
    .max(600_000)
    .default(5000)
    .describe("Time as suspect after which a node is dead."),
  replicaTimeoutMs: z
    .int()
    .min(50)
    .max(60_000)
    .default(1000)
    .describe("A copy that owes an answer and says nothing for this time leaves the in-sync set."),
  slowReplicaTimeoutMs: z
    .int()
    .min(50)
    .max(600_000)
    .default(3000)
    .describe(
      "A copy that answers, but leaves an entry unconfirmed for this time after the primary has it on disk, leaves the in-sync set.",
    ),
  rebuildDelaySeconds: z
    .int()
    .min(0)
    .max(86_400)
    .optional()
    .describe(
      "A dead node's copies are made anew elsewhere after this time. Default: 300; 0 with storage.type Ephemeral, " +
        "whose data does not come back.",
    ),
});

const search = strictObject({
  timeoutMs: z.int().min(1).max(600_000).default(5000).describe("Of searches and reads that do not say."),
  allowPartialResults: z
    .boolean()
    .default(true)
    .describe(
      "Whether searches that do not say are answered without the shards that failed, which the answer names.",
    ),
  minSuccessfulShards: z
    .int()
    .min(0)
    .max(256)
    .default(1)
    .describe("Shards that must have answered, for searches that do not say."),
});

const partition = strictObject({
  allowStaleReads: z
    .boolean()
    .default(true)
    .describe(
      "Whether a node that has not heard from the control plane for heartbeatIntervalMs * failureThreshold " +
        "goes on to answer reads from copies that may have been left behind. false: such reads are refused with staleRead.",
    ),
});

const SEMVER = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;

const statedSpec = strictObject({
  // Never defaulted: a defaulted version would turn a new control plane into an upgrade of every cluster.
  version: z
    .string()
    .max(64)
    .regex(SEMVER, "must be a version such as 0.1.0")
    .describe("Of the nodes' program, and the tag of their image. Never defaulted."),
  mode: oneOf(["Single", "Cluster"])
    .default("Cluster")
    .describe("Single: one node with one copy of each shard. Cannot be changed."),
  nodes: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe(
      "Nodes in all, spread evenly over the zones. Default: 3; 1 in mode Single. May grow, not shrink yet; existing shards do not move to new nodes yet.",
    ),
  topology: topology.prefault({}),
  replication: replication.prefault({}),
  health: health.prefault({}),
  search: search.prefault({}),
  partition: partition.prefault({}),
  image: imageSchema.prefault({}),
  storage: storageSchema.prefault({}),
  resources: resourcesSchema,
  pod: podSchema.prefault({}),
  deletionProtection: z
    .boolean()
    .default(true)
    .describe("The API server refuses to delete the object while this is true."),
  paused: z
    .boolean()
    .default(false)
    .describe(
      "Stops changes of pods, services and volumes, and new places for copies; failover goes on, and copies that have a place are filled.",
    ),
});

type StatedSpec = z.output<typeof statedSpec>;

/** Fills the defaults that depend on other fields; zones are for the home of the cluster to fill. */
function settle(spec: StatedSpec) {
  const single = spec.mode === "Single";
  const nodes = spec.nodes ?? (single ? 1 : 3);
  const factor = spec.replication.factor ?? (single ? 1 : 3);
  const minReplicasForWrite = spec.replication.minReplicasForWrite ?? Math.min(2, factor);
  const { rebuildDelaySeconds = spec.storage.type === "Ephemeral" ? 0 : DEFAULT_REBUILD_DELAY_SECONDS } =
    spec.health;
  const health = { ...spec.health, rebuildDelaySeconds };
  return { ...spec, nodes, replication: { factor, minReplicasForWrite }, health };
}

type SettledSpec = ReturnType<typeof settle>;

/** Zones a, b and c: local mode has no machines whose labels it could ask. */
function withLocalZones(spec: SettledSpec) {
  const zones: z.output<typeof zone>[] =
    spec.topology.zones ??
    DEFAULT_ZONES.slice(0, spec.nodes).map((name) => ({
      name,
      region: "",
      rack: "",
      attributes: {},
      storageClassName: "",
    }));
  return { ...spec, topology: { ...spec.topology, zones } };
}

type Violated = (path: (string | number)[], message: string) => void;

function checkRelations(spec: SettledSpec, violated: Violated): void {
  checkReplication(spec, violated);
  checkZones(spec.topology, violated);
  if (parseQuantity(spec.storage.size) <= 0) violated(["storage", "size"], "must be more than 0");
  if (spec.storage.type === "Ephemeral" && spec.replication.factor < 2) {
    const message =
      "Ephemeral needs replication.factor 2 or more: with one copy, each restart would lose data";
    violated(["storage", "type"], message);
  }
  for (const name of requestsAboveLimits(spec.resources)) {
    violated(["resources", "requests", name], `must be at most resources.limits.${name}`);
  }
}

function checkReplication(spec: SettledSpec, violated: Violated): void {
  const { factor, minReplicasForWrite } = spec.replication;
  if (spec.mode === "Single") {
    if (spec.nodes !== 1) violated(["nodes"], "mode Single has one node; use mode Cluster for more");
    if (factor !== 1) violated(["replication", "factor"], "mode Single keeps one copy of each shard");
  }
  const floor = ["replication", "minReplicasForWrite"];
  if (minReplicasForWrite > factor) {
    violated(
      floor,
      `${minReplicasForWrite} is more than replication.factor ${factor}: no write could succeed`,
    );
  } else if (minReplicasForWrite > spec.nodes) {
    violated(floor, `${minReplicasForWrite} is more than nodes ${spec.nodes}: no write could succeed`);
  }
}

function checkZones({ domain, zones = [] }: SettledSpec["topology"], violated: Violated): void {
  const bySlug = new Map<string, string>();
  zones.forEach((one, i) => {
    const at = ["topology", "zones", i];
    const slug = zoneSlug(one.name);
    const other = bySlug.get(slug);
    if (other === one.name) violated([...at, "name"], `zone ${one.name} is listed twice`);
    else if (other !== undefined)
      violated([...at, "name"], `${one.name} and ${other} would both be called ${slug}: rename one`);
    bySlug.set(slug, one.name);
    if (domain === "Region" && one.region === "") violated([...at, "region"], "domain Region needs it");
    if (domain === "Rack" && one.rack === "") violated([...at, "rack"], "domain Rack needs it");
  });
}

function settled<S extends SettledSpec>(fill: (spec: SettledSpec) => S) {
  return statedSpec.transform((stated, context) => {
    const spec = fill(settle(stated));
    checkRelations(spec, (path, message) => {
      context.addIssue({ code: "custom", path, message, input: stated });
    });
    return spec;
  });
}

export const clusterSpecSchema = settled(withLocalZones);

/** As the API server keeps it: zones that nobody stated are found among the machines. */
export const clusterObjectSpecSchema = settled((spec) => spec);

export const clusterSchema = strictObject({
  apiVersion: z.literal(API_VERSION, `must be ${API_VERSION}`),
  kind: z.literal("PrismCluster", "must be PrismCluster"),
  metadata: strictObject({ name: clusterName }),
  spec: clusterSpecSchema,
});

/** An object of the API server, whose own metadata is not ours to check. */
export const clusterObjectSchema = strictObject({
  apiVersion: z.literal(API_VERSION, `must be ${API_VERSION}`),
  kind: z.literal("PrismCluster", "must be PrismCluster"),
  metadata: kubernetesMetadata.extend({ name: clusterName }),
  spec: clusterObjectSpecSchema,
  status: clusterStatusSchema.optional(),
});

/** The spec of a PrismCluster with all defaults filled in, zones included. */
export type ClusterSpec = Immutable<z.output<typeof clusterSpecSchema>>;
export type PrismCluster = Immutable<z.output<typeof clusterSchema>>;
export type ClusterZone = ClusterSpec["topology"]["zones"][number];
/** As the API server keeps it: all defaults filled in, zones only when somebody stated them. */
export type ClusterObject = Immutable<z.output<typeof clusterObjectSchema>>;
export type ClusterObjectSpec = ClusterObject["spec"];

/** What control plane and nodes decide by; the rest of a spec says how nodes are run. */
export type ClusterSettings = Pick<
  ClusterSpec,
  "version" | "mode" | "nodes" | "topology" | "replication" | "health" | "search" | "partition"
>;

/** @throws {Problem} invalidRequest with every violation. */
export function parseCluster(input: unknown): PrismCluster {
  return parseWith(clusterSchema, input, "PrismCluster");
}

/** An object as the API server gives it. @throws {Problem} invalidRequest with every violation. */
export function parseClusterObject(input: unknown): ClusterObject {
  return parseWith(clusterObjectSchema, input, "PrismCluster");
}

/**
 * The cluster in its zones: those that it states, else those that were found among the machines.
 *
 * @param found with the domain that the cluster then has: machines without labels have none of Zone.
 */
export function withZones(
  spec: ClusterObjectSpec,
  found: Pick<ClusterSpec["topology"], "domain" | "zones">,
): ClusterSpec {
  const { zones } = spec.topology;
  const topology = zones === undefined ? { ...spec.topology, ...found } : { ...spec.topology, zones };
  return { ...spec, topology };
}

/** Settings alone, with the defaults of local mode. @throws {Problem} invalidRequest. */
export function parseClusterSettings(input: unknown): ClusterSettings {
  return toClusterSettings(parseWith(clusterSpecSchema, input, "cluster settings"));
}

/** Leaves out what the nodes have no use for: their environment, above all. */
export function toClusterSettings(spec: ClusterSettings): ClusterSettings {
  const { version, mode, nodes, topology, replication, health, search, partition } = spec;
  return { version, mode, nodes, topology, replication, health, search, partition };
}
