import { describe, expect, it } from "vitest";
import { checkDocument } from "./check-document.js";
import { checkSearch } from "./check-search.js";
import { growFields, parseCollectionPatch, parseCollectionSpec } from "./collection.js";
import { parseBulkLine } from "./document.js";
import { DEFAULT_LIMITS } from "./limits.js";
import { buildOpenApi } from "./openapi.js";
import { EXAMPLE_COLLECTION, EXAMPLES } from "./openapi-examples.js";
import { OPERATIONS } from "./openapi-operations.js";
import { problemSchema } from "./problem.js";
import { isProblemCode, Problem, PROBLEMS } from "./problem-code.js";
import { parseCountRequest, parseSearchRequest, SCORE_MEANING } from "./search.js";

const document = buildOpenApi("0.1.0");
const text = JSON.stringify(document);

function resolve(pointer: string): unknown {
  let value: unknown = document;
  for (const part of pointer.replace("#/", "").split("/")) value = (value as Record<string, unknown>)[part];
  return value;
}

const grown = growFields(
  parseCollectionSpec(
    EXAMPLES.putCollection,
    { replication: { factor: 3, minReplicasForWrite: 2 } },
    { name: EXAMPLE_COLLECTION },
  ),
  parseCollectionPatch(EXAMPLES.patchCollection),
);

describe("the OpenAPI document", () => {
  it("is plain JSON of version 3.1", () => {
    expect(document["openapi"]).toBe("3.1.0");
    expect(JSON.parse(text)).toEqual(document);
  });

  it("has every path of the API", () => {
    const operations = OPERATIONS.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(operations.sort()).toEqual([
      "DELETE /collections/{c}",
      "DELETE /collections/{c}/documents/{id}",
      "GET /collections",
      "GET /collections/{c}",
      "GET /collections/{c}/documents",
      "GET /collections/{c}/documents/{id}",
      "GET /collections/{c}/routing",
      "GET /collections/{c}/shards/{shard}/data-loss",
      "GET /collections/{c}/verify",
      "GET /status",
      "PATCH /collections/{c}",
      "PATCH /collections/{c}/documents/{id}",
      "POST /collections/{c}/bulk",
      "POST /collections/{c}/count",
      "POST /collections/{c}/documents",
      "POST /collections/{c}/search",
      "POST /collections/{c}/shards/{shard}/data-loss",
      "PUT /collections/{c}",
      "PUT /collections/{c}/documents/{id}",
    ]);
    const ids = OPERATIONS.map((operation) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("refers to nothing that is not there", () => {
    const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]!);
    expect(references.length).toBeGreaterThan(100);
    expect(references.filter((reference) => resolve(reference) === undefined)).toEqual([]);
  });

  it("has no schema that nothing refers to", () => {
    const schemas = Object.keys(resolve("#/components/schemas") as object);
    for (const name of schemas) expect(text).toContain(`"#/components/schemas/${name}"`);
  });

  it("documents every problem code, by operation where an operation gives it", () => {
    const documented = new Set(Object.values(OPERATIONS).flatMap((operation) => operation.problems));
    const { description } = document["info"] as { description: string };
    for (const code of Object.keys(PROBLEMS).filter(isProblemCode)) {
      expect(description).toContain(`| ${code} | ${PROBLEMS[code].status} |`);
      expect(problemSchema.safeParse(resolve(`#/components/examples/${code}/value`)).success).toBe(true);
    }
    const undocumented = Object.keys(PROBLEMS)
      .filter(isProblemCode)
      .filter((code) => !documented.has(code));
    // Any operation may give the first three; the others are for what is none of this API's.
    expect(undocumented.sort()).toEqual([
      "clusterNotReady",
      "internalError",
      "methodNotAllowed",
      "notImplemented",
    ]);
  });

  it("puts each problem under its own status", () => {
    const paths = document["paths"] as Record<string, Record<string, { responses: Record<string, unknown> }>>;
    const misplaced = OPERATIONS.flatMap(({ path, method, problems }) =>
      problems.filter((code) => {
        const response = JSON.stringify(paths[path]?.[method]?.responses[PROBLEMS[code].status]);
        return !response.includes(`#/components/examples/${code}`);
      }),
    );
    expect(misplaced).toEqual([]);
  });

  it("says what scores mean where scores are", () => {
    const { description } = (document["paths"] as Record<string, { post: { description: string } }>)[
      "/collections/{c}/search"
    ]!.post;
    expect(description).toContain(SCORE_MEANING);
    expect(JSON.stringify(resolve("#/components/schemas/SearchResponse"))).toContain(SCORE_MEANING);
  });
});

describe("the examples", () => {
  it("define a collection and let it grow", () => {
    expect(grown.violations).toEqual([]);
    expect(grown.spec.fields.map((field) => field.name)).toContain("place");
  });

  it("are documents of that collection", () => {
    const { spec } = grown;
    for (const body of [EXAMPLES.putDocument, EXAMPLES.createDocument, EXAMPLES.patchDocument]) {
      expect(checkDocument(body, spec, DEFAULT_LIMITS)).toMatchObject({ ok: true });
    }
    for (const line of EXAMPLES.bulk) {
      const body = parseBulkLine(line, DEFAULT_LIMITS).document ?? {};
      expect(checkDocument(body, spec, DEFAULT_LIMITS)).toMatchObject({ ok: true });
    }
  });

  it("search and count in that collection", () => {
    const search = parseSearchRequest(EXAMPLES.search, DEFAULT_LIMITS);
    const count = parseCountRequest(EXAMPLES.count, DEFAULT_LIMITS);
    expect(checkSearch(search, grown.spec, DEFAULT_LIMITS)).toEqual([]);
    expect(checkSearch(count, grown.spec, DEFAULT_LIMITS)).toEqual([]);
  });

  it("are refused once one leaf of them is wrong", () => {
    const mutants = [...mutate(EXAMPLES.search)];
    expect(mutants.length).toBeGreaterThan(25);
    expect(mutants.filter(isAccepted)).toEqual([]);
    expect(isAccepted(EXAMPLES.search)).toBe(true);
  });
});

function isAccepted(search: unknown): boolean {
  try {
    return checkSearch(parseSearchRequest(search, DEFAULT_LIMITS), grown.spec, DEFAULT_LIMITS).length === 0;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

/** The value with one leaf replaced by an empty list, which no leaf of a search may be. */
function* mutate(value: unknown): Generator<unknown> {
  if (Array.isArray(value)) {
    const list: readonly unknown[] = value;
    for (const [i, part] of list.entries()) for (const mutant of mutate(part)) yield list.with(i, mutant);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, part] of Object.entries(value))
      for (const mutant of mutate(part)) yield { ...value, [key]: mutant };
  } else {
    yield [];
  }
}
