/**
 * The size of a search, measured on the raw body before any schema walks it: a filter nested 100,000
 * deep would overflow the stack of a recursive parser, and a list of millions of wrong numbers would
 * yield millions of issues. Iterative, and stops at the first clause above a limit.
 */
import { describeLimit } from "./limits.js";
import type { LimitName, Limits } from "./limits.js";
import type { Violation } from "./problem-code.js";
import { toPointer } from "./schema.js";

type Path = readonly (string | number)[];

function exceeded(path: Path, what: string, limit: LimitName, limits: Limits): Violation {
  return {
    pointer: toPointer(path),
    code: "limitExceeded",
    detail: `${what}, ${describeLimit(limit, limits)}`,
  };
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/** Works on a raw body and on a parsed request alike; parts of a wrong form are passed over. */
export function checkSearchSize(input: unknown, limits: Limits): Violation[] {
  const request = asRecord(input);
  return [
    ...checkQueries(request["queries"], limits),
    ...checkFilterSize(request["filter"], limits),
    ...checkLists(request, limits),
  ];
}

function checkQueries(queries: unknown, limits: Limits): Violation[] {
  if (!Array.isArray(queries)) return [];
  if (queries.length > limits.queries) {
    return [exceeded(["queries"], `${queries.length} queries are too many`, "queries", limits)];
  }
  const violations: Violation[] = [];
  queries.forEach((query: unknown, i) => {
    const values = asRecord(asRecord(query)["vector"])["values"];
    if (Array.isArray(values) && values.length > limits.dimensions) {
      const path = ["queries", i, "vector", "values"];
      violations.push(exceeded(path, `${values.length} numbers are too many`, "dimensions", limits));
    }
    const { query: text, fields } = asRecord(asRecord(query)["text"]);
    // UTF-8 has at most three bytes per UTF-16 unit, so short texts need no encoding to be measured.
    if (typeof text === "string" && text.length * 3 > limits.queryBytes) {
      const bytes = text.length > limits.queryBytes ? text.length : new TextEncoder().encode(text).length;
      const path = ["queries", i, "text", "query"];
      if (bytes > limits.queryBytes)
        violations.push(exceeded(path, "the text is too long", "queryBytes", limits));
    }
    if (Object.keys(asRecord(fields)).length > limits.fields) {
      violations.push(exceeded(["queries", i, "text", "fields"], "too many fields", "fields", limits));
    }
  });
  return violations;
}

function checkLists(request: Readonly<Record<string, unknown>>, limits: Limits): Violation[] {
  const violations: Violation[] = [];
  const aggregations = Object.keys(asRecord(request["aggregations"])).length;
  if (aggregations > limits.aggregations) {
    const what = `${aggregations} aggregations are too many`;
    violations.push(exceeded(["aggregations"], what, "aggregations", limits));
  }
  const include = request["include"];
  if (Array.isArray(include) && include.length > limits.fields) {
    violations.push(exceeded(["include"], `${include.length} fields are too many`, "fields", limits));
  }
  return violations;
}

interface Clause {
  readonly value: unknown;
  readonly path: Path;
  /** How many and, or, not stand above the clause. */
  readonly depth: number;
}

function checkFilterSize(filter: unknown, limits: Limits): Violation[] {
  if (filter === undefined) return [];
  const open: Clause[] = [{ value: filter, path: ["filter"], depth: 0 }];
  let clauses = 0;
  let values = 0;
  for (let clause = open.pop(); clause !== undefined; clause = open.pop()) {
    clauses += 1;
    if (clauses > limits.filterClauses) {
      return [exceeded(["filter"], "the filter has too many clauses", "filterClauses", limits)];
    }
    if (clause.depth > limits.filterDepth) {
      return [exceeded(clause.path, "the filter is nested too deeply", "filterDepth", limits)];
    }
    const { path, depth } = clause;
    const { and, or, not, in: list } = asRecord(clause.value);
    if (Array.isArray(list)) values += list.length;
    if (values > limits.inValues) {
      return [exceeded([...path, "in"], "the filter's in lists have too many values", "inValues", limits)];
    }
    for (const [key, parts] of [
      ["and", and],
      ["or", or],
    ] as const) {
      if (!Array.isArray(parts)) continue;
      if (parts.length > limits.filterClauses) {
        return [exceeded([...path, key], `${parts.length} clauses are too many`, "filterClauses", limits)];
      }
      parts.forEach((value: unknown, i) => open.push({ value, path: [...path, key, i], depth: depth + 1 }));
    }
    if (not !== undefined) open.push({ value: not, path: [...path, "not"], depth: depth + 1 });
  }
  return [];
}
