/**
 * GET /collections/{c}/verify: whether all in-sync copies of each shard hold the same, at one sequence
 * number, while writes go on.
 */
import * as z from "zod";
import { problemCodeSchema } from "./problem.js";
import { oneOf, parseWith, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";

const count = z.int().min(0);
const status = oneOf(["equal", "different", "unavailable"]);

export const VERIFY_STATUS_MEANING =
  "equal: all in-sync copies hold the same. different: they do not, see differences. unavailable: no difference was " +
  "found, but a copy or the marker that fixes the sequence number was missing.";

export const verifiedCopySchema = strictObject({
  id: z.string().describe("Allocation id."),
  node: z.string().describe("Name of the node."),
  zone: z.string(),
  documents: count.optional(),
  indexed: count
    .optional()
    .describe("Documents in the copy's indexes; equal to documents where all is well."),
  operations: count.optional().describe("Operations remembered for retries."),
  digest: z.string().optional().describe("Of all documents with their versions."),
  problem: strictObject({ code: problemCodeSchema, detail: z.string() })
    .optional()
    .describe("Why the copy could not be read."),
});

export const differenceSchema = strictObject({
  id: z.string().describe("Of the document."),
  copies: z.array(
    strictObject({
      node: z.string(),
      version: z.string().nullable().describe('"<term>.<seq>"; null: the copy has no such document.'),
      digest: z.string().nullable().describe("null: none, or what is stored is damaged."),
      damaged: z.boolean(),
    }),
  ),
});

export const shardVerificationSchema = strictObject({
  shard: count,
  status: status.describe(VERIFY_STATUS_MEANING),
  seq: count.optional().describe("All copies were read right after the operation of this number."),
  copies: z.array(verifiedCopySchema),
  operationsEqual: z.boolean(),
  indexesComplete: z.boolean().describe("Every copy's indexes hold as many documents as its store."),
  differences: z.array(differenceSchema).describe("The first documents that differ, by id."),
  moreDifferences: z.boolean().describe("There are, or may be, more than these."),
  problem: strictObject({ code: problemCodeSchema, detail: z.string() })
    .optional()
    .describe("Why the shard could not be compared."),
});

export const verifyResponseSchema = strictObject({
  collection: z.string(),
  status: status.describe(`The worst of all shards. ${VERIFY_STATUS_MEANING}`),
  tookMs: z.number().min(0),
  shards: z.array(shardVerificationSchema),
});

export const DEFAULT_VERIFY_TIMEOUT_MS = 600_000;
export const LARGEST_DIFFERENCES = 1000;

function integer(min: number, max: number) {
  const message = `must be an integer from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, message)
    .transform(Number)
    .pipe(z.number().min(min, message).max(max, message))
    .meta({ type: "integer", minimum: min, maximum: max });
}

export const verifyQuerySchema = strictObject({
  shards: z
    .string()
    .regex(/^\d{1,4}(,\d{1,4})*$/, "must be numbers of shards, separated by commas")
    .transform((numbers) => [...new Set(numbers.split(",").map(Number))])
    .optional()
    .describe("Numbers of shards, separated by commas. Left out: all."),
  differences: integer(1, LARGEST_DIFFERENCES)
    .default(10)
    .describe("Differing documents named for each shard. Default: 10."),
  timeoutMs: integer(1, 86_400_000)
    .optional()
    .describe(
      `Time limit in milliseconds. Default: ${DEFAULT_VERIFY_TIMEOUT_MS}, or limits.verifyMs if that is less.`,
    ),
});

export type VerifyQuery = Immutable<z.output<typeof verifyQuerySchema>>;
export type VerifyResponse = Immutable<z.output<typeof verifyResponseSchema>>;
export type VerifyStatus = VerifyResponse["status"];
export type ShardVerification = Immutable<z.output<typeof shardVerificationSchema>>;
export type VerifiedCopy = Immutable<z.output<typeof verifiedCopySchema>>;
export type DocumentDifference = Immutable<z.output<typeof differenceSchema>>;

/** @throws {Problem} invalidRequest with every violation. */
export function parseVerifyQuery(query: unknown): VerifyQuery {
  return parseWith(verifyQuerySchema, query, "query string");
}

/** The worst of several. */
export function worstStatus(statuses: readonly VerifyStatus[]): VerifyStatus {
  if (statuses.includes("different")) return "different";
  return statuses.includes("unavailable") ? "unavailable" : "equal";
}
