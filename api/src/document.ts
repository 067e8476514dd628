/** What HTTP takes and gives for documents: bodies, answers of writes, scan pages, bulk lines. */
import * as z from "zod";
import { consistencyAnswerSchema } from "./consistency.js";
import { describeLimit } from "./limits.js";
import type { Limits } from "./limits.js";
import { problemCodeSchema, violationSchema } from "./problem.js";
import type { Violation } from "./problem-code.js";
import { oneOf, parseWith, refuse, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";

const count = z.int().min(0);

/** No control characters, no half of a surrogate pair: ids are kept and compared as UTF-8. */
const DOCUMENT_ID = /^[^\p{Cc}\p{Cs}]+$/u;

/** UTF-8, of one UTF-16 unit. */
const MOST_BYTES_PER_UNIT = 3;

/** The length in bytes is a limit (idBytes) and checked by checkDocumentId. */
export const documentId = z
  .string("must be a string")
  .min(1)
  .regex(DOCUMENT_ID, "must have no control characters and be well-formed Unicode");

export const documentBodySchema = z
  .record(z.string(), z.unknown())
  .describe(
    "The fields by name. A field may have one value or a list of values; null, [] and a missing field are the same. " +
      "A vector is one list of numbers. An id in the body must equal the one in the path.",
  );

export const VERSION_TAG = /^\d+\.\d+$/;

export const WRITE_RESULTS = ["created", "updated", "deleted", "unchanged"] as const;

export const searchableSchema = strictObject({
  met: z.boolean().describe("Every in-sync copy of the shards written to shows the writes."),
  detail: z.string().optional().describe("Which copies were not known to, in time."),
}).describe("With waitFor=searchable alone.");

export const writeResponseSchema = strictObject({
  id: z.string(),
  result: oneOf(WRITE_RESULTS),
  shard: count,
  term: count,
  seq: count.describe("term and seq together are the document's version, and its ETag."),
  copies: count.describe("In-sync copies that have the write on disk."),
  zones: count.describe("Distinct placement domains that these copies stand in."),
  session: z.string().describe("Send it with a search to read what was written."),
  searchable: searchableSchema.optional(),
});

export const documentSchema = strictObject({
  id: z.string(),
  term: count,
  seq: count,
  fields: documentBodySchema,
});

const readAnswer = {
  consistency: consistencyAnswerSchema,
  session: z.string().describe("Send it with a read to see no less than this answer showed."),
};

export const documentResponseSchema = documentSchema.extend(readAnswer);

export const scanResponseSchema = strictObject({
  documents: z.array(documentSchema),
  cursor: z.string().nullable().describe("Send it for the next page; null after the last."),
  ...readAnswer,
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
  code: problemCodeSchema,
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
    searchable: searchableSchema.optional(),
  }),
});

/** @returns what is wrong with an id, or nothing. `pointer` is where the request has it. */
export function checkDocumentId(id: unknown, limits: Limits, pointer: string): Violation | undefined {
  if (typeof id === "string" && isPlainId(id, limits)) return undefined;
  const parsed = documentId.safeParse(id);
  if (!parsed.success) {
    const detail = id === "" ? "must not be empty" : (parsed.error.issues[0]?.message ?? "is not valid");
    return { pointer, code: "invalidRequest", detail: `id ${detail}` };
  }
  return checkBytes("id", parsed.data, "idBytes", limits, pointer);
}

/** The Idempotency-Key of a request, or the opId of a bulk line. */
export function checkOperationId(id: string, limits: Limits, pointer: string): Violation | undefined {
  if (id === "" || !DOCUMENT_ID.test(id)) {
    const detail = "operation id must have at least one character and no control characters";
    return { pointer, code: "invalidRequest", detail };
  }
  return checkBytes("operation id", id, "operationIdBytes", limits, pointer);
}

function checkBytes(
  what: string,
  value: string,
  limit: "idBytes" | "operationIdBytes",
  limits: Limits,
  pointer: string,
): Violation | undefined {
  if (MOST_BYTES_PER_UNIT * value.length <= limits[limit]) return undefined;
  const bytes = new TextEncoder().encode(value).length;
  if (bytes <= limits[limit]) return undefined;
  return {
    pointer,
    code: "limitExceeded",
    detail: `${what} has ${bytes} bytes, ${describeLimit(limit, limits)}`,
  };
}

/**
 * One line of a bulk body, parsed from JSON.
 *
 * @throws {Problem} with every violation; the other lines go on.
 */
export function parseBulkLine(input: unknown, limits: Limits): BulkLine {
  const line = plainBulkLine(input) ?? parseWith(bulkLineSchema, input, "line");
  if (
    line.action === "put" &&
    line.id !== undefined &&
    isPlainId(line.id, limits) &&
    line.opId === undefined
  ) {
    if (line.document !== undefined) return line;
  }
  const violations: Violation[] = [];
  const needsId = line.action === "patch" || line.action === "delete";
  if (needsId && line.id === undefined) {
    violations.push({
      pointer: "/id",
      code: "invalidRequest",
      detail: `is missing; ${line.action} needs it`,
    });
  }
  if (line.action === "delete" ? line.document !== undefined : line.document === undefined) {
    const detail =
      line.action === "delete" ? "delete takes no document" : `is missing; ${line.action} needs it`;
    violations.push({ pointer: "/document", code: "invalidRequest", detail });
  }
  if (line.action === "create" && line.ifMatch !== undefined) {
    violations.push({
      pointer: "/ifMatch",
      code: "invalidRequest",
      detail: "create expects that nothing is there",
    });
  }
  const id = line.id === undefined ? undefined : checkDocumentId(line.id, limits, "/id");
  if (id !== undefined) violations.push(id);
  const opId = line.opId === undefined ? undefined : checkOperationId(line.opId, limits, "/opId");
  if (opId !== undefined) violations.push(opId);
  return violations.length > 0 ? refuse("line", violations) : line;
}

/** The line when it holds nothing but an id and a document, as nearly all do: the schema would say the same of it. */
function plainBulkLine(input: unknown): BulkLine | undefined {
  const { id, document, ...more } = (input ?? {}) as Readonly<Record<string, unknown>>;
  const isPlain =
    typeof id === "string" &&
    typeof document === "object" &&
    document !== null &&
    !Array.isArray(document) &&
    Object.keys(more).length === 0 &&
    id !== "" &&
    DOCUMENT_ID.test(id);
  return isPlain ? { action: "put", id, document: document as DocumentBody } : undefined;
}

function isPlainId(id: string, limits: Limits): boolean {
  return id !== "" && DOCUMENT_ID.test(id) && MOST_BYTES_PER_UNIT * id.length <= limits.idBytes;
}

export type DocumentBody = Readonly<Record<string, unknown>>;
export type WriteResult = (typeof WRITE_RESULTS)[number];
export type WriteResponse = Immutable<z.output<typeof writeResponseSchema>>;
export type Searchable = Immutable<z.output<typeof searchableSchema>>;
export type ReadDocument = Immutable<z.output<typeof documentSchema>>;
export type DocumentResponse = Immutable<z.output<typeof documentResponseSchema>>;
export type ScanResponse = Immutable<z.output<typeof scanResponseSchema>>;
export type BulkAction = (typeof BULK_ACTIONS)[number];
export type BulkLine = Immutable<z.output<typeof bulkLineSchema>>;
export type BulkError = Immutable<z.output<typeof bulkErrorSchema>>;
export type BulkResult = Immutable<z.output<typeof bulkResultSchema>>;
export type BulkSummary = Immutable<z.output<typeof bulkSummarySchema>>;
