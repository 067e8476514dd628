/** Every operation of the HTTP API: one row each, from which openapi.ts makes the document. */
import type * as z from "zod";
import { EXAMPLES } from "./openapi-examples.js";
import type { AnsweredName, SentName } from "./openapi-schemas.js";
import type { ProblemCode } from "./problem-code.js";
import {
  bulkQuerySchema,
  documentQuerySchema,
  requestQuerySchema,
  scanQuerySchema,
  writeQuerySchema,
} from "./request-query.js";
import { SCORE_MEANING } from "./search.js";
import { verifyQuerySchema } from "./verify.js";

export type HeaderName = "idempotencyKey" | "ifMatch" | "ifNoneMatch" | "misdirected";

export interface Operation {
  readonly operationId: string;
  readonly method: "get" | "put" | "post" | "patch" | "delete";
  /** Behind /api/v1. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly query?: z.ZodObject;
  readonly headers?: readonly HeaderName[];
  readonly body?: { readonly schema: SentName; readonly example: unknown; readonly lines?: true };
  /** Statuses of success with their schemas; a list of schemas is one per line of NDJSON. */
  readonly answers: Readonly<
    Record<number, { readonly text: string; readonly schema: AnsweredName | readonly AnsweredName[] }>
  >;
  readonly problems: readonly ProblemCode[];
}

const BODY = [
  "invalidRequest",
  "invalidJson",
  "limitExceeded",
  "bodyTooLarge",
  "unsupportedMediaType",
  // Numbers that JSON made infinite.
  "notFinite",
] as const;
const OWNED = ["managedElsewhere", "controlPlaneUnavailable", "timeout", "outcomeUnknown"] as const;
/** No body is asked for; one that is sent all the same is read, and must be one that could be. */
const NO_BODY = ["bodyTooLarge", "unsupportedMediaType"] as const;
const VALUES = ["wrongDimensions", "zeroVector", "unknownField", "wrongFieldType"] as const;
const READ = [
  "invalidRequest",
  "collectionNotFound",
  "shardUnavailable",
  "historyLost",
  "consistencyNotMet",
  "staleRead",
  "timeout",
] as const;
const WRITE = [
  "collectionNotFound",
  "shardKeyMissing",
  "operationIdReused",
  "tooManyRequests",
  "notEnoughCopies",
  "noPrimary",
  "timeout",
  "outcomeUnknown",
] as const;
const STORE = ["diskFull", "memoryLimit"] as const;

const COLLECTION = "/collections/{c}";
const DOCUMENT = "/collections/{c}/documents/{id}";
const WRITTEN = { 200: { text: "Replaced, changed, or unchanged.", schema: "WriteResponse" } } as const;
const CREATED = { 201: { text: "The document is new.", schema: "WriteResponse" } } as const;
const SEARCHED = ["partialResults", "tooManyRequests"] as const;
const ACKNOWLEDGED =
  "Answered when every in-sync copy has the write on disk. A retry under the same Idempotency-Key is applied at most once.";

const COLLECTIONS: readonly Operation[] = [
  {
    operationId: "listCollections",
    method: "get",
    path: "/collections",
    summary: "All collections",
    answers: { 200: { text: "By name.", schema: "CollectionList" } },
    problems: [],
  },
  {
    operationId: "putCollection",
    method: "put",
    path: COLLECTION,
    summary: "Create a collection",
    description:
      "Sending the same definition again changes nothing; another one is refused with the paths that differ.",
    query: requestQuerySchema,
    body: { schema: "CollectionBody", example: EXAMPLES.putCollection },
    answers: {
      200: { text: "It was there, and equal.", schema: "Collection" },
      201: { text: "Created.", schema: "Collection" },
    },
    problems: [...BODY, ...OWNED, "collectionDiffers", "nameTaken"],
  },
  {
    operationId: "patchCollection",
    method: "patch",
    path: COLLECTION,
    summary: "Add fields, or change deletionProtection",
    query: requestQuerySchema,
    body: { schema: "CollectionPatch", example: EXAMPLES.patchCollection },
    answers: { 200: { text: "The collection as it is now.", schema: "Collection" } },
    problems: [...BODY, ...OWNED, "collectionNotFound", "collectionDiffers"],
  },
  {
    operationId: "getCollection",
    method: "get",
    path: COLLECTION,
    summary: "One collection",
    answers: { 200: { text: "With all defaults filled in.", schema: "Collection" } },
    problems: ["collectionNotFound"],
  },
  {
    operationId: "deleteCollection",
    method: "delete",
    path: COLLECTION,
    summary: "Delete a collection and its documents",
    query: requestQuerySchema,
    answers: { 200: { text: "Deleted.", schema: "CollectionDeleted" } },
    problems: [...OWNED, ...NO_BODY, "collectionNotFound", "deletionProtected"],
  },
];

