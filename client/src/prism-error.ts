/** What goes wrong between a program and a cluster, in one shape. */
import type { ProblemBody } from "@prism/api/problem";
import type { ProblemCode, Violation } from "@prism/api/problem-code";

/** Codes that the SDK adds to those of the server. */
export type ClientCode =
  /** No connection to any endpoint tried. */
  | "unreachable"
  /** The connection broke before the answer was there. */
  | "connectionLost"
  /** No answer within the attempt's or the call's time. */
  | "deadlineExceeded"
  /** The caller's signal aborted, or the client was closed. */
  | "aborted"
  /** An answer that this API does not give: a proxy's page, a newer server's code. */
  | "unexpectedAnswer";

/**
 * Every failure of a call. It is the failure of the last attempt: a call whose time ran out while the
 * cluster refused it ends with the refusal; `deadlineExceeded` means that the last attempt had no answer.
 */
export class PrismError extends Error {
  readonly code: ProblemCode | ClientCode;
  /** HTTP status; undefined when no answer came. */
  readonly status: number | undefined;
  /** Whether the same call may succeed later. The SDK has retried already, within its limits. */
  readonly retryable: boolean;
  /**
   * `no`: no attempt changed anything. `unknown`: one of them may have been applied; repeat the write
   * with the same operation id to find out. Reads are always `no`.
   */
  readonly executed: "no" | "unknown";
  readonly requestId: string | undefined;
  /** What to do about it, as the server says. */
  readonly fix: string | undefined;
  readonly violations: readonly Violation[];
  /** Attempts made, the first included. */
  readonly attempts: number;

  constructor(
    code: ProblemCode | ClientCode,
    detail: string,
    facts: {
      status?: number;
      retryable: boolean;
      executed: "no" | "unknown";
      requestId?: string;
      fix?: string;
      violations?: readonly Violation[];
      attempts: number;
      cause?: unknown;
    },
  ) {
    super(`${code}: ${detail}`, { cause: facts.cause });
    this.name = "PrismError";
    this.code = code;
    this.status = facts.status;
    this.retryable = facts.retryable;
    this.executed = facts.executed;
    this.requestId = facts.requestId;
    this.fix = facts.fix;
    this.violations = facts.violations ?? [];
    this.attempts = facts.attempts;
  }

  static ofProblem(body: ProblemBody, attempts: number): PrismError {
    return new PrismError(body.code, body.detail, {
      status: body.status,
      retryable: body.retryable,
      executed: body.executed,
      requestId: body.requestId,
      fix: body.fix,
      violations: body.errors,
      attempts,
    });
  }
}
