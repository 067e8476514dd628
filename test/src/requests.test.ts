import { PROBLEMS } from "@prism/api/problem-code";
import { problemSchema } from "@prism/api/problem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiDescription, type DescribedOperation, type OpenApiDocument } from "./api-description.js";
import { ClusterUnderTest } from "./cluster-under-test.js";
import { measureMemory, memoryEnvironment, type NodeMemory } from "./node-memory.js";
import { send, sendCut, type RawAnswer, type RawRequest } from "./raw-request.js";
import { RequestMutator, type MutatedRequest } from "./request-mutator.js";
import { seededRandom } from "./seeded-random.js";
import { makeTestDirectory } from "./test-directory.js";
import { report, SEED, sized } from "./test-size.js";
import { waitUntil } from "./wait-until.js";

/** They fill caches and pools and let heaps grow to their size; memory is compared from there on. */
const WARM_UP_REQUESTS = sized(500, 10_000);
const COMPARED_REQUESTS = sized(1500, 10_000);
const REQUESTS = WARM_UP_REQUESTS + COMPARED_REQUESTS;
const BATCH = 40;
const CONCURRENCY = 8;
const COLLECTION = "speeches";
const JSON_TYPE = { "content-type": "application/json" };
/** What a request that is for no operation may be told. */
const NO_OPERATION = new Set([
  "notFound",
  "collectionNotFound",
  "methodNotAllowed",
  "invalidRequest",
  "limitExceeded",
  "bodyTooLarge",
  "unsupportedMediaType",
]);
/**
 * Errors of the server's side that are so by nature, and rare: time limits and numbers of shards that
 * requests set themselves, levels of consistency that can't be met in them, and shards of a collection that
 * another request deletes at that moment.
 */
const SERVER_SIDE = new Set([
  "timeout",
  "outcomeUnknown",
  "consistencyNotMet",
  "partialResults",
  "shardUnavailable",
]);

type Contents = ReadonlyMap<string, string>;

let directory: Awaited<ReturnType<typeof makeTestDirectory>>;
let cluster: ClusterUnderTest;
let api: ApiDescription;
let urls: string[];

beforeAll(async () => {
  directory = await makeTestDirectory();
  const spec = { nodes: 2, replication: { factor: 1, minReplicasForWrite: 1 } };
  cluster = await ClusterUnderTest.start({ spec, nodeEnv: memoryEnvironment(directory.path) });
  urls = cluster.urls();
  const document = (await (await fetch(`${urls[0]}/openapi.json`)).json()) as OpenApiDocument;
  api = new ApiDescription(document);
  const put = api.operations.find(({ operationId }) => operationId === "putCollection")!;
  await expectStatus(201, "PUT", `/collections/${COLLECTION}`, put.example);
  await cluster.settled();
}, 120_000);
afterAll(async () => {
  await cluster?.close();
  await directory?.remove();
});

async function call(method: string, path: string, body?: unknown, headers = JSON_TYPE): Promise<RawAnswer> {
  const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return send(urls[0]!, { method, target: `${api.basePath}${path}`, headers, body: bytes });
}

async function expectStatus(
  status: number,
  method: string,
  path: string,
  body?: unknown,
): Promise<RawAnswer> {
  const answer = await call(method, path, body);
  expect(answer.status, `${method} ${path.slice(0, 100)}: ${answer.text.slice(0, 500)}`).toBe(status);
  return answer;
}

