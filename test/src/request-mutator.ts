/**
 * Requests that are nearly right: made from the examples of an API description, each wrong in one
 * place; and others that are wrong in many. Every request is determined by the seed.
 */
import type { ApiDescription, DescribedOperation } from "./api-description.js";
import type { RawRequest } from "./raw-request.js";
import type { SeededRandom } from "./seeded-random.js";

export interface MutatedRequest extends RawRequest {
  /** What was done to it, for messages. */
  readonly mutation: string;
}

interface Draft {
  operation: DescribedOperation;
  method: string;
  path: Record<string, string>;
  query: [string, string][];
  headers: Record<string, string>;
  /** A JSON value; for NDJSON a list of line values. */
  body: unknown;
  hasBody: boolean;
}

/** Stands in a body for text that is no JSON; replaced when the body is written. */
const RAW = "\u0001raw:";

const raw = (text: string): string => `${RAW}${text}`;

const UNICODE = ["\u{1f600}", "\ud800", "\u202e", "\u0000", "e\u0301", "\uffff", "ß", "日本語"];
const NUMBER_TEXTS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "0x10", "01", "+1", "1.", ".5", "-"];
const NUMBERS = [0, -1, 1, 1.5, -0, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, 1e300, 5e-324, 3.5e38, 1e6, 10_001];
const TEXTS = [
  "",
  " ",
  "null",
  "true",
  "0",
  "__proto__",
  "constructor",
  "a".repeat(600),
  "%00",
  "../..",
  "1.1",
  "*",
];
const OTHER_TYPES: readonly unknown[] = [null, true, false, 0, "text", [], {}, [[]], { a: 1 }, [null]];
const METHODS = ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const CONTENT_TYPES = [
  "text/plain",
  "application/xml",
  "application/json; charset=utf-16",
  "application/x-ndjson",
  "application/json",
  "multipart/form-data; boundary=x",
  "",
  "json",
];
const HEADER_VALUES = [
  "",
  "*",
  '"1.1"',
  "1.1",
  '"x"',
  "redirect",
  "a".repeat(300),
  "\u00ff",
  '"',
  "0.0",
  '"9.9"',
];

export class RequestMutator {
  readonly #api: ApiDescription;
  readonly #random: SeededRandom;
  readonly #collection: string;
  #made = 0;

  /** @param collection what requests name; examples of another collection's name are replaced */
  constructor(api: ApiDescription, random: SeededRandom, collection: string) {
    this.#api = api;
    this.#random = random;
    this.#collection = collection;
  }

  /** Every second request is valid but for one place. */
  next(): MutatedRequest {
    this.#made += 1;
    const operation = this.#random.pick(this.#api.operations);
    const draft = this.#draftOf(operation);
    return this.#made % 2 === 0 ? this.#mutateOnce(draft) : this.#mutateOften(draft);
  }

