/** How current a read is: what a request asks for, and what an answer says of it. */
import * as z from "zod";
import { problemCodeSchema } from "./problem.js";
import type { Violation } from "./problem-code.js";
import { oneOf, strictObject, toPointer } from "./schema.js";
import type { Immutable } from "./schema.js";
import { LONGEST_SESSION } from "./session.js";

export const CONSISTENCY_LEVELS = ["eventual", "readYourWrites", "bounded", "strong"] as const;
export type ConsistencyLevel = (typeof CONSISTENCY_LEVELS)[number];

export const LONGEST_STALENESS_MS = 86_400_000;

const LEVEL =
  "eventual: what an in-sync copy has. readYourWrites: at least what the session has written or seen. " +
  "bounded: all that was acknowledged more than maxStalenessMs before the read. " +
  "strong: all that was acknowledged before the read.";
const SESSION = "Of a write, search or read; needed for readYourWrites, and held to by bounded and strong.";
const MAX_STALENESS = "Milliseconds; with bounded alone, and needed there.";
const ALLOW_DOWNGRADE =
  "When the level can't be met in time: answer with what a copy has, and say so in consistency.downgraded.";

/** In the body of a search or count. */
export const consistencySchema = strictObject({
  level: oneOf(CONSISTENCY_LEVELS).default("eventual").describe(LEVEL),
  session: z.string().optional().describe(SESSION),
  maxStalenessMs: z.int().min(1).max(LONGEST_STALENESS_MS).optional().describe(MAX_STALENESS),
  allowDowngrade: z.boolean().default(false).describe(ALLOW_DOWNGRADE),
});

/** In a query string, beside other parameters. */
export const consistencyQuery = {
  consistency: oneOf(CONSISTENCY_LEVELS)
    .optional()
    .describe(`${LEVEL} Default: readYourWrites with a session, else eventual.`),
  session: z.string().max(LONGEST_SESSION).optional().describe(SESSION),
  maxStalenessMs: z
    .string()
    .refine((text) => /^\d{1,9}$/.test(text), `must be an integer from 1 to ${LONGEST_STALENESS_MS}`)
    .transform(Number)
    .pipe(z.number().min(1).max(LONGEST_STALENESS_MS))
    .meta({ type: "integer", minimum: 1, maximum: LONGEST_STALENESS_MS })
    .optional()
    .describe(MAX_STALENESS),
  allowDowngrade: oneOf(["true", "false"]).default("false").describe(ALLOW_DOWNGRADE),
} as const;

const count = z.int().min(0);

export const consistencyAnswerSchema = strictObject({
  level: oneOf(CONSISTENCY_LEVELS).describe("What was asked for."),
  met: z.boolean().describe("Every shard answered at this level."),
  downgraded: z
    .array(strictObject({ shard: count, reason: problemCodeSchema, detail: z.string() }))
    .optional()
    .describe("Shards that answered with what a copy had (eventual) instead, and why."),
});

export type Consistency = Immutable<z.output<typeof consistencySchema>>;
export type ConsistencyInput = Immutable<z.input<typeof consistencySchema>>;
export type ConsistencyAnswer = Immutable<z.output<typeof consistencyAnswerSchema>>;

/** What a query string says, in the form of a body. */
export function consistencyOfQuery(query: {
  readonly consistency?: ConsistencyLevel | undefined;
  readonly session?: string | undefined;
  readonly maxStalenessMs?: number | undefined;
  readonly allowDowngrade: "true" | "false";
}): Consistency {
  const { session, maxStalenessMs } = query;
  const byDefault = session === undefined ? "eventual" : "readYourWrites";
  return {
    level: query.consistency ?? byDefault,
    allowDowngrade: query.allowDowngrade === "true",
    ...(session === undefined ? {} : { session }),
    ...(maxStalenessMs === undefined ? {} : { maxStalenessMs }),
  };
}

/** @returns what the level lacks, or has too much. `path` is where the request has it. */
export function checkConsistency(
  { level, session, maxStalenessMs }: Consistency,
  path: readonly string[],
): Violation[] {
  const violations: Violation[] = [];
  const add = (name: string, detail: string): void => {
    violations.push({ pointer: toPointer([...path, name]), code: "invalidRequest", detail });
  };
  if (level === "readYourWrites" && session === undefined) {
    add("session", "is missing; readYourWrites needs the session of a write's answer");
  }
  if (level === "bounded" && maxStalenessMs === undefined) {
    add("maxStalenessMs", "is missing; bounded needs it");
  }
  if (level !== "bounded" && maxStalenessMs !== undefined) {
    add("maxStalenessMs", `is for bounded; level ${level} takes none`);
  }
  return violations;
}
