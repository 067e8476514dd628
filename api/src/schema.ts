/**
 * How this package writes zod schemas: objects that refuse unknown keys and say which one was meant,
 * word lists that do the same, and one translation of zod's issues into violations with JSON pointers.
 */
import * as z from "zod";
import { hint } from "./did-you-mean.js";
import { Problem } from "./problem-code.js";
import type { ProblemCode, Violation } from "./problem-code.js";

/** A type whose every property is read-only, all the way down. */
export type Immutable<T> = T extends (infer E)[]
  ? readonly Immutable<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Immutable<T[K]> }
    : T;

/** Issues of one parse are cut here: a body of a million bad values is answered with a page, not a book. */
const MOST_VIOLATIONS = 100;

export function strictObject<S extends z.core.$ZodLooseShape>(shape: S): z.ZodObject<S, z.core.$strict> {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== "unrecognized_keys") return undefined;
      // One line per key, in the order of issue.keys: toViolations takes them apart again.
      return issue.keys
        .slice(0, MOST_VIOLATIONS)
        .map((key) => describeUnknownKey(key, known))
        .join("\n");
    },
  });
}

function describeUnknownKey(key: string, known: readonly string[]): string {
  const meant = hint(key, known);
  return `unknown key ${JSON.stringify(key)}${meant === "" ? `; known are ${known.join(", ")}` : meant}`;
}

/** One of a list of words. */
export function oneOf<const W extends readonly [string, ...string[]]>(words: W) {
  return z.enum(words, {
    error: (issue) => `must be one of ${words.join(", ")}${describeWord(issue.input, words)}`,
  });
}

function describeWord(input: unknown, words: readonly string[]): string {
  if (typeof input !== "string") return input === undefined ? ", and is missing" : "";
  return `, not ${JSON.stringify(input.slice(0, 64))}${hint(input, words)}`;
}

/** RFC 6901. */
export function toPointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function codeOf(issue: z.core.$ZodIssue): ProblemCode {
  if (issue.code === "custom") {
    const code: unknown = issue.params?.["code"];
    return typeof code === "string" ? (code as ProblemCode) : "invalidRequest";
  }
  return isNotFinite(issue) ? "notFinite" : "invalidRequest";
}

/** 1e999 in JSON is Infinity, for which zod has no code: it is a type error, in a union one of each member's. */
function isNotFinite(issue: z.core.$ZodIssue): boolean {
  if (issue.code === "invalid_union") return issue.errors.some((errors) => errors.some(isNotFinite));
  const received: unknown = issue.code === "invalid_type" && "received" in issue ? issue.received : undefined;
  return received === "NaN" || received === "Infinity" || received === "-Infinity";
}

export function toViolations(issues: readonly z.core.$ZodIssue[], at = ""): Violation[] {
  const violations: Violation[] = [];
  for (const issue of issues) {
    if (violations.length >= MOST_VIOLATIONS) break;
    const pointer = at + toPointer(issue.path);
    if (issue.code === "unrecognized_keys") {
      const lines = issue.message.split("\n");
      issue.keys.slice(0, MOST_VIOLATIONS).forEach((key, i) => {
        violations.push({
          pointer: pointer + toPointer([key]),
          code: "invalidRequest",
          detail: lines[i] ?? issue.message,
        });
      });
    } else {
      const code = codeOf(issue);
      const detail = code === "notFinite" ? "must be a finite number" : issue.message;
      violations.push({ pointer, code, detail });
    }
  }
  return violations.slice(0, MOST_VIOLATIONS);
}

/** What zod says about the commonest issues is written for programmers; undefined leaves its words. */
function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      if (issue.input === undefined) return `is missing; must be ${article(issue.expected)}`;
      return `must be ${article(issue.expected)}, not ${describeValue(issue.input)}`;
    case "too_big":
      return `must be ${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}${unitOf(issue.origin)}`;
    case "too_small":
      return `must be ${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}${unitOf(issue.origin)}`;
    default:
      return undefined;
  }
}

const NOUNS: Readonly<Record<string, string>> = {
  int: "an integer",
  object: "an object",
  array: "a list",
  record: "an object",
};

function article(expected: string): string {
  return NOUNS[expected] ?? `a ${expected}`;
}

function describeValue(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 64));
  return typeof value === "number" || typeof value === "boolean" ? String(value) : typeof value;
}

function unitOf(origin: string): string {
  if (origin === "string") return " characters long";
  return origin === "array" ? " values long" : "";
}

/** Throws one Problem that carries all violations, under their code when they share one. */
export function refuse(what: string, violations: readonly Violation[]): never {
  const first = violations[0]!;
  const shared = violations.every((violation) => violation.code === first.code);
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more, see errors)` : "";
  const where = first.pointer === "" ? what : `${what} at ${first.pointer}`;
  throw new Problem(shared ? first.code : "invalidRequest", `${where}: ${first.detail}${more}`, {
    violations,
  });
}

/** @throws {Problem} with every violation, not only the first. */
export function parseWith<S extends z.ZodType>(schema: S, input: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(input, { error: describeIssue });
  return parsed.success ? parsed.data : refuse(what, toViolations(parsed.error.issues));
}
