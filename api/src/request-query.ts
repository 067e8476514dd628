/** Query strings: `?name=value` of the paths that take them, as text from the URL. */
import * as z from "zod";
import { LONGEST_SESSION } from "./session.js";
import { parseWith, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";

/** A number in a query string: z.coerce would take "" as 0 and " 1" as 1. */
function integer(min: number, max: number) {
  const message = `must be an integer from ${min} to ${max}`;
  return z
    .string()
    .refine((text) => /^\d{1,9}$/.test(text), message)
    .transform(Number)
    .pipe(z.number().min(min, message).max(max, message))
    .meta({ type: "integer", minimum: min, maximum: max });
}

const shardKey = z
  .string()
  .min(1)
  .optional()
  .describe(
    "The document's shard key, where the collection has one: it says which shard the document is in.",
  );
const include = z
  .string()
  .transform((names) => names.split(",").filter((name) => name !== ""))
  .optional()
  .describe(
    "Fields to return, separated by commas; * stands for all; empty: none. Left out: all, but of many documents no vectors.",
  );
const session = z
  .string()
  .max(LONGEST_SESSION)
  .optional()
  .describe("The session of a write or search: the answer shows at least what that has seen.");
const timeoutMs = integer(1, 600_000)
  .optional()
  .describe("Time limit in milliseconds. Default: the cluster's search.timeoutMs.");

/** Longer than a failover takes with the default health settings, so that it is latency to writes and no error. */
export const DEFAULT_WRITE_TIMEOUT_MS = 30_000;

const writeTimeoutMs = integer(1, 600_000)
  .optional()
  .describe(
    `Time limit in milliseconds, of bulk: for each operation. Default: ${DEFAULT_WRITE_TIMEOUT_MS}, or limits.timeoutMs if that is less.`,
  );

export const LARGEST_SCAN_PAGE = 1000;

export const documentQuerySchema = strictObject({ shardKey, include, session, timeoutMs });
export const scanQuerySchema = strictObject({
  cursor: z.string().max(8192).optional().describe("Of the page before; left out: the first page."),
  limit: integer(1, LARGEST_SCAN_PAGE).default(100).describe("Documents per page. Default: 100."),
  include,
  session,
  timeoutMs,
});
export const writeQuerySchema = strictObject({ shardKey, timeoutMs: writeTimeoutMs });
export const requestQuerySchema = strictObject({ timeoutMs: writeTimeoutMs });

export type DocumentQuery = Immutable<z.output<typeof documentQuerySchema>>;
export type ScanQuery = Immutable<z.output<typeof scanQuerySchema>>;
export type WriteQuery = Immutable<z.output<typeof writeQuerySchema>>;
export type RequestQuery = Immutable<z.output<typeof requestQuerySchema>>;

/** GET /documents/{id}. @throws {Problem} invalidRequest with every violation; so do the others. */
export function parseDocumentQuery(query: unknown): DocumentQuery {
  return parseWith(documentQuerySchema, query, "query string");
}

/** GET /documents. */
export function parseScanQuery(query: unknown): ScanQuery {
  return parseWith(scanQuerySchema, query, "query string");
}

/** PUT, PATCH and DELETE of a document, POST /documents. */
export function parseWriteQuery(query: unknown): WriteQuery {
  return parseWith(writeQuerySchema, query, "query string");
}

/** All else. */
export function parseRequestQuery(query: unknown): RequestQuery {
  return parseWith(requestQuerySchema, query, "query string");
}
