/** PrismShard: the record of one shard, changed only by compare-and-swap of the control plane. Protocol section 2. */
import * as z from "zod";
import { API_VERSION, clusterRef, objectName, storedMetadata } from "./api-object.js";
import { parseWith, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";
import { REASONS } from "./reason.js";
import type { Reason } from "./reason.js";

const identity = z.string().min(1).max(128);
const count = z.int().min(0);
const reason = z.enum(Object.keys(REASONS) as [Reason, ...Reason[]]);

export const shardSpecSchema = strictObject({
  clusterRef,
  collection: z.string().min(1).max(63),
  collectionUid: identity,
  number: count.max(255),
  clusterId: identity,
  shardUid: identity
    .optional()
    .describe("Whose data nodes hold; stays when the object is made again. Default: the object's own uid."),
  bootstrap: z.string().max(128).describe("Nonce of the shard's making; empty once any copy has been seen."),
});

export const shardStatusSchema = strictObject({
  term: count.min(1),
  version: count.min(1).describe("Goes up by one with every change; nodes ignore what is not newer."),
  historyId: identity,
  primary: identity,
  inSync: z.array(identity).min(1).describe("Allocation ids, the primary among them."),
  recovering: z.array(identity),
  copies: z.array(strictObject({ id: identity, node: identity, zone: z.string().max(63) })),
  departed: z
    .array(
      strictObject({
        node: identity,
        zone: z.string().max(63),
        at: count,
        reason,
        attempts: count
          .min(1)
          .describe(
            "In a row, without having been in sync between; of copies that were too slow, also with that between.",
          ),
      }),
    )
    .default([])
    .describe("Copies that left both sets: their nodes may come back with data to start from."),
  lastChange: strictObject({ reason, at: count.describe("Milliseconds since 1970.") }),
}).check((context) => {
  const { primary, inSync, recovering, copies } = context.value;
  const violated = (path: string[], message: string): void => {
    context.issues.push({ code: "custom", path, message, input: context.value });
  };
  const placed = new Set(copies.map((copy) => copy.id));
  if (placed.size !== copies.length) violated(["copies"], "an allocation id is listed twice");
  if (!inSync.includes(primary)) violated(["primary"], "the primary must be in the in-sync set");
  if (inSync.some((id) => recovering.includes(id)))
    violated(["recovering"], "a copy is in sync or recovering");
  if ([...inSync, ...recovering].some((id) => !placed.has(id))) violated(["copies"], "a copy has no place");
});

/** A shard without status is unknown: no promotion, no new empty copy, no deletion. */
export const shardSchema = strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal("PrismShard"),
  metadata: strictObject({ name: objectName, ...storedMetadata }),
  spec: shardSpecSchema,
  status: shardStatusSchema.optional(),
});

export type PrismShard = Immutable<z.output<typeof shardSchema>>;
export type ShardSpec = PrismShard["spec"];
export type ShardStatus = NonNullable<PrismShard["status"]>;

/** `<cluster>.<collection>.<number>`: with the cluster, so that two clusters in one namespace do not collide. */
export function shardName(cluster: string, collection: string, number: number): string {
  return `${cluster}.${collection}.${number}`;
}

/** @throws {Problem} invalidRequest: the stored record is damaged or of a newer version. */
export function parseShard(input: unknown): PrismShard {
  return parseWith(shardSchema, input, "PrismShard");
}