const DOCUMENTS: readonly Operation[] = [
  {
    operationId: "putDocument",
    method: "put",
    path: DOCUMENT,
    summary: "Create or replace a document",
    description: ACKNOWLEDGED,
    query: writeQuerySchema,
    headers: ["idempotencyKey", "ifMatch", "ifNoneMatch", "misdirected"],
    body: { schema: "DocumentBody", example: EXAMPLES.putDocument },
    answers: { ...WRITTEN, ...CREATED },
    problems: [...BODY, ...VALUES, ...WRITE, ...STORE, "documentExists", "versionConflict"],
  },
  {
    operationId: "createDocument",
    method: "post",
    path: "/collections/{c}/documents",
    summary: "Create a document under an id that the server makes",
    description: ACKNOWLEDGED,
    query: writeQuerySchema,
    headers: ["idempotencyKey", "misdirected"],
    body: { schema: "DocumentBody", example: EXAMPLES.createDocument },
    answers: CREATED,
    problems: [...BODY, ...VALUES, ...WRITE, ...STORE],
  },
  {
    operationId: "patchDocument",
    method: "patch",
    path: DOCUMENT,
    summary: "Merge fields into a document (RFC 7396)",
    description: `null removes a field, lists are replaced. ${ACKNOWLEDGED}`,
    query: writeQuerySchema,
    headers: ["idempotencyKey", "ifMatch", "misdirected"],
    body: { schema: "DocumentBody", example: EXAMPLES.patchDocument },
    answers: WRITTEN,
    problems: [...BODY, ...VALUES, ...WRITE, ...STORE, "documentNotFound", "versionConflict"],
  },
  {
    operationId: "getDocument",
    method: "get",
    path: DOCUMENT,
    summary: "One document",
    query: documentQuerySchema,
    answers: { 200: { text: "Its fields, and its version as ETag.", schema: "DocumentResponse" } },
    problems: [...READ, "documentNotFound", "shardKeyMissing", "limitExceeded"],
  },
  {
    operationId: "deleteDocument",
    method: "delete",
    path: DOCUMENT,
    summary: "Delete a document",
    description: ACKNOWLEDGED,
    query: writeQuerySchema,
    headers: ["idempotencyKey", "ifMatch", "misdirected"],
    answers: { 200: { text: "deleted, or unchanged when there was none.", schema: "WriteResponse" } },
    problems: [...NO_BODY, ...WRITE, "versionConflict"],
  },
  {
    operationId: "scanDocuments",
    method: "get",
    path: "/collections/{c}/documents",
    summary: "All documents, page by page in the order of their ids",
    description: "No snapshot: documents written meanwhile may or may not be among them.",
    query: scanQuerySchema,
    answers: { 200: { text: "One page.", schema: "ScanResponse" } },
    problems: [...READ],
  },
  {
    operationId: "bulkWrite",
    method: "post",
    path: "/collections/{c}/bulk",
    summary: "Many writes in one request",
    description:
      "NDJSON both ways: one line per write, one answer per line in the order of the request, a summary last. " +
      "Writes of one document are executed in the order of their lines. " +
      `A line that is wrong fails alone, with the codes of single writes. ${ACKNOWLEDGED}`,
    query: bulkQuerySchema,
    body: { schema: "BulkLine", example: EXAMPLES.bulk, lines: true },
    answers: {
      200: { text: "One line per write, then the summary.", schema: ["BulkResult", "BulkSummary"] },
    },
    problems: [
      "invalidRequest",
      "bodyTooLarge",
      "unsupportedMediaType",
      "collectionNotFound",
      "tooManyRequests",
    ],
  },
];

