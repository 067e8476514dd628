/**
 * An error answer as facts: what the server says of it, or, where a proxy or a newer server answered,
 * what its status allows to say. Reads tolerantly: an unknown code must not hide what it is about.
 */
import { isProblemCode, type ProblemCode, type Violation } from "@prism/api/problem-code";
import { NotConnected } from "./connection.js";
import type { ClientCode } from "./prism-error.js";
import { parseRetryAfter, type AttemptOutcome } from "./retry-policy.js";

/** What an attempt ended with, short of how many there were. */
export interface AttemptFailure {
  readonly outcome: AttemptOutcome;
  readonly code: ProblemCode | ClientCode;
  readonly detail: string;
  readonly status?: number;
  readonly retryable: boolean;
  readonly requestId?: string;
  readonly fix?: string;
  readonly violations?: readonly Violation[];
  readonly cause?: unknown;
}

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly url: string;
}

export function readErrorAnswer(answer: ErrorAnswer, unixTimeMs: number): AttemptFailure {
  const { status } = answer;
  const retryAfterMs = parseRetryAfter(answer.headers["retry-after"], unixTimeMs);
  const body = asObject(parseJson(answer.text));
  const { code, detail, retryable, executed } = body;
  if (typeof code !== "string" || typeof detail !== "string" || typeof retryable !== "boolean") {
    const again = status === 429 || status >= 502;
    return {
      outcome: { kind: "answered", retryable: again, executed: "unknown", retryAfterMs },
      code: "unexpectedAnswer",
      detail: `${answer.url} answered ${status} without a problem: is it a Prism node?`,
      status,
      retryable: again,
    };
  }
  const { requestId, fix, errors } = body;
  const known = isProblemCode(code);
  return {
    outcome: {
      kind: "answered",
      retryable,
      executed: executed === "no" ? "no" : "unknown",
      retryAfterMs,
    },
    code: known ? code : "unexpectedAnswer",
    detail: known ? detail : `${code}: ${detail}`,
    status,
    retryable,
    ...(typeof requestId === "string" ? { requestId } : {}),
    ...(typeof fix === "string" ? { fix } : {}),
    ...(Array.isArray(errors) ? { violations: errors as Violation[] } : {}),
  };
}

/** Connection errors that come before any byte of the request went out. */
const UNSENT = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** What an attempt without an answer says. */
export function readConnectionError(error: unknown, url: string): AttemptFailure {
  const cause = error instanceof NotConnected ? error.cause : error;
  const code = (cause as { code?: unknown } | null)?.code;
  if (error instanceof NotConnected && !(typeof code === "string" && UNSENT.has(code))) {
    const why = cause instanceof Error && cause.message !== "" ? ` (${cause.message})` : "";
    const detail = `no connection to ${url}${why}`;
    return { outcome: { kind: "unsent" }, code: "unreachable", detail, retryable: true, cause };
  }
  if (typeof code === "string" && UNSENT.has(code)) {
    const detail = `no connection to ${url} (${code})`;
    return { outcome: { kind: "unsent" }, code: "unreachable", detail, retryable: true, cause };
  }
  const why = cause instanceof Error && cause.message !== "" ? ` (${cause.message})` : "";
  const detail = `the connection to ${url} broke before the answer${why}`;
  return { outcome: { kind: "lost" }, code: "connectionLost", detail, retryable: true, cause };
}

/** @param kind unsent: it waited for a connection all the time */
export function attemptTimedOut(url: string, timeoutMs: number, kind: "lost" | "unsent"): AttemptFailure {
  const detail = `${url} did not answer within ${Math.round(timeoutMs)} ms`;
  return { outcome: { kind }, code: "deadlineExceeded", detail, retryable: true };
}

/** The value of a JSON text, or undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The value if it is an object, else an empty one. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
