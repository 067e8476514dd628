/** What HTTP takes and gives for documents: bodies, answers of writes, scan pages, bulk lines. */
import * as z from "zod";
import { oneOf, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";
import { violationSchema } from "./problem.js";
import { PROBLEMS } from "./problem-code.js";
import type { ProblemCode } from "./problem-code.js";

const count = z.int().min(0);

/** 1 to 512 bytes of UTF-8 without control characters; the byte length is a limit and checked apart. */
export const documentId = z
  .string()
  .min(1)
  .regex(/^[^\u0000-\u001f\u007f]+$/, "must have no control characters");

export const documentBodySchema = z
  .record(z.string(), z.unknown())
  .describe(
    "The fields by name. A field may have one value or a list of values; null, [] and a missing field are the same. " +
      "A vector is one list of numbers. An id in the body must equal the one in the path.",
  );

export const VERSION_TAG = /^\d+\.\d+$/;

export const WRITE_RESULTS = ["created", "updated", "deleted", "unchanged"] as const;

export const writeResponseSchema = strictObject({
  id: z.string(),
  result: oneOf(WRITE_RESULTS),
  shard: count,
  term: count,
  seq: count.describe("term and seq together are the document's version, and its ETag."),
  copies: count.describe("In-sync copies that have the write on disk."),
  zones: count.describe("Distinct placement domains that these copies stand in."),
  session: z.string().describe("Send it with a search to read what was written."),
});

export const documentResponseSchema = strictObject({
  id: z.string(),
  term: count,
  seq: count,
  fields: documentBodySchema,
});

export const scanResponseSchema = strictObject({
  documents: z.array(documentResponseSchema),
  cursor: z.string().nullable().describe("Send it for the next page; null after the last."),
});

export const BULK_ACTIONS = ["put", "create", "patch", "delete"] as const;

export const bulkLineSchema = strictObject({
  action: oneOf(BULK_ACTIONS)
    .default("put")
    .describe(
      "put replaces, create fails when the id exists, patch merges (RFC 7396), delete needs no document.",
    ),
  id: documentId.optional().describe("Left out with put or create: the server makes one."),
  document: documentBodySchema.optional(),
  opId: z.string().min(1).optional().describe("Makes a retry exact: a line sent twice is applied once."),
  ifMatch: z.string().regex(VERSION_TAG, 'must be "<term>.<seq>"').optional(),
  shardKey: z
    .string()
    .min(1)
    .optional()
    .describe("Needed for patch and delete in collections with a shard key."),
});

export const bulkErrorSchema = strictObject({
  code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
  detail: z.string(),
  retryable: z.boolean(),
  executed: oneOf(["no", "unknown"]),
  errors: z.array(violationSchema).optional(),
});

export const bulkResultSchema = strictObject({
  line: count.min(1).describe("Of the request, from 1; empty lines count."),
  id: z.string().optional(),
  status: z.int(),
  result: oneOf(WRITE_RESULTS).optional(),
  shard: count.optional(),
  term: count.optional(),
  seq: count.optional(),
  error: bulkErrorSchema.optional(),
});

export const bulkSummarySchema = strictObject({
  summary: strictObject({
    lines: count,
    succeeded: count,
    failed: count,
    tookMs: z.number().min(0),
    session: z.string(),
  }),
});

export type DocumentBody = Readonly<Record<string, unknown>>;
export type WriteResult = (typeof WRITE_RESULTS)[number];
export type WriteResponse = Immutable<z.output<typeof writeResponseSchema>>;
export type DocumentResponse = Immutable<z.output<typeof documentResponseSchema>>;
export type ScanResponse = Immutable<z.output<typeof scanResponseSchema>>;
export type BulkAction = (typeof BULK_ACTIONS)[number];
export type BulkLine = Immutable<z.output<typeof bulkLineSchema>>;
export type BulkError = Immutable<z.output<typeof bulkErrorSchema>>;
export type BulkResult = Immutable<z.output<typeof bulkResultSchema>>;
export type BulkSummary = Immutable<z.output<typeof bulkSummarySchema>>;