  /** The operation's example, unchanged. */
  valid(operation: DescribedOperation): MutatedRequest {
    this.#made += 1;
    return write(this.#draftOf(operation), this.#api.basePath, `${operation.operationId} as in its example`);
  }

  #draftOf(operation: DescribedOperation): Draft {
    const isCollectionWrite = operation.path === "/collections/{c}" && operation.method !== "GET";
    // What changes a collection gets one of its own, or the next request would miss it.
    const name = isCollectionWrite ? `${this.#collection}-${this.#random.integer(0, 9)}` : this.#collection;
    const { example } = operation;
    const isLines = operation.contentType?.includes("ndjson") === true;
    const parsed =
      isLines && typeof example === "string"
        ? example
            .split("\n")
            .filter((line) => line !== "")
            .map((line) => JSON.parse(line) as unknown)
        : structuredClone(example);
    const headers: Record<string, string> = {};
    if (operation.contentType !== undefined) headers["content-type"] = operation.contentType;
    return {
      operation,
      method: operation.method,
      path: { ...this.#api.pathExamples, c: name, id: `m-${this.#made}` },
      query: [],
      headers,
      body: isLines ? withOwnIds(parsed, this.#made) : parsed,
      hasBody: example !== undefined,
    };
  }

  // ---------------------------------------------------------------- one place

  #mutateOnce(draft: Draft): MutatedRequest {
    const random = this.#random;
    const places = ["query", "header", "path"];
    // Most of what can be wrong is in bodies.
    if (draft.hasBody) places.push("body", "body", "body", "body", "body", "body");
    const place = random.pick(places);
    const what =
      place === "body"
        ? this.#mutateBody(draft)
        : place === "query"
          ? this.#mutateQuery(draft)
          : place === "header"
            ? this.#mutateHeader(draft)
            : this.#mutatePath(draft);
    return write(draft, this.#api.basePath, `${draft.operation.operationId}: ${what}`);
  }

  #mutateBody(draft: Draft): string {
    const places = placesOf(draft.body);
    const place = this.#random.pick(places);
    const before = valueAt(draft.body, place);
    const [name, after] = this.#mutateValue(before);
    draft.body = replaceAt(draft.body, place, after);
    return `${name} at /${place.join("/")}`;
  }

  #mutateValue(value: unknown): readonly [string, unknown] {
    const random = this.#random;
    const common: (readonly [string, () => unknown])[] = [
      ["another type", () => random.pick(OTHER_TYPES)],
      ["a number's text", () => raw(random.pick(NUMBER_TEXTS))],
      ["deep nesting", () => raw(nested(random.integer(20, 3000)))],
      ["a huge text", () => "x".repeat(random.integer(10_000, 200_000))],
    ];
    if (typeof value === "number") {
      common.push(["a bound", () => random.pick(NUMBERS)], ["a bound", () => random.pick(NUMBERS)]);
      common.push(["a number's text", () => raw(random.pick(NUMBER_TEXTS))]);
    } else if (typeof value === "string") {
      common.push(["another text", () => random.pick(TEXTS)], ["another text", () => `${value}x`]);
      common.push(
        ["unicode", () => `${value}${random.pick(UNICODE)}`],
        ["unicode", () => random.pick(UNICODE)],
      );
      common.push(["another case", () => value.toUpperCase()]);
    } else if (Array.isArray(value)) {
      common.push(["an empty list", () => []], ["a list twice", () => [...value, ...(value as unknown[])]]);
      common.push(["a shorter list", () => value.slice(1)]);
      common.push([
        "a long list",
        () => Array.from({ length: random.integer(1000, 12_000) }, () => value[0] ?? 0),
      ]);
    } else if (typeof value === "object" && value !== null) {
      const entries = Object.entries(value);
      common.push([
        "an unknown key",
        () => ({ ...value, [random.pick(["unknwon", "__proto__", "", "a b"])]: 1 }),
      ]);
      common.push(
        ["a missing key", () => Object.fromEntries(entries.slice(1))],
        ["an empty object", () => ({})],
      );
      common.push(["a key twice", () => raw(twice(value))]);
    }
    const [name, make] = random.pick(common);
    return [name, make()];
  }

