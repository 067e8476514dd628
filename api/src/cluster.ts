/**
 * PrismCluster: what a cluster is told to be. The schema holds exactly the settings that work; see
 * testdata/defaults.json for all defaults in one place.
 */
import * as z from "zod";
import { API_VERSION, clusterName } from "./api-object.js";
import { oneOf, parseWith, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";

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
});

const topology = strictObject({
  domain: oneOf(["Zone", "Region", "Rack", "Host", "None"])
    .default("Zone")
    .describe("Two copies of a shard never share one of these; None allows it for zones, never for nodes."),
  zones: z
    .array(zone)
    .min(1)
    .max(64)
    .optional()
    .describe("Default: zones a, b and c, cut to the number of nodes."),
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
  heartbeatIntervalMs: z.int().min(50).max(60_000).default(1000),
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
    .default(300)
    .describe("A dead node's copies are made anew elsewhere after this time."),
});

const search = strictObject({
  timeoutMs: z.int().min(1).max(600_000).default(5000),
  allowPartialResults: z.boolean().default(true),
  minSuccessfulShards: z.int().min(0).max(256).default(1),
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
  version: z.string().max(64).regex(SEMVER, "must be a version such as 0.1.0"),
  mode: oneOf(["Single", "Cluster"]).default("Cluster"),
  nodes: z.int().min(1).max(1000).optional().describe("Default: 3; 1 in mode Single."),
  topology: topology.prefault({}),
  replication: replication.prefault({}),
  health: health.prefault({}),
  search: search.prefault({}),
  partition: partition.prefault({}),
});

type StatedSpec = z.output<typeof statedSpec>;

/** Fills the defaults that depend on other fields. */
function settle(spec: StatedSpec) {
  const single = spec.mode === "Single";
  const nodes = spec.nodes ?? (single ? 1 : 3);
  const factor = spec.replication.factor ?? (single ? 1 : 3);
  const minReplicasForWrite = spec.replication.minReplicasForWrite ?? Math.min(2, factor);
  const zones =
    spec.topology.zones ??
    DEFAULT_ZONES.slice(0, nodes).map((name) => ({ name, region: "", rack: "", attributes: {} }));
  return {
    ...spec,
    nodes,
    topology: { domain: spec.topology.domain, zones },
    replication: { factor, minReplicasForWrite },
  };
}

type SettledSpec = ReturnType<typeof settle>;

function checkRelations(
  spec: SettledSpec,
  violated: (path: (string | number)[], message: string) => void,
): void {
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
  const seen = new Set<string>();
  spec.topology.zones.forEach((one, i) => {
    const at = ["topology", "zones", i];
    if (seen.has(one.name)) violated([...at, "name"], `zone ${one.name} is listed twice`);
    seen.add(one.name);
    if (spec.topology.domain === "Region" && one.region === "")
      violated([...at, "region"], "domain Region needs it");
    if (spec.topology.domain === "Rack" && one.rack === "") violated([...at, "rack"], "domain Rack needs it");
  });
}

export const clusterSpecSchema = statedSpec.transform((stated, context) => {
  const spec = settle(stated);
  checkRelations(spec, (path, message) => {
    context.addIssue({ code: "custom", path, message, input: stated });
  });
  return spec;
});

export const clusterSchema = strictObject({
  apiVersion: z.literal(API_VERSION, `must be ${API_VERSION}`),
  kind: z.literal("PrismCluster", "must be PrismCluster"),
  metadata: strictObject({ name: clusterName }),
  spec: clusterSpecSchema,
});

/** The spec of a PrismCluster with all defaults filled in. */
export type ClusterSettings = Immutable<z.output<typeof clusterSpecSchema>>;
export type PrismCluster = Immutable<z.output<typeof clusterSchema>>;

/** @throws {Problem} invalidRequest with every violation. */
export function parseCluster(input: unknown): PrismCluster {
  return parseWith(clusterSchema, input, "PrismCluster");
}

/** The settings that the control plane sent, as a node keeps them: a spec alone. @throws {Problem} invalidRequest. */
export function parseClusterSettings(input: unknown): ClusterSettings {
  return parseWith(clusterSpecSchema, input, "cluster settings");
}