describe("requests", () => {
  test("as in the API's own examples succeed", async () => {
    const mutator = new RequestMutator(api, seededRandom(SEED), COLLECTION);
    await expectStatus(201, "PUT", `/collections/${COLLECTION}/documents/1901-17`, {
      title: "War and taxes",
    });
    for (const operation of api.operations) {
      const { operationId } = operation;
      const request = mutator.valid(operation);
      // Of what there is: the mutator itself works on ids of its own.
      const needsDocument = ["getDocument", "patchDocument"].includes(operationId);
      const target = needsDocument ? request.target.replace(/[^/]+$/, "1901-17") : request.target;
      const needsCollection = ["patchCollection", "deleteCollection", "getCollection"].includes(operationId);
      if (needsCollection) await call("PUT", target.slice(api.basePath.length), { fields: [] });
      const answer = await send(urls[0]!, { ...request, target });
      // Nothing is lost here, and nothing can be accepted.
      const successes = operationId === "acceptDataLoss" ? [409] : [...operation.successes];
      expect(successes, `${operationId}: ${answer.text.slice(0, 300)}`).toContain(answer.status);
    }
  });

  test("at the edge of what is allowed succeed", async () => {
    const documents = `/collections/${COLLECTION}/documents`;
    const search = `/collections/${COLLECTION}/search`;
    await expectStatus(201, "PUT", `${documents}/${"x".repeat(512)}`, { title: "" });
    await expectStatus(201, "PUT", `${documents}/${encodeURIComponent("é".repeat(256))}`, {
      title: "日本語 \u{1f600}",
    });
    await expectStatus(201, "PUT", `${documents}/numbers`, { year: [-(2 ** 31), 2 ** 31 - 1] });
    await expectStatus(201, "PUT", `${documents}/values`, {
      party: Array.from({ length: 1024 }, (_, i) => `p${i}`),
    });
    await expectStatus(201, "PUT", `${documents}/nothing`, {});
    await expectStatus(201, "PUT", `${documents}/unknown-field`, { ["x".repeat(100)]: { deep: [[[1]]] } });
    await expectStatus(201, "PUT", `${documents}/small`, { embedding: [1e-20, 0, 9e18] });
    await expectStatus(200, "POST", search, { limit: 10_000, offset: 0 });
    await expectStatus(200, "POST", search, { limit: 0, offset: 10_000 });
    await expectStatus(200, "POST", search, {
      queries: [{ text: { query: "x ".repeat(4096), fields: ["title"] } }],
    });
    const clauses = Array.from({ length: 1023 }, () => ({ field: "year", equals: 1 }));
    await expectStatus(200, "POST", search, { filter: { or: clauses } });
    await expectStatus(200, "POST", search, {
      filter: { field: "party", in: Array.from({ length: 10_000 }, String) },
    });
    let deep: unknown = { field: "year", gte: 0 };
    for (let depth = 0; depth < 15; depth += 1) deep = { not: deep };
    await expectStatus(200, "POST", search, { filter: deep });
    const vector = { field: "embedding", values: [1, 0, 0], candidates: 10_000 };
    await expectStatus(200, "POST", search, {
      queries: Array.from({ length: 8 }, () => ({ vector })),
      timeoutMs: 60_000,
    });
    const text = { query: "war", fields: { title: 1_000_000 } };
    await expectStatus(200, "POST", search, {
      queries: [{ text, weight: 1_000_000 }],
      fusion: { rankConstant: 0 },
    });
  });

  test("that are wrong in one place or in many are refused as documented, change nothing and cost no memory", async () => {
    const mutator = new RequestMutator(api, seededRandom(SEED), COLLECTION);
    /** One request for each thing that went wrong. */
    const surprises = new Map<string, string>();
    const codes = new Map<string, number>();
    let before = await readContents();
    let baseline: readonly NodeMemory[] = [];
    for (let sent = 0; sent < REQUESTS; sent += BATCH) {
      if (baseline.length === 0 && sent >= WARM_UP_REQUESTS) baseline = await measureNodes();
      const batch = Array.from({ length: BATCH }, () => mutator.next());
      const answers = await sendAll(batch, sent);
      const allowed = new Set<string>();
      answers.forEach((answer, i) => {
        const request = batch[i]!;
        const wrong = judge(request, answer);
        if (wrong !== undefined) surprises.set(wrong, describeRequest(request));
        for (const name of changedBy(request, answer)) allowed.add(name);
        const code = answer === undefined ? "closed" : (codeOf(answer) ?? `${answer.status}`);
        codes.set(code, (codes.get(code) ?? 0) + 1);
      });
      const after = await readContents();
      const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
        (name) => before.get(name) !== after.get(name) && !isAllowed(name, allowed),
      );
      for (const name of changed) surprises.set(`${name} changed though no request for it succeeded`, "");
      before = after.has(COLLECTION) ? after : await createAgain();
    }
    const memory = await measureNodes();
    const growth = memory.map((now, i) => now.usedBytes / baseline[i]!.usedBytes);
    const rssGrowth = memory.map((now, i) => now.rssBytes / baseline[i]!.rssBytes);
    const held = ({ usedBytes, heapBytes, rssBytes }: NodeMemory): number => usedBytes + rssBytes - heapBytes;
    const heldGrowth = memory.map((now, i) => held(now) / held(baseline[i]!));
    report("requests", {
      requests: REQUESTS,
      codes: Object.fromEntries([...codes].sort((a, b) => b[1] - a[1])),
      growth,
      rssGrowth,
      heldGrowth,
      documents: before.size,
    });
    expect([...surprises].slice(0, 20)).toEqual([]);
    const succeeded = [...codes]
      .filter(([code]) => /^[23]\d\d$/.test(code))
      .reduce((sum, [, count]) => sum + count, 0);
    expect(succeeded / REQUESTS).toBeGreaterThan(0.05);
    expect(succeeded / REQUESTS).toBeLessThan(0.6);
    const serverSide = [...SERVER_SIDE].reduce((sum, code) => sum + (codes.get(code) ?? 0), 0);
    expect(serverSide / REQUESTS).toBeLessThan(0.01);
    for (const factor of growth) expect(factor).toBeLessThan(1.1);
    // What malloc keeps of freed memory comes and goes; and the default size's warm-up ends before the native
    // pools have grown to their size, by some 10 KB a request: there this finds only what loses whole bodies.
    for (const factor of heldGrowth) expect(factor).toBeLessThan(sized(1.4, 1.25));
  });
});

