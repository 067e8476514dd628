/**
 * Takes a search request whose every part is as the schema wants it, by plain checks: a schema walks a
 * vector's numbers and each query's defaults in ten times the time, on every search. What is not plain
 * in any way, an error above all, is left to the schema, so that there is one source of what is said.
 */
import type { Filter, SearchQuery, SearchRequest } from "./search.js";

/** Schemas of the parts that are rare or small. */
interface PartSchema {
  safeParse(value: unknown): { readonly success: boolean; readonly data?: unknown };
}

export interface PlainSearchSchema {
  /** What the schema makes of `{}`; its parts go into every request. */
  readonly defaults: SearchRequest;
  readonly parts: ReadonlyMap<string, PartSchema>;
}

type Fields = Readonly<Record<string, unknown>>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const LONGEST_NAME = 128;
const HIGHEST_WEIGHT = 1_000_000;
const DEFAULT_CANDIDATES = 100;

/** Undefined: the schema has to look. */
export function plainSearch(input: unknown, schema: PlainSearchSchema): SearchRequest | undefined {
  if (!isFields(input)) return undefined;
  const request: Mutable<SearchRequest> & { filter?: Filter } = { ...schema.defaults };
  for (const [key, value] of Object.entries(input)) {
    if (value === undefined) return undefined;
    switch (key) {
      case "queries": {
        const queries = plainQueries(value);
        if (queries === undefined) return undefined;
        request.queries = queries;
        break;
      }
      case "limit":
      case "offset":
        if (!isInteger(value, 0)) return undefined;
        request[key] = value;
        break;
      case "timeoutMs":
        if (!isInteger(value, 1)) return undefined;
        request.timeoutMs = value;
        break;
      case "explain":
        if (typeof value !== "boolean") return undefined;
        request.explain = value;
        break;
      case "include":
        if (!Array.isArray(value) || !value.every(isName)) return undefined;
        request.include = value;
        break;
      default: {
        const parsed = schema.parts.get(key)?.safeParse(value);
        if (parsed?.success !== true) return undefined;
        Object.assign(request, { [key]: parsed.data });
      }
    }
  }
  return request;
}

function plainQueries(value: unknown): SearchQuery[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const queries: SearchQuery[] = [];
  for (const one of value) {
    const query = plainQuery(one);
    if (query === undefined) return undefined;
    queries.push(query);
  }
  return queries;
}

function plainQuery(value: unknown): SearchQuery | undefined {
  if (!isFields(value)) return undefined;
  const { text, vector, weight = 1, ...others } = value;
  if (hasAny(others) || !isWeight(weight)) return undefined;
  if (vector === undefined) {
    const clause = plainText(text);
    return clause && { text: clause, weight };
  }
  const clause = text === undefined ? plainVector(vector) : undefined;
  return clause && { vector: clause, weight };
}

function plainText(value: unknown): Extract<SearchQuery, { text: unknown }>["text"] | undefined {
  if (!isFields(value)) return undefined;
  const { query, fields: named, operator = "or", ...others } = value;
  if (hasAny(others) || typeof query !== "string" || (operator !== "or" && operator !== "and"))
    return undefined;
  const fields = plainBoosts(named);
  return fields && { query, fields, operator };
}

function plainBoosts(value: unknown): Record<string, number> | undefined {
  if (Array.isArray(value)) {
    return value.every(isName) ? Object.fromEntries(value.map((name) => [name, 1])) : undefined;
  }
  if (!isFields(value)) return undefined;
  const boosts: Record<string, number> = {};
  for (const [name, boost] of Object.entries(value)) {
    // As a name it would set the object's prototype.
    if (!isName(name) || name === "__proto__" || !isWeight(boost)) return undefined;
    boosts[name] = boost;
  }
  return boosts;
}

function plainVector(value: unknown): Extract<SearchQuery, { vector: unknown }>["vector"] | undefined {
  if (!isFields(value)) return undefined;
  const { field, values, candidates = DEFAULT_CANDIDATES, ...others } = value;
  if (hasAny(others) || !isName(field) || !isInteger(candidates, 1) || !isNumbers(values)) return undefined;
  return { field, values, candidates };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function hasAny(others: Fields): boolean {
  for (const _ in others) return true;
  return false;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length >= 1 && value.length <= LONGEST_NAME;
}

function isInteger(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min;
}

function isWeight(value: unknown): value is number {
  return typeof value === "number" && value > 0 && value <= HIGHEST_WEIGHT;
}

function isNumbers(value: unknown): value is number[] {
  if (!Array.isArray(value)) return false;
  for (let i = 0; i < value.length; i += 1) if (!Number.isFinite(value[i])) return false;
  return true;
}
