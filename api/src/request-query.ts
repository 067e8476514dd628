/** Query strings: `?name=value` of the paths that take them, as text from the URL. */
import * as z from "zod";
import { checkConsistency, consistencyOfQuery, consistencyQuery, type Consistency } from "./consistency.js";
import { oneOf, parseWith, refuse, strictObject } from "./schema.js";
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

export const documentQuerySchema = strictObject({ shardKey, include, ...consistencyQuery, timeoutMs });
export const scanQuerySchema = strictObject({
  cursor: z.string().max(8192).optional().describe("Of the page before; left out: the first page."),
  limit: integer(1, LARGEST_SCAN_PAGE).default(100).describe("Documents per page. Default: 100."),
  include,
  ...consistencyQuery,
  timeoutMs,
});

export const WAIT_FOR = ["committed", "searchable"] as const;
export type WaitFor = (typeof WAIT_FOR)[number];

const waitFor = oneOf(WAIT_FOR)
  .default("committed")
  .describe(
    "committed: until every in-sync copy has the write on disk. searchable: then also until each of them shows it to " +
      "searches, within timeoutMs; the answer's searchable says whether that was met, and the write stands either way.",
  );

export const writeQuerySchema = strictObject({ shardKey, waitFor, timeoutMs: writeTimeoutMs });
export const bulkQuerySchema = strictObject({ waitFor, timeoutMs: writeTimeoutMs });
export const requestQuerySchema = strictObject({ timeoutMs: writeTimeoutMs });

/** With the parameters of consistency as one, in the form of a search's body. */
type WithConsistency<T> = Omit<T, keyof typeof consistencyQuery> & { readonly consistency: Consistency };

export type DocumentQuery = WithConsistency<Immutable<z.output<typeof documentQuerySchema>>>;
export type ScanQuery = WithConsistency<Immutable<z.output<typeof scanQuerySchema>>>;
export type WriteQuery = Immutable<z.output<typeof writeQuerySchema>>;
export type BulkQuery = Immutable<z.output<typeof bulkQuerySchema>>;
export type RequestQuery = Immutable<z.output<typeof requestQuerySchema>>;

/** GET /documents/{id}. @throws {Problem} invalidRequest with every violation; so do the others. */
export function parseDocumentQuery(query: unknown): DocumentQuery {
  return withConsistency(parseWith(documentQuerySchema, query, "query string"));
}

/** GET /documents. */
export function parseScanQuery(query: unknown): ScanQuery {
  return withConsistency(parseWith(scanQuerySchema, query, "query string"));
}

type ConsistencyQuery = Parameters<typeof consistencyOfQuery>[0];

function withConsistency<T extends ConsistencyQuery>(
  query: T,
): Omit<T, keyof ConsistencyQuery> & { readonly consistency: Consistency } {
  const {
    consistency: _level,
    session: _session,
    maxStalenessMs: _bound,
    allowDowngrade: _allowed,
    ...others
  } = query;
  const consistency = consistencyOfQuery(query);
  const violations = checkConsistency(consistency, []);
  return violations.length > 0 ? refuse("query string", violations) : { ...others, consistency };
}

/** PUT, PATCH and DELETE of a document, POST /documents. */
export function parseWriteQuery(query: unknown): WriteQuery {
  return parseWith(writeQuerySchema, query, "query string");
}

/** POST /bulk. */
export function parseBulkQuery(query: unknown): BulkQuery {
  return parseWith(bulkQuerySchema, query, "query string");
}

/** All else. */
export function parseRequestQuery(query: unknown): RequestQuery {
  return parseWith(requestQuerySchema, query, "query string");
}