async function sendAll(batch: readonly MutatedRequest[], first: number): Promise<(RawAnswer | undefined)[]> {
  const answers: (RawAnswer | undefined)[] = [];
  const queue = batch.map((request, i) => ({ request, i }));
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const url = urls[(first + next.i) % urls.length]!;
      try {
        answers[next.i] = await sendOne(url, next.request);
      } catch (error) {
        throw new Error(`no whole answer to ${describeRequest(next.request)}`, { cause: error });
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return answers;
}

async function sendOne(url: string, request: RawRequest): Promise<RawAnswer | undefined> {
  return request.cutAfterBytes === undefined ? send(url, request) : sendCut(url, request);
}

/** What is wrong with the answer; undefined: nothing. */
function judge(request: MutatedRequest, answer: RawAnswer | undefined): string | undefined {
  // Whoever sends half a request and goes may find a closed connection.
  if (answer === undefined) return request.cutAfterBytes === undefined ? "no answer" : undefined;
  const operation = api.match(request.method, request.target);
  if (answer.status < 400) return judgeSuccess(request, answer, operation);
  if (request.method === "HEAD") return judgeHeadProblem(request, answer);
  return judgeProblem(answer, operation);
}

function judgeSuccess(
  { method }: MutatedRequest,
  { status }: RawAnswer,
  operation: DescribedOperation | undefined,
): string | undefined {
  if (operation === undefined) return `status ${status} where there is no operation`;
  const isDocumented = method === "HEAD" || operation.successes.has(status) || status === 304;
  return isDocumented ? undefined : `status ${status} is not documented for ${operation.operationId}`;
}

/** HEAD has no body to judge by: its status must be one that GET documents. */
function judgeHeadProblem({ target }: MutatedRequest, { status }: RawAnswer): string | undefined {
  const documented = api.match("GET", target)?.problems.has(status) === true;
  return status < 500 || documented ? undefined : `status ${status} of HEAD`;
}

function judgeProblem(
  { status, headers, text }: RawAnswer,
  operation: DescribedOperation | undefined,
): string | undefined {
  const type = String(headers["content-type"] ?? "");
  if (!type.startsWith("application/problem+json")) return `content type ${type} with status ${status}`;
  const body = problemSchema.safeParse(JSON.parse(text));
  if (!body.success) return `no problem: ${text.slice(0, 200)}`;
  const { code, executed, retryable, detail } = body.data;
  const kind = PROBLEMS[code];
  if (kind.status !== status || body.data.status !== status) return `${code} with status ${status}`;
  if (kind.retryable !== retryable) return `${code} with retryable ${retryable}`;
  if (status < 500 && executed !== "no") return `${code} may have been executed`;
  if (status >= 500 && !SERVER_SIDE.has(code)) return `${status} ${code}: ${detail}`;
  const documented = operation === undefined ? NO_OPERATION : operation.problems.get(status);
  if (documented?.has(code) === true) return undefined;
  return `${status} ${code} is not documented for ${operation?.operationId ?? "no operation"}`;
}

function codeOf(answer: RawAnswer): string | undefined {
  if (answer.status < 400 || answer.text === "") return undefined;
  return (JSON.parse(answer.text) as { readonly code?: string }).code;
}

/** Names, as in Contents, of what a request may have changed. */
function changedBy(request: MutatedRequest, answer: RawAnswer | undefined): string[] {
  const path = request.target.split("?", 1)[0]!.slice(api.basePath.length);
  // Names that there are have no characters to be encoded.
  const collection = /^\/collections\/([^/]+)/.exec(path)?.[1] ?? "";
  const isUnknown =
    answer === undefined ||
    request.cutAfterBytes !== undefined ||
    codeOf(answer) === "outcomeUnknown" ||
    codeOf(answer) === "timeout";
  if (isUnknown) return [`${collection}/*`, collection];
  if (answer.status >= 300 || request.method === "GET" || request.method === "HEAD") return [];
  if (!path.includes("/documents") && !path.endsWith("/bulk")) return [collection, `${collection}/*`];
  if (path.endsWith("/bulk")) {
    const lines = answer.text.split("\n").filter((line) => line !== "");
    const results = lines.map(
      (line) => JSON.parse(line) as { id?: string; result?: string; error?: { executed: string } },
    );
    return results
      .filter((line) => line.result !== undefined || line.error?.executed === "unknown")
      .map((line) => `${collection}/${line.id ?? ""}`);
  }
  return [`${collection}/${(JSON.parse(answer.text) as { readonly id: string }).id}`];
}

function isAllowed(name: string, allowed: ReadonlySet<string>): boolean {
  return allowed.has(name) || allowed.has(`${name.split("/", 1)[0]}/*`);
}

/** Every collection's definition by name, and every document's version by `<collection>/<id>`. */
async function readContents(): Promise<Contents> {
  // A deletion whose request was answered with an unknown outcome may be done between two of these calls.
  return await waitUntil("documents of all listed collections", 30_000, () => tryReadContents());
}

/** Undefined: a collection went after it was listed. */
async function tryReadContents(): Promise<Contents | undefined> {
  const contents = new Map<string, string>();
  const { collections } = JSON.parse((await expectStatus(200, "GET", "/collections")).text) as {
    readonly collections: readonly { readonly name: string }[];
  };
  for (const spec of collections) {
    contents.set(spec.name, JSON.stringify(spec));
    for (let cursor: string | null = ""; cursor !== null;) {
      const at = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const path = `/collections/${spec.name}/documents?limit=1000&include=${at}`;
      const answer = await call("GET", path);
      if (codeOf(answer) === "collectionNotFound") return undefined;
      expect(answer.status, `GET ${path}: ${answer.text}`).toBe(200);
      const page = JSON.parse(answer.text) as {
        readonly documents: readonly { readonly id: string; readonly term: number; readonly seq: number }[];
        readonly cursor: string | null;
      };
      for (const { id, term, seq } of page.documents) contents.set(`${spec.name}/${id}`, `${term}.${seq}`);
      cursor = page.cursor;
    }
  }
  return contents;
}

/** Some of the requests delete the collection, rightly; those that follow would all be told so and no more. */
async function createAgain(): Promise<Contents> {
  const put = api.operations.find(({ operationId }) => operationId === "putCollection")!;
  await expectStatus(201, "PUT", `/collections/${COLLECTION}`, put.example);
  await expectStatus(201, "PUT", `/collections/${COLLECTION}/documents/1901-17`, { title: "War and taxes" });
  return readContents();
}

async function measureNodes(): Promise<NodeMemory[]> {
  const pids = cluster.local.nodeNames().map((name) => cluster.local.node(name).pid!);
  return Promise.all(pids.map((pid) => measureMemory(directory.path, pid)));
}

function describeRequest({ method, target, mutation, body }: MutatedRequest): string {
  return `${method} ${target.slice(0, 120)} [${mutation.slice(0, 200)}] ${body?.toString("utf8", 0, 200) ?? ""}`;
}
