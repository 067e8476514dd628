/** The body of every error answer: RFC 9457, application/problem+json. */
import * as z from "zod";
import { PROBLEMS } from "./problem-code.js";
import type { Problem, ProblemCode } from "./problem-code.js";
import { oneOf, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";

export const PROBLEM_MEDIA_TYPE = "application/problem+json";

export const problemCodeSchema = z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]);

export const violationSchema = strictObject({
  pointer: z.string().describe("JSON pointer (RFC 6901) into the request body."),
  code: problemCodeSchema,
  detail: z.string(),
});

export const problemSchema = strictObject({
  type: z.string().describe("Names the kind of problem; made of the code."),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: problemCodeSchema,
  requestId: z.string(),
  retryable: z.boolean().describe("Whether the same request may succeed later."),
  executed: oneOf(["no", "unknown"]).describe("unknown: retry under the same Idempotency-Key to find out."),
  fix: z.string().describe("What to do about it."),
  errors: z.array(violationSchema),
});

export type ProblemBody = Immutable<z.output<typeof problemSchema>>;

export function problemType(code: ProblemCode): string {
  return `urn:prism:problem:${code}`;
}

export function toProblemBody(problem: Problem, requestId: string): ProblemBody {
  const { title, status, retryable, fix } = problem.kind;
  return {
    type: problemType(problem.code),
    title,
    status,
    detail: problem.detail,
    code: problem.code,
    requestId,
    retryable,
    executed: problem.executed,
    fix,
    errors: problem.violations,
  };
}
