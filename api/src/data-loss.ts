/**
 * The forced reset of a shard (protocol 8.5): what is left of a shard none of whose in-sync copies can be
 * reached, and what a person says to go on with it. The past ends there: what no remaining copy has is lost,
 * sessions of before are refused with historyLost.
 */
import * as z from "zod";
import { parseWith, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";

const count = z.int().min(0);

export const heldCopySchema = strictObject({
  id: z.string().describe("Allocation id."),
  node: z.string().describe("Name of the node, or its id when it left the cluster."),
  zone: z.string(),
  inSync: z.boolean().describe("Every acknowledged write is on it."),
  reachable: z.boolean(),
  condition: z
    .string()
    .describe("What the control plane knows of it: available, away, dead, failed, removed, ..."),
  lastSeq: count.nullable().describe("The last operation in its log, as last heard; null: never heard."),
  globalCheckpoint: count
    .nullable()
    .describe("It knows that everything up to here was acknowledged or may be."),
  documents: count.nullable(),
  heardAt: count.nullable().describe("Milliseconds since 1970."),
});

export const dataLossSchema = strictObject({
  shard: z.string().describe("<collection>/<number>: what confirm must say."),
  acceptable: z.boolean().describe("No in-sync copy can be reached, and there is a copy to go on with."),
  refusal: z.string().nullable().describe("Why it can't be accepted now."),
  chosen: z
    .string()
    .nullable()
    .describe("Allocation id of the copy that would be gone on with: the longest log."),
  knownLost: count
    .nullable()
    .describe(
      "Operations that an in-sync copy was last heard to have and the chosen one lacks; null: not known.",
    ),
  term: count,
  historyId: z.string(),
  copies: z.array(heldCopySchema).describe("In-sync copies first, then what else is there."),
});

export const acceptDataLossSchema = strictObject({
  confirm: z.string().describe("<collection>/<number>, typed by the person who accepts the loss."),
  copy: z.string().optional().describe("Allocation id to go on with. Left out: the one that is chosen."),
});

export const dataLossAcceptedSchema = strictObject({
  shard: z.string(),
  primary: z.string().describe("Allocation id."),
  node: z.string(),
  term: count,
  historyId: z.string(),
  before: strictObject({ term: count, historyId: z.string(), inSync: z.array(z.string()) }),
});

export type HeldCopy = Immutable<z.output<typeof heldCopySchema>>;
export type DataLoss = Immutable<z.output<typeof dataLossSchema>>;
export type AcceptDataLoss = Immutable<z.output<typeof acceptDataLossSchema>>;
export type DataLossAccepted = Immutable<z.output<typeof dataLossAcceptedSchema>>;

/** @throws {Problem} invalidRequest with every violation. */
export function parseAcceptDataLoss(input: unknown): AcceptDataLoss {
  return parseWith(acceptDataLossSchema, input, "data loss");
}