  #mutateQuery(draft: Draft): string {
    const random = this.#random;
    const name = random.pick([
      ...draft.operation.queryNames,
      ...draft.operation.queryNames,
      "unknown",
      "limit",
    ]);
    const numbers = ["0", "-1", "1", "1.5", "1e3", "999999999999", "NaN", ""];
    const value = random.pick([...TEXTS, ...numbers, ...numbers, "a,b", "title", "zzzz"]);
    draft.query.push([name, value]);
    if (random.chance(0.1)) draft.query.push([name, value]);
    return `query ${name}=${value.slice(0, 20)}`;
  }

  #mutateHeader(draft: Draft): string {
    const random = this.#random;
    const { headerNames } = draft.operation;
    const name = random
      .pick([...headerNames, ...headerNames, "content-type", "x-request-id", "accept"])
      .toLowerCase();
    const value = random.pick(name === "content-type" ? CONTENT_TYPES : HEADER_VALUES);
    draft.headers[name] = value;
    return `header ${name}: ${value.slice(0, 20)}`;
  }

  #mutatePath(draft: Draft): string {
    const random = this.#random;
    const name = random.pick(draft.operation.path.includes("{id}") ? ["c", "id"] : ["c"]);
    const value = random.pick([...TEXTS, ...UNICODE, "nope", "%", "%ff", "a/b", "a".repeat(5000), "-x", "é"]);
    draft.path[name] = value;
    return `path ${name}=${value.slice(0, 20)}`;
  }

  // ---------------------------------------------------------------- many places

  #mutateOften(draft: Draft): MutatedRequest {
    const random = this.#random;
    const done: string[] = [];
    const steps = random.integer(2, 4);
    for (let step = 0; step < steps; step += 1) {
      const way = random.integer(0, 6);
      if (way === 0) {
        draft.method = random.pick(METHODS);
        done.push(`method ${draft.method}`);
      } else if (way <= 2 && draft.hasBody) done.push(this.#mutateBody(draft));
      else if (way === 3) done.push(this.#mutateQuery(draft));
      else if (way === 4) done.push(this.#mutateHeader(draft));
      else if (way === 5) done.push(this.#mutatePath(draft));
      else done.push(this.#swapBody(draft));
    }
    const written = write(draft, this.#api.basePath, `${draft.operation.operationId}: ${done.join(", ")}`);
    return this.#damage(written);
  }

  #swapBody(draft: Draft): string {
    const other = this.#random.pick(this.#api.operations.filter(({ example }) => example !== undefined));
    draft.body = structuredClone(other.example);
    draft.hasBody = true;
    return `the body of ${other.operationId}`;
  }

  /** At times the bytes themselves: cut off, turned, or sent only in part. */
  #damage(request: MutatedRequest): MutatedRequest {
    const random = this.#random;
    const { body, mutation } = request;
    if (random.chance(0.05)) {
      const target = `/api/v1/${random.pick(["", "collections/", "x", "status/x", "collections/a/b/c/d"])}`;
      return { ...request, target, mutation: `${mutation}, path ${target}` };
    }
    if (body === undefined || body.length === 0 || random.chance(0.7)) return request;
    const at = random.integer(0, body.length - 1);
    const way = random.integer(0, 2);
    if (way === 0)
      return { ...request, body: body.subarray(0, at), mutation: `${mutation}, body of ${at} bytes` };
    if (way === 1) return { ...request, cutAfterBytes: at, mutation: `${mutation}, cut after ${at} bytes` };
    const turned = Buffer.from(body);
    turned[at] = turned[at]! ^ (1 << random.integer(0, 7));
    return { ...request, body: turned, mutation: `${mutation}, a bit turned at ${at}` };
  }
}

/** Ids that no other request has, so that it is known which request wrote what. */
function withOwnIds(lines: unknown, number: number): unknown {
  if (!Array.isArray(lines)) return lines;
  return lines.map((line: Readonly<Record<string, unknown>>, at) => ({
    ...line,
    id: `m-${number}-${at}`,
    opId: `m-${number}-${at}`,
  }));
}

type Place = readonly (string | number)[];

/** Every place of a value, containers included. */
function placesOf(value: unknown, at: Place = []): Place[] {
  if (typeof value !== "object" || value === null) return [at];
  const inside = Object.entries(value).flatMap(([key, child]) =>
    placesOf(child, [...at, Array.isArray(value) ? Number(key) : key]),
  );
  return [at, ...inside];
}

function valueAt(value: unknown, place: Place): unknown {
  let at = value;
  for (const key of place) at = (at as Readonly<Record<string | number, unknown>>)[key];
  return at;
}

function replaceAt(value: unknown, [key, ...rest]: Place, after: unknown): unknown {
  if (key === undefined) return after;
  if (Array.isArray(value))
    return value.map((child: unknown, i) => (i === key ? replaceAt(child, rest, after) : child));
  const object = value as Readonly<Record<string, unknown>>;
  return { ...object, [key]: replaceAt(object[key], rest, after) };
}

function nested(depth: number): string {
  return `${"[".repeat(depth)}${"]".repeat(depth)}`;
}

function twice(value: object): string {
  const inside = JSON.stringify(value).slice(1, -1);
  return inside === "" ? '{"a":1,"a":2}' : `{${inside},${inside}}`;
}

function write(draft: Draft, basePath: string, mutation: string): MutatedRequest {
  const { method, headers, query, body, hasBody, operation } = draft;
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodePart(draft.path[name] ?? ""),
  );
  const pairs = query.map(([name, value]) => `${encodePart(name)}=${encodePart(value)}`);
  const target = `${basePath}${path}${pairs.length === 0 ? "" : `?${pairs.join("&")}`}`;
  const isLines = operation.contentType?.includes("ndjson") === true && Array.isArray(body);
  const text = isLines ? body.map((line) => `${toText(line)}\n`).join("") : toText(body);
  return { method, target, headers, body: hasBody ? Buffer.from(text) : undefined, mutation };
}

/** Percent signs are left as they are: wrong encodings are part of the game. */
function encodePart(text: string): string {
  const wellFormed = Buffer.from(text).toString();
  return encodeURIComponent(wellFormed).replaceAll("%25", "%");
}

function toText(value: unknown): string {
  const text = JSON.stringify(value) ?? "";
  return text.replaceAll(
    /"\\u0001raw:((?:[^"\\]|\\.)*)"/g,
    (_, inside: string) => JSON.parse(`"${inside}"`) as string,
  );
}