const SEARCHES: readonly Operation[] = [
  {
    operationId: "search",
    method: "post",
    path: "/collections/{c}/search",
    summary: "Vector, full-text and hybrid search",
    description: `Scores: ${SCORE_MEANING} A hit's parts have each query's own score and rank.`,
    body: { schema: "SearchRequest", example: EXAMPLES.search },
    answers: {
      200: { text: "Hits, best first; complete says whether all shards answered.", schema: "SearchResponse" },
    },
    problems: [...BODY, ...VALUES, ...READ, ...SEARCHED],
  },
  {
    operationId: "count",
    method: "post",
    path: "/collections/{c}/count",
    summary: "How many documents match",
    body: { schema: "CountRequest", example: EXAMPLES.count },
    answers: {
      200: { text: "The count; complete says whether all shards answered.", schema: "CountResponse" },
    },
    problems: [...BODY, ...VALUES, ...READ, ...SEARCHED],
  },
];

const CLUSTER: readonly Operation[] = [
  {
    operationId: "getRouting",
    method: "get",
    path: "/collections/{c}/routing",
    summary: "Which node has which shard",
    answers: { 200: { text: "The ring, and where each shard's copies are.", schema: "RoutingResponse" } },
    problems: ["collectionNotFound"],
  },
  {
    operationId: "verifyCollection",
    method: "get",
    path: "/collections/{c}/verify",
    summary: "Whether all in-sync copies of each shard hold the same",
    description:
      "Every copy is read as it is right after one operation of the log, while writes go on: documents with their " +
      "versions, remembered operations, and the size of the indexes. Shards are compared one after the other. It adds " +
      "an operation to the log that changes nothing.",
    query: verifyQuerySchema,
    answers: { 200: { text: "equal, different or unavailable, and where.", schema: "VerifyResponse" } },
    problems: ["collectionNotFound", "tooManyRequests", "limitExceeded", "timeout"],
  },
  {
    operationId: "describeDataLoss",
    method: "get",
    path: "/collections/{c}/shards/{shard}/data-loss",
    summary: "What is left of a shard, and whether a forced reset is possible",
    query: requestQuerySchema,
    answers: { 200: { text: "Which copies hold what, as last heard.", schema: "DataLoss" } },
    problems: ["collectionNotFound", "notFound", ...OWNED],
  },
  {
    operationId: "acceptDataLoss",
    method: "post",
    path: "/collections/{c}/shards/{shard}/data-loss",
    summary: "Go on with what is left of a shard none of whose in-sync copies can be reached",
    description:
      "The forced reset: one of the copies that are left begins a new history. Writes that only the in-sync copies " +
      "had are lost, acknowledged ones too. Refused while an in-sync copy lives or may turn up.",
    query: requestQuerySchema,
    body: { schema: "AcceptDataLoss", example: EXAMPLES.acceptDataLoss },
    answers: { 200: { text: "The shard goes on.", schema: "DataLossAccepted" } },
    problems: [...BODY, ...OWNED, "collectionNotFound", "notFound", "dataLossRefused"],
  },
  {
    operationId: "getStatus",
    method: "get",
    path: "/status",
    summary: "The state of the cluster, what is wrong with it, and what happens next",
    answers: { 200: { text: "As the control plane last reported it.", schema: "StatusResponse" } },
    problems: [],
  },
];

export const OPERATIONS: readonly Operation[] = [...COLLECTIONS, ...DOCUMENTS, ...SEARCHES, ...CLUSTER];

/** What any operation may answer besides its own problems. */
export const COMMON_PROBLEMS: readonly ProblemCode[] = [
  "invalidRequest",
  "limitExceeded",
  "methodNotAllowed",
  "internalError",
  "clusterNotReady",
];
