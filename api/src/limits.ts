/**
 * Every limit of a node: one table from which the settings, their defaults, the errors and the
 * documentation are made.
 */
import * as z from "zod";
import { hint } from "./did-you-mean.js";
import { parseWith, refuse, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";
import type { ProblemCode, Violation } from "./problem-code.js";

export interface LimitRow {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly unit: "bytes" | "numbers" | "ms" | "1";
  /** The error that a request above the limit gets; undefined when no request meets it. */
  readonly problem: ProblemCode | undefined;
  readonly description: string;
}

const MiB = 1024 * 1024;

export const LIMITS = {
  bodyBytes: {
    default: 32 * MiB,
    min: 64 * 1024,
    max: 256 * MiB,
    unit: "bytes",
    problem: "bodyTooLarge",
    description: "Size of a request body, except bulk.",
  },
  bulkBytes: {
    default: 64 * MiB,
    min: 64 * 1024,
    max: 1024 * MiB,
    unit: "bytes",
    problem: "bodyTooLarge",
    description: "Size of one bulk body.",
  },
  bulkLineBytes: {
    default: 16 * MiB,
    min: 1024,
    max: 64 * MiB,
    unit: "bytes",
    problem: "limitExceeded",
    description: "Size of one line of a bulk body; a longer one fails alone.",
  },
  idBytes: {
    default: 512,
    // The marker of a verification must fit.
    min: 64,
    max: 512,
    unit: "bytes",
    problem: "limitExceeded",
    description: "Length of a document id in UTF-8. The store's keys allow no more than the default.",
  },
  operationIdBytes: {
    default: 256,
    min: 64,
    max: 256,
    unit: "bytes",
    problem: "limitExceeded",
    description: "Length of an Idempotency-Key or opId in UTF-8.",
  },
  collections: {
    default: 1000,
    min: 1,
    max: 10_000,
    unit: "1",
    problem: "limitExceeded",
    description: "Collections in a cluster.",
  },
  shardsPerCollection: {
    default: 256,
    min: 1,
    max: 256,
    unit: "1",
    problem: "limitExceeded",
    description: "Shards of one collection.",
  },
  fields: {
    default: 256,
    min: 1,
    max: 1024,
    unit: "1",
    problem: "limitExceeded",
    description: "Fields that one collection defines.",
  },
  dimensions: {
    default: 4096,
    min: 1,
    max: 4096,
    unit: "numbers",
    problem: "limitExceeded",
    description: "Dimensions of a vector field.",
  },
  valuesPerField: {
    default: 1024,
    min: 1,
    max: 65_536,
    unit: "1",
    problem: "limitExceeded",
    description: "Values that one document has in one field; vectors count as one value.",
  },
  documentDepth: {
    default: 100,
    min: 1,
    max: 500,
    unit: "1",
    problem: "limitExceeded",
    description: "Nesting of objects and lists in a document or patch, the outermost object included.",
  },
  resultWindow: {
    default: 10_000,
    min: 10,
    max: 100_000,
    unit: "1",
    problem: "limitExceeded",
    description: "limit + offset of a search, and the window of its fusion. Scan to read more.",
  },
  candidates: {
    default: 10_000,
    min: 10,
    max: 100_000,
    unit: "1",
    problem: "limitExceeded",
    description: "Candidates that one vector query asks the index for, per shard.",
  },
  queries: {
    default: 8,
    min: 1,
    max: 64,
    unit: "1",
    problem: "limitExceeded",
    description: "Queries that one search fuses.",
  },
  queryBytes: {
    default: 8192,
    min: 64,
    max: 1 * MiB,
    unit: "bytes",
    problem: "limitExceeded",
    description: "Length of the text of one text query in UTF-8.",
  },
  filterDepth: {
    default: 16,
    min: 1,
    max: 64,
    unit: "1",
    problem: "limitExceeded",
    description: "Nesting of and, or and not in a filter.",
  },
  filterClauses: {
    default: 1024,
    min: 1,
    max: 16_384,
    unit: "1",
    problem: "limitExceeded",
    description: "Clauses in a filter, and, or and not included.",
  },
  inValues: {
    default: 10_000,
    min: 1,
    max: 100_000,
    unit: "1",
    problem: "limitExceeded",
    description: "Values of all in lists of a filter together.",
  },
  aggregations: {
    default: 32,
    min: 0,
    max: 256,
    unit: "1",
    problem: "limitExceeded",
    description: "Aggregations in one search.",
  },
  aggregationBuckets: {
    default: 10_000,
    min: 10,
    max: 100_000,
    unit: "1",
    problem: "limitExceeded",
    description: "Buckets that one shard returns per aggregation; the size of terms is held to it.",
  },
  timeoutMs: {
    default: 60_000,
    min: 100,
    max: 600_000,
    unit: "ms",
    problem: "limitExceeded",
    description: "Longest time limit that a request may ask for.",
  },
  searchesInFlight: {
    default: 256,
    min: 1,
    max: 10_000,
    unit: "1",
    problem: "tooManyRequests",
    description: "Searches and counts that one node coordinates at once.",
  },
  bulksInFlight: {
    default: 64,
    min: 1,
    max: 10_000,
    unit: "1",
    problem: "tooManyRequests",
    description: "Bulk requests that one node coordinates at once.",
  },
  bulkWaitingBytes: {
    default: 256 * MiB,
    min: MiB,
    max: 16 * 1024 * MiB,
    unit: "bytes",
    problem: "tooManyRequests",
    description:
      "Lines of bulk requests that one node has read and not answered yet. Above it a request is refused, and those that run read no further.",
  },
  verifications: {
    default: 2,
    min: 1,
    max: 64,
    unit: "1",
    problem: "tooManyRequests",
    description: "Verifications that one node coordinates at once; a copy takes part in 4.",
  },
  verifyMs: {
    default: 3_600_000,
    min: 1000,
    max: 86_400_000,
    unit: "ms",
    problem: "limitExceeded",
    description: "Longest time limit that a verification may ask for.",
  },
  pendingWrites: {
    default: 10_000,
    min: 1,
    max: 1_000_000,
    unit: "1",
    problem: "tooManyRequests",
    description: "Operations per shard that wait to be committed.",
  },
  queueWaitMs: {
    default: 2000,
    min: 10,
    max: 60_000,
    unit: "ms",
    problem: "tooManyRequests",
    description: "How long a write waits for room in its shard's queue while indexes or copies are behind.",
  },
  unindexedTail: {
    default: 5000,
    min: 100,
    max: 100_000,
    unit: "1",
    problem: "tooManyRequests",
    description:
      "Vectors per shard that searches scan one by one because no index has them yet; then writes wait.",
  },
  diskReserveBytes: {
    default: 256 * MiB,
    min: 16 * MiB,
    max: 1024 * 1024 * MiB,
    unit: "bytes",
    problem: "diskFull",
    description: "Free disk space below which nothing is added; deletes and searches go on.",
  },
  operationLogBytes: {
    default: 32 * MiB,
    min: 1 * MiB,
    max: 64 * 1024 * MiB,
    unit: "bytes",
    problem: undefined,
    description:
      "Operation log kept per shard copy: what a copy that was away is sent instead of a snapshot. Copies being filled may hold four times as much for a while.",
  },
  operationLogEntries: {
    default: 50_000,
    min: 100,
    max: 10_000_000,
    unit: "1",
    problem: undefined,
    description: "As operationLogBytes, in entries.",
  },
  operationLogMs: {
    default: 12 * 3_600_000,
    min: 1000,
    max: 30 * 24 * 3_600_000,
    unit: "ms",
    problem: undefined,
    description: "Age above which entries leave the operation log, however few they are.",
  },
  snapshotBytesPerSecond: {
    default: 64 * MiB,
    min: 1 * MiB,
    max: 16 * 1024 * MiB,
    unit: "bytes",
    problem: undefined,
    description: "Bytes per second that one node sends of snapshots, of all its shards together.",
  },
  snapshotsOutgoing: {
    default: 2,
    min: 1,
    max: 16,
    unit: "1",
    problem: undefined,
    description: "Snapshots that one node sends at once; others wait.",
  },
  snapshotsIncoming: {
    default: 2,
    min: 1,
    max: 16,
    unit: "1",
    problem: undefined,
    description: "Snapshots that one node takes at once; their senders wait.",
  },
  memoryBudgetBytes: {
    default: 0,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    unit: "bytes",
    problem: "memoryLimit",
    description: "Memory the node may use; 0 derives it from the machine or the container.",
  },
} as const satisfies Record<string, LimitRow>;

export type LimitName = keyof typeof LIMITS;
export type Limits = Readonly<Record<LimitName, number>>;

export const LIMIT_NAMES = Object.keys(LIMITS) as readonly LimitName[];

/** Where node.yaml sets the limit. */
export function limitKey(name: LimitName): string {
  return `limits.${name}`;
}

/** The environment variable that sets the limit: bodyBytes is PRISM_LIMITS_BODY_BYTES. */
export function limitEnvironmentVariable(name: LimitName): string {
  return `PRISM_LIMITS_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

const limitShape = Object.fromEntries(
  LIMIT_NAMES.map((name) => {
    const row: LimitRow = LIMITS[name];
    const sentence = `${row.description} Unit: ${row.unit}.`;
    return [name, z.int().min(row.min).max(row.max).default(row.default).describe(sentence)];
  }),
) as Record<LimitName, z.ZodDefault<z.ZodInt>>;

/** The `limits` part of node.yaml. */
export const limitsSchema = strictObject(limitShape);

export const DEFAULT_LIMITS: Immutable<Limits> = Object.freeze(limitsSchema.parse({}));

const VARIABLE_PREFIX = "PRISM_LIMITS_";

/**
 * @param input the `limits` part of node.yaml
 * @param environment variables; one that sets a limit goes before the file
 * @throws {Problem} invalidRequest with every value out of its range and every unknown name
 */
export function parseLimits(
  input: unknown,
  environment: Readonly<Record<string, string | undefined>> = {},
): Limits {
  const fromFile = parseWith(limitsSchema, input ?? {}, "limits");
  const names = new Map(LIMIT_NAMES.map((name) => [limitEnvironmentVariable(name), name]));
  const violations: Violation[] = [];
  const stated: Record<string, unknown> = { ...fromFile };
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith(VARIABLE_PREFIX)) continue;
    const name = names.get(variable);
    const parsed =
      name === undefined ? undefined : limitShape[name].safeParse(/^\d+$/.test(text) ? Number(text) : text);
    if (name === undefined) {
      const detail = `unknown variable${hint(variable, names.keys())}`;
      violations.push({ pointer: `/${variable}`, code: "invalidRequest", detail });
    } else if (parsed?.success !== true) {
      const detail = `must be an integer from ${LIMITS[name].min} to ${LIMITS[name].max}, not ${JSON.stringify(text)}`;
      violations.push({ pointer: `/${variable}`, code: "invalidRequest", detail });
    } else {
      stated[name] = parsed.data;
    }
  }
  return violations.length > 0 ? refuse("environment", violations) : limitsSchema.parse(stated);
}

/** How a message names a limit that was exceeded: its value and where it is set. */
export function describeLimit(name: LimitName, limits: Limits): string {
  return `at most ${limits[name]} (${limitKey(name)})`;
}
