/** The OpenAPI 3.1 document, made from the operations table and the zod schemas. */
import * as z from "zod";
import { EXAMPLE_COLLECTION, EXAMPLE_ID } from "./openapi-examples.js";
import { COMMON_PROBLEMS, OPERATIONS } from "./openapi-operations.js";
import type { HeaderName, Operation } from "./openapi-operations.js";
import { buildSchemas, schemaRef } from "./openapi-schemas.js";
import type { JsonSchema } from "./openapi-schemas.js";
import { PROBLEM_MEDIA_TYPE, toProblemBody } from "./problem.js";
import { isProblemCode, Problem, PROBLEMS } from "./problem-code.js";
import type { ProblemCode, ProblemKind } from "./problem-code.js";

const BASE_PATH = "/api/v1";

const HEADERS: Readonly<Record<HeaderName, JsonSchema>> = {
  idempotencyKey: header(
    "Idempotency-Key",
    "The operation's id, chosen by the client and at most 256 bytes long: a retry under it is applied at most once.",
  ),
  ifMatch: header("If-Match", 'Only if the document has this version: its ETag, "<term>.<seq>".'),
  ifNoneMatch: header("If-None-Match", "* : only if there is no such document."),
  misdirected: header(
    "Prism-Misdirected",
    "redirect: a node that is not the primary answers 307 with the primary's URL instead of forwarding.",
  ),
};

/** Of every operation. */
const PROGRESS = header(
  "Prism-Progress",
  "Milliseconds from 20 to 60,000: while the answer is owed, an interim answer 102 comes each so often, and an empty " +
    "line in an NDJSON answer that has begun. So a client tells a node that is gone from one that takes long. 0: one at once.",
);

function header(name: string, description: string): JsonSchema {
  return { name, in: "header", required: false, description, schema: { type: "string" } };
}

const PATH_PARAMETERS: Readonly<Record<string, JsonSchema>> = {
  c: {
    name: "c",
    in: "path",
    required: true,
    description: "Name of the collection.",
    schema: { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$" },
    example: EXAMPLE_COLLECTION,
  },
  shard: {
    name: "shard",
    in: "path",
    required: true,
    description: "Number of the shard, from 0.",
    schema: { type: "string", pattern: "^[0-9]{1,4}$" },
    example: "0",
  },
  id: {
    name: "id",
    in: "path",
    required: true,
    description: "Id of the document: 1 to 512 bytes of UTF-8 without control characters, percent-encoded.",
    schema: { type: "string", minLength: 1 },
    example: EXAMPLE_ID,
  },
};

function parametersOf(operation: Operation): JsonSchema[] {
  const inPath = [...operation.path.matchAll(/\{(\w+)\}/g)].map((match) => ({
    $ref: `#/components/parameters/${match[1]!}`,
  }));
  const inHeaders = (operation.headers ?? []).map((name) => ({ $ref: `#/components/parameters/${name}` }));
  const inAll = { $ref: "#/components/parameters/progress" };
  return [...inPath, ...queryParameters(operation.query), ...inHeaders, inAll];
}

function queryParameters(query: z.ZodObject | undefined): JsonSchema[] {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(query, { io: "input" });
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...schema } = typeof property === "object" ? property : {};
    return { name, in: "query", required: required.includes(name), description, schema };
  });
}

function requestBodyOf({ body }: Operation): JsonSchema | undefined {
  if (body === undefined) return undefined;
  const content =
    body.lines === true
      ? { "application/x-ndjson": { schema: schemaRef(body.schema), example: toLines(body.example) } }
      : { "application/json": { schema: schemaRef(body.schema), example: body.example } };
  return { required: true, content };
}

