/**
 * PrismNode: a member of the cluster: a place of that name, and the volume that stands there. One object per
 * node, named as its pod: what is known of the volume must survive the pod.
 */
import * as z from "zod";
import { API_VERSION, clusterRef, kubernetesMetadata } from "./api-object.js";
import { parseWith, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";

const label = z.string().max(63);

export const nodeSpecSchema = strictObject({
  clusterRef,
  zone: label.describe("A node keeps the zone it was made in: its data lies there."),
  region: label.default(""),
  rack: label.default(""),
  attributes: z.record(z.string().min(1).max(63), z.string().max(256)).default({}),
});

export const nodeStatusSchema = z.object({
  nodeId: z
    .string()
    .max(128)
    .default("")
    .describe("Kept on the node's volume: another id under the same name is another volume."),
  bootId: z.string().max(128).default("").describe("Of the process that was last heard of."),
  peerAddress: z.string().max(512).default(""),
  httpUrl: z.string().max(512).default(""),
  adminUrl: z.string().max(512).default(""),
});

export const nodeObjectSchema = strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal("PrismNode"),
  metadata: kubernetesMetadata,
  spec: nodeSpecSchema,
  status: nodeStatusSchema.prefault({}),
});

export type PrismNode = Immutable<z.output<typeof nodeObjectSchema>>;

/** @throws {Problem} invalidRequest: the stored object is damaged. */
export function parseNode(input: unknown): PrismNode {
  return parseWith(nodeObjectSchema, input, "PrismNode");
}
