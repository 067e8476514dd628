/** What a node says of its own API at /openapi.json, as far as requests are made and answers checked by it. */

export interface DescribedOperation {
  readonly operationId: string;
  /** Upper-case. */
  readonly method: string;
  /** With {parameters}, behind the base path. */
  readonly path: string;
  readonly queryNames: readonly string[];
  readonly headerNames: readonly string[];
  readonly contentType: string | undefined;
  /** A JSON value, or the text of NDJSON lines. */
  readonly example: unknown;
  /** Statuses that are not problems. */
  readonly successes: ReadonlySet<number>;
  /** Codes that it may answer, by status. */
  readonly problems: ReadonlyMap<number, ReadonlySet<string>>;
}

interface Parameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
  readonly example?: string;
}

interface Media {
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, unknown>>;
}

interface Described {
  readonly operationId: string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Media>> }>>;
}

export interface OpenApiDocument {
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly parameters: Readonly<Record<string, Parameter>> };
}

const PROBLEM_TYPE = "application/problem+json";

export class ApiDescription {
  readonly basePath: string;
  readonly operations: readonly DescribedOperation[];
  /** Examples of path parameters by name. */
  readonly pathExamples: Readonly<Record<string, string>>;

  constructor(document: OpenApiDocument) {
    this.basePath = document.servers[0]?.url ?? "";
    const { parameters } = document.components;
    const inPath = Object.values(parameters).filter((parameter) => parameter.in === "path");
    this.pathExamples = Object.fromEntries(inPath.map(({ name, example }) => [name, example ?? "x"]));
    this.operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, described]) => toOperation(path, method, described, parameters)),
    );
  }

  /** The operation that a node takes the request for; undefined when it is none. HEAD is a GET. */
  match(method: string, target: string): DescribedOperation | undefined {
    const path = target.split("?", 1)[0] ?? "";
    const asked = method === "HEAD" ? "GET" : method;
    const candidates = this.operations.filter(
      (operation) => operation.method === asked && this.#pattern(operation).test(path),
    );
    // A fixed part goes before a parameter.
    return candidates.sort((a, b) => countOf(a.path, "{") - countOf(b.path, "{"))[0];
  }

  #pattern({ path }: DescribedOperation): RegExp {
    return new RegExp(`^${this.basePath}${path.replaceAll(/\{\w+\}/g, "[^/]*")}$`);
  }
}

function countOf(text: string, part: string): number {
  return text.split(part).length - 1;
}

function toOperation(
  path: string,
  method: string,
  described: Described,
  shared: Readonly<Record<string, Parameter>>,
): DescribedOperation {
  const parameters = described.parameters.map((parameter) =>
    parameter.$ref === undefined ? parameter : shared[parameter.$ref.split("/").at(-1)!]!,
  );
  const namesIn = (place: string): string[] =>
    parameters.filter((parameter) => parameter.in === place).map((parameter) => parameter.name);
  const [body] = Object.entries(described.requestBody?.content ?? {});
  const problems = new Map<number, ReadonlySet<string>>();
  const successes = new Set<number>();
  for (const [status, { content = {} }] of Object.entries(described.responses)) {
    const codes = content[PROBLEM_TYPE]?.examples;
    if (codes === undefined) successes.add(Number(status));
    else problems.set(Number(status), new Set(Object.keys(codes)));
  }
  return {
    operationId: described.operationId,
    method: method.toUpperCase(),
    path,
    queryNames: namesIn("query"),
    headerNames: namesIn("header"),
    contentType: body?.[0],
    example: body?.[1].example,
    successes,
    problems,
  };
}