function toLines(example: unknown): string {
  const lines: readonly unknown[] = Array.isArray(example) ? example : [example];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

function responsesOf(operation: Operation): JsonSchema {
  const responses: Record<string, JsonSchema> = {};
  for (const [status, { text, schema }] of Object.entries(operation.answers)) {
    const content =
      typeof schema === "string"
        ? { "application/json": { schema: schemaRef(schema) } }
        : { "application/x-ndjson": { schema: { anyOf: schema.map(schemaRef) } } };
    const written = schema === "WriteResponse" || schema === "DocumentResponse";
    const etag = { ETag: { description: 'The version, "<term>.<seq>".', schema: { type: "string" } } };
    responses[status] = { description: text, ...(written ? { headers: etag } : {}), content };
  }
  if (operation.headers?.includes("misdirected") === true) {
    const location = {
      Location: { description: "The same request at the primary.", schema: { type: "string" } },
    };
    responses["307"] = { description: "Only with Prism-Misdirected: redirect.", headers: location };
  }
  return { ...responses, ...problemResponses([...operation.problems, ...COMMON_PROBLEMS]) };
}

/** One response per status: it names its codes and has an example of each. */
function problemResponses(codes: readonly ProblemCode[]): Record<string, JsonSchema> {
  const statuses = new Set(codes.map((code) => PROBLEMS[code].status));
  const responses = [...statuses].map((status) => {
    const sameStatus = [...new Set(codes)].filter((code) => PROBLEMS[code].status === status);
    const description = sameStatus.map((code) => `${code}: ${PROBLEMS[code].title}.`).join(" ");
    const examples = Object.fromEntries(
      sameStatus.map((code) => [code, { $ref: `#/components/examples/${code}` }]),
    );
    const content = { [PROBLEM_MEDIA_TYPE]: { schema: schemaRef("Problem"), examples } };
    const retryAfter = { "Retry-After": { description: "Seconds to wait.", schema: { type: "integer" } } };
    const retryable = sameStatus.some((code) => PROBLEMS[code].retryable);
    return [String(status), { description, ...(retryable ? { headers: retryAfter } : {}), content }] as const;
  });
  return Object.fromEntries(responses);
}

function exampleProblem(code: ProblemCode): JsonSchema {
  const value = toProblemBody(
    new Problem(code, PROBLEMS[code].title),
    "018f3a52-7c1e-7d10-9a51-3f0e6f6f2b11",
  );
  return { summary: PROBLEMS[code].title, value };
}

function describeProblems(): string {
  const rows = Object.entries(PROBLEMS).map(([code, kind]: [string, ProblemKind]) => {
    const retry = kind.retryable ? "yes" : "no";
    return `| ${code} | ${kind.status} | ${retry} | ${kind.executed} | ${kind.title}. ${kind.fix} |`;
  });
  return [
    "Prism: vector, full-text and hybrid search over replicated shards.",
    "",
    "Every error is application/problem+json (RFC 9457) with one of these codes. `executed` says whether the",
    "operation may have run; after `unknown`, retry under the same Idempotency-Key.",
    "",
    "| code | status | retry may help | executed | meaning |",
    "|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

/** @param version of the server, as in PrismCluster `spec.version` */
export function buildOpenApi(version: string): JsonSchema {
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const operation of OPERATIONS) {
    const { operationId, summary, description } = operation;
    const requestBody = requestBodyOf(operation);
    (paths[operation.path] ??= {})[operation.method] = {
      operationId,
      summary,
      ...(description === undefined ? {} : { description }),
      parameters: parametersOf(operation),
      ...(requestBody === undefined ? {} : { requestBody }),
      responses: responsesOf(operation),
    };
  }
  const codes = Object.keys(PROBLEMS).filter(isProblemCode);
  const examples = Object.fromEntries(codes.map((code) => [code, exampleProblem(code)]));
  const parameters = { ...PATH_PARAMETERS, ...HEADERS, progress: PROGRESS };
  return {
    openapi: "3.1.0",
    info: {
      title: "Prism",
      version,
      description: describeProblems(),
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: BASE_PATH }],
    paths,
    components: { schemas: buildSchemas(), parameters, examples },
  };
}
