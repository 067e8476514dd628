/**
 * The answer of GET /status: made by the control plane, sent to the nodes, answered by any of them.
 * Every problem says what is wrong, since when, and what happens next, so that one screen tells all.
 */
import * as z from "zod";
import { REASONS } from "./reason.js";
import type { Reason } from "./reason.js";
import { oneOf, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";

const count = z.int().min(0);
const time = z.int().min(0).describe("Milliseconds since 1970.");
const reason = z.enum(Object.keys(REASONS) as [Reason, ...Reason[]]);

export const statusNodeSchema = strictObject({
  id: z.string(),
  name: z.string(),
  zone: z.string(),
  region: z.string(),
  rack: z.string(),
  state: oneOf(["alive", "suspect", "dead"]),
  since: time,
  ready: z.boolean(),
  draining: z.boolean(),
  httpUrl: z.string(),
  version: z.string(),
  workers: count,
  copies: count,
  primaries: count,
  documents: count.describe("Of all copies on the node."),
  memoryUsedBytes: count,
  diskFreeBytes: count,
});

export const statusCopySchema = strictObject({
  id: z.string().describe("Allocation id."),
  node: z.string().describe("Name of the node."),
  zone: z.string(),
  role: oneOf(["primary", "replica", "activating", "recovering", "failed", "away"]),
  inSync: z.boolean(),
  documents: count,
  lastSeq: count,
  globalCheckpoint: count,
  lagOperations: count.describe("Operations that the primary has and this copy has not confirmed."),
});

export const statusShardSchema = strictObject({
  collection: z.string(),
  number: count,
  state: oneOf(["ok", "degraded", "unavailable", "unknown"]).describe(
    "degraded: fewer copies in sync than wanted. unavailable: takes no writes now.",
  ),
  term: count,
  version: count,
  primary: z.string().nullable().describe("Name of the primary's node; null: none takes writes now."),
  inSync: count,
  recovering: count,
  wanted: count.describe("Copies that the collection asks for."),
  unassigned: z.array(strictObject({ reason })).describe("One per copy that has no place."),
  documents: count,
  copies: z.array(statusCopySchema),
  reason: reason.describe("Of the last change of the shard's record."),
  since: time,
});

export const statusProblemSchema = strictObject({
  reason,
  severity: oneOf(["info", "warning", "critical"]),
  object: z.string().describe("What it is about, such as node/node-a-0, shard/speeches/2, cluster/demo."),
  since: time,
  message: z.string().describe("What is wrong."),
  next: z.string().describe("What happens next by itself, and what people can do."),
});

export const statusResponseSchema = strictObject({
  status: oneOf(["ok", "degraded", "unavailable", "unknown"]).describe(
    "ok: every shard has all its copies in sync. degraded: everything works, with less redundancy than wanted. " +
      "unavailable: at least one shard takes no writes. unknown: the node has not heard of the control plane yet.",
  ),
  clusterName: z.string(),
  clusterId: z.string(),
  clusterMode: oneOf(["Single", "Cluster"]),
  version: z.string(),
  revision: count.describe("Of the cluster map."),
  reportedAt: time.describe("When the control plane made this report, in milliseconds since 1970."),
  controlPlane: oneOf(["connected", "away"]).describe(
    "As the answering node sees it; away: the report may be old.",
  ),
  activeNodes: count.describe("Nodes that are alive."),
  wantedNodes: count,
  collectionCount: count,
  shardCount: count,
  replicaCount: count.describe("Copies of all shards, primaries included."),
  inSyncCount: count,
  documentCount: count,
  zoneLossTolerated: z.boolean().describe("Whether writes and searches go on when any one zone is lost."),
  topology: z.array(
    strictObject({
      zone: z.string(),
      nodes: count,
      ready: count,
      survivesLoss: z.boolean().describe("Whether every shard keeps an in-sync copy when this zone is lost."),
    }),
  ),
  nodes: z.array(statusNodeSchema),
  shards: z.array(statusShardSchema),
  problems: z.array(statusProblemSchema),
});

export type StatusNode = Immutable<z.output<typeof statusNodeSchema>>;
export type StatusCopy = Immutable<z.output<typeof statusCopySchema>>;
export type StatusShard = Immutable<z.output<typeof statusShardSchema>>;
export type StatusProblem = Immutable<z.output<typeof statusProblemSchema>>;
export type StatusResponse = Immutable<z.output<typeof statusResponseSchema>>;
