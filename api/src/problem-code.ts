/**
 * The closed list of error codes that a client can see. A code's HTTP status, whether a retry may
 * help and whether the operation may have run are facts of the code; docs and OpenAPI are made from
 * this table, so there is no second list to forget.
 */

export interface ProblemKind {
  readonly status: number;
  readonly retryable: boolean;
  /** `unknown`: the operation may have been executed; find out by retrying under the same operation id. */
  readonly executed: "no" | "unknown";
  /** What happened, for people; `detail` of one problem names the values. */
  readonly title: string;
  /** What to do about it. */
  readonly fix: string;
}

const no = "no" as const;
const unknown = "unknown" as const;

export const PROBLEMS = {
  invalidRequest: {
    status: 400,
    retryable: false,
    executed: no,
    title: "The request is not valid",
    fix: "Correct the fields named in errors.",
  },
  invalidJson: {
    status: 400,
    retryable: false,
    executed: no,
    title: "The body is not valid JSON",
    fix: "Send UTF-8 JSON; detail says where it ends to be.",
  },
  wrongDimensions: {
    status: 400,
    retryable: false,
    executed: no,
    title: "The vector has the wrong number of dimensions",
    fix: "Send as many numbers as the field's dimensions.",
  },
  notFinite: {
    status: 400,
    retryable: false,
    executed: no,
    title: "A number is not finite",
    fix: "Replace NaN and infinities, and numbers too large for 32-bit floats in vectors.",
  },
  zeroVector: {
    status: 400,
    retryable: false,
    executed: no,
    title: "A zero vector has no direction",
    fix: "Leave the field out, or use metric dot or l2.",
  },
  unknownField: {
    status: 400,
    retryable: false,
    executed: no,
    title: "The collection has no such field",
    fix: "Use a field of the collection, or add it with PATCH.",
  },
  wrongFieldType: {
    status: 400,
    retryable: false,
    executed: no,
    title: "The field's type does not allow this",
    fix: "Use a field of the type that detail names.",
  },
  shardKeyMissing: {
    status: 400,
    retryable: false,
    executed: no,
    title: "The document or request lacks the shard key",
    fix: "Add the collection's shardKey field to the document, or ?shardKey= to the request.",
  },
  limitExceeded: {
    status: 400,
    retryable: false,
    executed: no,
    title: "A limit is exceeded",
    fix: "Stay below the limit that detail names, or raise its configuration key.",
  },
  collectionNotFound: {
    status: 404,
    retryable: false,
    executed: no,
    title: "There is no such collection",
    fix: "Create it with PUT /api/v1/collections/{c}, or correct the name.",
  },
  documentNotFound: {
    status: 404,
    retryable: false,
    executed: no,
    title: "There is no such document",
    fix: "Check the id.",
  },
  notFound: {
    status: 404,
    retryable: false,
    executed: no,
    title: "There is no such path",
    fix: "See /openapi.json for the paths.",
  },
  methodNotAllowed: {
    status: 405,
    retryable: false,
    executed: no,
    title: "The path does not take this method",
    fix: "Use a method of the Allow header.",
  },
  collectionDiffers: {
    status: 409,
    retryable: false,
    executed: no,
    title: "The collection exists with another definition",
    fix: "Send the same definition, add fields with PATCH, or use another name.",
  },
  nameTaken: {
    status: 409,
    retryable: false,
    executed: no,
    title: "Another object has the name that the collection needs",
    fix: "Use another name, or remove the object that the detail names.",
  },
  managedElsewhere: {
    status: 409,
    retryable: false,
    executed: no,
    title: "The collection is managed by another owner",
    fix: "Change it where it is defined.",
  },
  deletionProtected: {
    status: 409,
    retryable: false,
    executed: no,
    title: "The collection is protected from deletion",
    fix: "Set deletionProtection to false first.",
  },
  operationIdReused: {
    status: 409,
    retryable: false,
    executed: no,
    title: "The operation id is too old to be checked",
    fix: "Send the operation with a new id.",
  },
  documentExists: {
    status: 412,
    retryable: false,
    executed: no,
    title: "The document exists already",
    fix: "Leave out If-None-Match, or use another id.",
  },
  versionConflict: {
    status: 412,
    retryable: false,
    executed: no,
    title: "The document has another version",
    fix: "Read it again and decide anew.",
  },
  historyLost: {
    status: 409,
    retryable: false,
    executed: no,
    title: "The session belongs to a history that was given up",
    fix: "Start a new session.",
  },
  dataLossRefused: {
    status: 409,
    retryable: false,
    executed: no,
    title: "The loss of data can't be accepted now",
    fix: "See what detail says: start the node of the copy it names, or wait until that counts as dead.",
  },
  bodyTooLarge: {
    status: 413,
    retryable: false,
    executed: no,
    title: "The body is too large",
    fix: "Send smaller batches, or raise the limit that detail names.",
  },
  unsupportedMediaType: {
    status: 415,
    retryable: false,
    executed: no,
    title: "The content type is not supported",
    fix: "Send application/json, or application/x-ndjson to bulk.",
  },
  tooManyRequests: {
    status: 429,
    retryable: true,
    executed: no,
    title: "Too many requests wait already",
    fix: "Retry after the time in Retry-After.",
  },
  internalError: {
    status: 500,
    retryable: false,
    executed: unknown,
    title: "The node failed to handle the request",
    fix: "Report it with the requestId; the node's log has the cause.",
  },
  clusterNotReady: {
    status: 503,
    retryable: true,
    executed: no,
    title: "The node does not know the cluster yet",
    fix: "Retry after the time in Retry-After.",
  },
  controlPlaneUnavailable: {
    status: 503,
    retryable: true,
    executed: no,
    title: "The control plane is away",
    fix: "Retry; searches and document writes do not need it.",
  },
  notEnoughCopies: {
    status: 503,
    retryable: true,
    executed: no,
    title: "Too few copies of the shard are in sync",
    fix: "Wait for copies to return, or lower replication.minReplicasForWrite.",
  },
  noPrimary: {
    status: 503,
    retryable: true,
    executed: no,
    title: "The shard has no primary that answers now",
    fix: "Retry after the time in Retry-After.",
  },
  shardUnavailable: {
    status: 503,
    retryable: true,
    executed: no,
    title: "No copy of a needed shard answers",
    fix: "Retry, or allow partial results.",
  },
  consistencyNotMet: {
    status: 503,
    retryable: true,
    executed: no,
    title: "The consistency level could not be met in time",
    fix: "Retry; or ask for a weaker level, or allow one with allowDowngrade.",
  },
  staleRead: {
    status: 503,
    retryable: true,
    executed: no,
    title: "The node is cut off, and stale reads are not allowed",
    fix: "Ask another node, wait until it is connected again, or set partition.allowStaleReads.",
  },
  partialResults: {
    status: 503,
    retryable: true,
    executed: no,
    title: "Fewer shards answered than the request asks for",
    fix: "Retry, or allow partial results.",
  },
  notImplemented: {
    status: 501,
    retryable: false,
    executed: no,
    title: "This is not built yet",
    fix: "Leave it out.",
  },
  timeout: {
    status: 504,
    retryable: true,
    executed: no,
    title: "The time limit has passed",
    fix: "Retry, or raise timeoutMs.",
  },
  outcomeUnknown: {
    status: 504,
    retryable: true,
    executed: unknown,
    title: "The write may or may not have happened",
    fix: "Retry with the same Idempotency-Key (opId in bulk): it is applied at most once.",
  },
  diskFull: {
    status: 507,
    retryable: true,
    executed: no,
    title: "The disk is nearly full",
    fix: "Free or add disk space; searches and deletes go on.",
  },
  memoryLimit: {
    status: 507,
    retryable: true,
    executed: no,
    title: "The memory budget is used up",
    fix: "Add memory or nodes; searches and deletes go on.",
  },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof PROBLEMS;

export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}

/** One violated rule: where (a JSON pointer into the request), which code, and what was wrong. */
export interface Violation {
  readonly pointer: string;
  readonly code: ProblemCode;
  readonly detail: string;
}

/** An error that a client may see. Adapters translate it to HTTP (RFC 9457) and to the wire. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly violations: readonly Violation[];
  /** Overrides the code's own value: a forwarded write that got no answer is `unknown` whatever the code. */
  readonly executed: "no" | "unknown";

  constructor(
    code: ProblemCode,
    detail: string,
    options: { violations?: readonly Violation[]; executed?: "no" | "unknown"; cause?: unknown } = {},
  ) {
    super(`${code}: ${detail}`, { cause: options.cause });
    this.name = "Problem";
    this.code = code;
    this.detail = detail;
    this.violations = options.violations ?? [];
    this.executed = options.executed ?? PROBLEMS[code].executed;
  }

  get kind(): ProblemKind {
    return PROBLEMS[this.code];
  }
}
