/**
 * status of a PrismCluster: bounded, whatever the size of the cluster. What is known of single nodes and
 * shards is in GET /status.
 */
import * as z from "zod";
import { conditionsSchema, observedGeneration } from "./condition.js";
import type { Immutable } from "./schema.js";

const count = z.int().min(0);
const time = z.iso.datetime();

/** Blockers beyond these are counted, not listed. */
export const MOST_BLOCKERS = 20;

const blocker = z.object({
  rule: z.string().max(128).describe("What is waited for: one of docs/reasons.md."),
  evidence: z.string().max(1024).describe("What was seen."),
  since: time.describe("When it was first seen."),
  unblock: z.string().max(1024).describe("What happens next by itself, and what people can do."),
});

const operation = z.object({
  kind: z.string().max(64).describe("What is being done, such as Create, Grow, Recover."),
  step: z.string().max(256).describe("What is being done now."),
  startedAt: time.describe("When it began."),
  blockers: z.array(blocker).max(MOST_BLOCKERS).default([]).describe("What it waits for."),
  blockersTotal: count.default(0).describe("With those that are not listed."),
});

const topologyStatus = z.object({
  domain: z
    .enum(["Zone", "Region", "Rack", "Host", "None"])
    .describe("In effect: of machines without zone labels Host, of a single one None."),
  zones: z
    .array(
      z.object({
        name: z.string().max(63).describe("Of the zone."),
        region: z.string().max(63).default("").describe("That the zone is in."),
        nodes: count.describe("That stand in it."),
        ready: count.describe("Of them, those that are up."),
        survivesLoss: z.boolean().describe("Every shard keeps an in-sync copy when this zone is lost."),
      }),
    )
    .max(64)
    .describe("Found among the machines when the cluster was made, unless spec.topology.zones states them."),
});

export const clusterStatusSchema = z.object({
  observedGeneration,
  conditions: conditionsSchema.default([]),
  clusterId: z.string().max(128).optional().describe("Of the data: nodes of another cluster are refused."),
  leaderEpoch: count.optional().describe("Grows each time a control plane takes over."),
  version: z.string().max(64).optional().describe("That all nodes run."),
  nodes: count.optional().describe("Pods that there are; spec.nodes are wanted."),
  readyNodes: count.optional().describe("Those that are up."),
  selector: z.string().max(512).optional().describe("Of the pods, for those who scale the cluster."),
  summary: z.string().max(256).optional().describe("The state in a few words."),
  topology: topologyStatus.optional(),
  shards: z
    .object({
      total: count.describe("Of all collections."),
      copies: count.describe("Of all shards, primaries included."),
      inSync: count.describe("Of the copies, those that are up and have all that is acknowledged."),
      recovering: count.describe("Copies that are being filled."),
      unassigned: count.describe("Copies that have no place."),
      withoutPrimary: count.describe("Shards that take no writes now."),
    })
    .optional(),
  operation: operation
    .optional()
    .describe("What is being done, and what it waits for; none when all is done."),
  deletedCollections: z
    .array(
      z.object({
        uid: z.string().max(128).describe("Of the PrismCollection."),
        at: count.describe("Milliseconds since 1970."),
      }),
    )
    .max(500)
    .default([])
    .describe("Proof for nodes that were away that the data may go."),
});

export type ClusterObjectStatus = Immutable<z.output<typeof clusterStatusSchema>>;
export type OperationStatus = NonNullable<ClusterObjectStatus["operation"]>;
export type Blocker = OperationStatus["blockers"][number];
