import type { FastifyInstance, LightMyRequestResponse } from "fastify";
import { afterEach, describe, expect, it, vi } from "vitest";
import { documentResponseSchema, scanResponseSchema, writeResponseSchema } from "@prism/api/document";
import { DEFAULT_LIMITS, type Limits } from "@prism/api/limits";
import { OPERATIONS } from "@prism/api/openapi-operations";
import { problemSchema } from "@prism/api/problem";
import { isProblemCode, Problem, PROBLEMS } from "@prism/api/problem-code";
import { countResponseSchema, searchResponseSchema } from "@prism/api/search";
import { routingResponseSchema } from "@prism/api/routing";
import { encodeSession } from "@prism/api/session";
import { statusResponseSchema } from "@prism/api/status";
import type { NodeId } from "../../domain/cluster-map.js";
import type { CollectionOutcome, ControlPlane } from "../../services/control-plane.js";
import { createCoordinator } from "../../services/coordinator.js";
import { CurrentMap } from "../../services/current-map.js";
import { ShardProblem } from "../../services/shard-calls.js";
import { FakeCluster, fakeMap, type FakeMapOptions } from "../../testing/fake-cluster.js";
import { buildHttpServer } from "./http-server.js";

/** Puts what it is asked for into the map, as the control plane would. */
class FakeControlPlane implements ControlPlane {
  readonly #cluster: FakeCluster;
  connected = true;

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster;
  }

  async requestCollection(action: string, name: string, spec: unknown): Promise<CollectionOutcome> {
    if (!this.connected) throw new Problem("controlPlaneUnavailable", "away");
    await Promise.resolve();
    if (action === "create") {
      const made = fakeMap({ collections: [spec as { name: string }] });
      this.#cluster.change((map) => ({
        collections: [...map.collections, ...made.collections],
        shards: [...map.shards, ...made.shards],
      }));
      return { result: "created", spec };
    }
    if (action === "delete") {
      this.#cluster.change((map) => ({ collections: map.collections.filter((one) => one.name !== name) }));
      return { result: "deleted", spec: undefined };
    }
    const patch = spec as { fields: [] };
    this.#cluster.change((map) => ({
      collections: map.collections.map((one) =>
        one.name === name
          ? { ...one, spec: { ...one.spec, fields: [...one.spec.fields, ...patch.fields] } }
          : one,
      ),
    }));
    return { result: "updated", spec };
  }

  status(): unknown {
    return undefined;
  }

  isConnected(): boolean {
    return this.connected;
  }
}

interface Started {
  readonly app: FastifyInstance;
  readonly cluster: FakeCluster;
  readonly controlPlane: FakeControlPlane;
  readonly reported: unknown[];
}

const apps: FastifyInstance[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

function start(options: FakeMapOptions & { limits?: Partial<Limits>; self?: string } = {}): Started {
  const cluster = new FakeCluster(options.self ?? "n1", fakeMap(options));
  const controlPlane = new FakeControlPlane(cluster);
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const reported: unknown[] = [];
  const coordinator = createCoordinator({ view: cluster.view, calls: cluster, controlPlane, limits });
  const app = buildHttpServer({
    coordinator,
    limits,
    version: "0.1.0",
    report: (message, fields) => reported.push({ message, fields }),
  });
  apps.push(app);
  return { app, cluster, controlPlane, reported };
}

const DOCUMENTS = "/api/v1/collections/speeches/documents";
const SEARCH = "/api/v1/collections/speeches/search";
const BULK = "/api/v1/collections/speeches/bulk";
const NDJSON = { "content-type": "application/x-ndjson" };

function expectProblem(
  response: LightMyRequestResponse,
  code: string,
): ReturnType<typeof problemSchema.parse> {
  expect(response.headers["content-type"]).toBe("application/problem+json");
  const problem = problemSchema.parse(response.json());
  expect(problem.code).toBe(code);
  if (!isProblemCode(code)) throw new Error(`${code} is no problem code`);
  expect(response.statusCode).toBe(PROBLEMS[code].status);
  expect(problem.fix).toBe(PROBLEMS[code].fix);
  expect(problem.requestId).toBe(response.headers["x-request-id"]);
  return problem;
}

function lines(response: LightMyRequestResponse): Record<string, unknown>[] {
  return response.body
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("collections over HTTP", () => {
  it("creates a collection whose first write succeeds, answers an equal PUT with 200 and another with its differences", async () => {
    const { app } = start({ collections: [] });
    const payload = { shards: 2, fields: [{ name: "title", type: "text" }] };
    const url = "/api/v1/collections/books";
    const created = await app.inject({ method: "PUT", url, payload });
    expect(created.statusCode).toBe(201);
    expect(created.json()).toMatchObject({ name: "books", shards: 2, deletionProtection: false });
    const written = await app.inject({ method: "PUT", url: `${url}/documents/1`, payload: { title: "a" } });
    expect(written.statusCode).toBe(201);
    expect((await app.inject({ method: "PUT", url, payload })).statusCode).toBe(200);
    const differs = await app.inject({ method: "PUT", url, payload: { ...payload, shards: 4 } });
    expect(expectProblem(differs, "collectionDiffers").errors.map((one) => one.pointer)).toEqual(["/shards"]);
    expect((await app.inject({ url: "/api/v1/collections" })).json()).toMatchObject({
      collections: [{ name: "books" }],
    });
  });

  it("adds fields by PATCH and shows them in the answer", async () => {
    const { app } = start();
    const url = "/api/v1/collections/speeches";
    const payload = { fields: [{ name: "place", type: "keyword" }] };
    const patched = await app.inject({ method: "PATCH", url, payload });
    expect(patched.statusCode).toBe(200);
    expect(patched.json<{ fields: { name: string }[] }>().fields.at(-1)?.name).toBe("place");
    const changed = await app.inject({
      method: "PATCH",
      url,
      payload: { fields: [{ name: "year", type: "keyword" }] },
    });
    expect(expectProblem(changed, "collectionDiffers").errors[0]?.pointer).toBe("/fields/0/type");
  });

  it("deletes a collection, and refuses while it is protected", async () => {
    const { app } = start({ collections: [{ name: "kept", deletionProtection: true }, { name: "gone" }] });
    expectProblem(
      await app.inject({ method: "DELETE", url: "/api/v1/collections/kept" }),
      "deletionProtected",
    );
    const deleted = await app.inject({ method: "DELETE", url: "/api/v1/collections/gone" });
    expect(deleted.json()).toEqual({ name: "gone", result: "deleted" });
    expectProblem(await app.inject({ url: "/api/v1/collections/gone" }), "collectionNotFound");
  });

  it("says that the control plane is away, and goes on serving documents", async () => {
    const { app, controlPlane } = start();
    controlPlane.connected = false;
    const put = await app.inject({ method: "PUT", url: "/api/v1/collections/new", payload: {} });
    expectProblem(put, "controlPlaneUnavailable");
    expect(put.headers["retry-after"]).toBe("1");
    const written = await app.inject({ method: "PUT", url: `${DOCUMENTS}/1`, payload: { title: "x" } });
    expect(written.statusCode).toBe(201);
    expect(statusResponseSchema.parse((await app.inject({ url: "/api/v1/status" })).json())).toMatchObject({
      status: "unknown",
      controlPlane: "away",
      shardCount: 3,
    });
  });

  it("answers routing from which a client finds each shard's primary", async () => {
    const { app } = start({ nodes: ["n1", "n2", "n3"], factor: 2 });
    const routing = routingResponseSchema.parse(
      (await app.inject({ url: "/api/v1/collections/speeches/routing" })).json(),
    );
    expect(routing.ring).toEqual({ algorithm: "xxh32-ring-64", virtualNodes: 64 });
    expect(routing.shards.map((shard) => shard.primary?.httpUrl)).toEqual([
      "http://n1.test:3080",
      "http://n2.test:3080",
      "http://n3.test:3080",
    ]);
    expect(routing.shards[0]?.copies.map((copy) => copy.state)).toEqual(["inSync", "inSync"]);
  });
});

describe("documents over HTTP", () => {
  it("writes, reads, replaces, merges and deletes a document under its version", async () => {
    const { app } = start();
    const url = `${DOCUMENTS}/1901-17`;
    const created = await app.inject({ method: "PUT", url, payload: { title: "War", year: 1901 } });
    expect(created.statusCode).toBe(201);
    expect(writeResponseSchema.parse(created.json()).result).toBe("created");
    const read = await app.inject({ url });
    expect(documentResponseSchema.parse(read.json()).fields).toEqual({ title: "War", year: 1901 });
    expect(read.headers.etag).toBe(created.headers.etag);
    const known = { "if-none-match": String(read.headers.etag) };
    expect((await app.inject({ url, headers: known })).statusCode).toBe(304);
    const patched = await app.inject({
      method: "PATCH",
      url,
      payload: { year: 1902 },
      headers: { "if-match": String(read.headers.etag) },
    });
    expect(patched.json()).toMatchObject({ result: "updated" });
    const stale = { "if-match": String(read.headers.etag) };
    expectProblem(await app.inject({ method: "PUT", url, payload: {}, headers: stale }), "versionConflict");
    const fresh = { "if-none-match": "*" };
    expectProblem(await app.inject({ method: "PUT", url, payload: {}, headers: fresh }), "documentExists");
    expect((await app.inject({ method: "DELETE", url })).json()).toMatchObject({ result: "deleted" });
    expectProblem(await app.inject({ url }), "documentNotFound");
  });

  it("takes ids of any characters, percent-encoded, and keeps the document's bytes as they came", async () => {
    const { app } = start();
    for (const id of ["a/b c?d", "naïve", "🦀", "%", "x".repeat(512)]) {
      const url = `${DOCUMENTS}/${encodeURIComponent(id)}`;
      const written = await app.inject({ method: "PUT", url, payload: { title: id } });
      expect(written.json(), id).toMatchObject({ id, result: "created" });
      expect((await app.inject({ url })).json(), id).toMatchObject({ id, fields: { title: id } });
    }
  });

  it("makes an id for POST, the same one when the request is repeated under its key", async () => {
    const { app } = start();
    const first = await app.inject({ method: "POST", url: DOCUMENTS, payload: { title: "a" } });
    expect(first.statusCode).toBe(201);
    expect(first.json<{ id: string }>().id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    const request = {
      method: "POST" as const,
      url: DOCUMENTS,
      payload: { title: "b" },
      headers: { "idempotency-key": "key-1" },
    };
    const once = await app.inject(request);
    const again = await app.inject(request);
    expect(again.json()).toEqual(once.json());
    expectProblem(
      await app.inject({ method: "POST", url: DOCUMENTS, payload: { id: "mine" } }),
      "invalidRequest",
    );
  });

  it("redirects to the primary's node when the client asks for that, and forwards otherwise", async () => {
    const { app, cluster } = start({ nodes: ["n1", "n2", "n3"], factor: 2 });
    const shards = new Set<number>();
    for (let i = 0; i < 30; i += 1) {
      const path = `${DOCUMENTS}/${i}?timeoutMs=2000`;
      const request = { method: "PUT", url: path, payload: { title: "x" } } as const;
      const redirect = { "prism-misdirected": "redirect" };
      const redirected = await app.inject({ ...request, headers: redirect });
      const { shard } = (await app.inject(request)).json<{ shard: number }>();
      const elsewhere = `http://n${shard + 1}.test:3080${path}`;
      expect([redirected.statusCode, redirected.headers.location]).toEqual(
        shard === 0 ? [201, undefined] : [307, elsewhere],
      );
      shards.add(shard);
    }
    expect([...shards].sort((a, b) => a - b)).toEqual([0, 1, 2]);
    expect(cluster.stores.size).toBe(3);
  });

  it("pages through all documents of all shards in the order of their ids", async () => {
    const { app } = start();
    const ids = Array.from({ length: 57 }, (_, i) => `doc-${String(i).padStart(3, "0")}`);
    for (const id of ids)
      await app.inject({ method: "PUT", url: `${DOCUMENTS}/${id}`, payload: { title: id } });
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query = cursor === null ? "" : `&cursor=${cursor}`;
      const page = scanResponseSchema.parse(
        (await app.inject({ url: `${DOCUMENTS}?limit=10${query}` })).json(),
      );
      expect(page.documents.length).toBeLessThanOrEqual(10);
      seen.push(...page.documents.map((one) => one.id));
      cursor = page.cursor;
    } while (cursor !== null);
    expect(seen).toEqual(ids);
    expectProblem(await app.inject({ url: `${DOCUMENTS}?cursor=nonsense` }), "invalidRequest");
  });
});

describe("bulk over HTTP", () => {
  it("answers in the order of the lines, bad lines alone with their numbers, and sums up last", async () => {
    const { app } = start();
    const payload = [
      '{"id":"a","document":{"title":"one"}}',
      "{broken",
      "",
      '{"id":"b","document":{"title":"two"}}',
      '{"action":"patch","id":"missing","document":{}}',
      '{"action":"delete","id":"a"}',
      '{"id":"c"}',
    ].join("\n");
    const response = await app.inject({ method: "POST", url: BULK, payload, headers: NDJSON });
    expect(response.statusCode).toBe(200);
    const answers = lines(response);
    expect(answers.map((one) => one["line"])).toEqual([1, 2, 4, 5, 6, 7, undefined]);
    expect(answers.map((one) => one["status"])).toEqual([201, 400, 201, 404, 200, 400, undefined]);
    expect(answers[1]).toMatchObject({ error: { code: "invalidJson", executed: "no" } });
    expect(answers[5]).toMatchObject({ error: { code: "invalidRequest" } });
    expect(answers[6]).toMatchObject({ summary: { lines: 6, succeeded: 3, failed: 3 } });
  });

  it("keeps thousands of lines in order, and later writes of a document after earlier ones", async () => {
    const { app, cluster } = start();
    const count = 9000;
    const payload = Array.from(
      { length: count },
      (_, i) => `{"id":"d${i % 700}","document":{"title":"version ${i}"}}`,
    ).join("\n");
    const response = await app.inject({ method: "POST", url: BULK, payload, headers: NDJSON });
    const answers = lines(response);
    expect(answers).toHaveLength(count + 1);
    expect(answers.slice(0, -1).every((one, i) => one["line"] === i + 1 && one["error"] === undefined)).toBe(
      true,
    );
    const stored = [...cluster.stores.values()].flatMap((store) => [...store.documents]);
    expect(stored).toHaveLength(700);
    for (const [id, { fields }] of stored) {
      const last = Array.from({ length: count }, (_, i) => i).findLast((i) => `d${i % 700}` === id);
      expect(fields["title"]).toBe(`version ${last}`);
    }
  });

  it("refuses a line that is too long alone, and stops where the body is too large", async () => {
    const { app } = start({ limits: { bulkLineBytes: 100, bulkBytes: 400 } });
    const long = `{"id":"long","document":{"title":"${"x".repeat(200)}"}}`;
    const short = (id: string): string => `{"id":"${id}","document":{"title":"ok"}}`;
    const fine = await app.inject({
      method: "POST",
      url: BULK,
      payload: [short("a"), long, short("b")].join("\n"),
      headers: NDJSON,
    });
    expect(lines(fine).map((one) => one["status"])).toEqual([201, 400, 201, undefined]);
    expect(lines(fine)[1]).toMatchObject({ line: 2, error: { code: "limitExceeded" } });
    const tooLarge = await app.inject({
      method: "POST",
      url: BULK,
      payload: Array.from({ length: 20 }, (_, i) => short(String(i))).join("\n"),
      headers: NDJSON,
    });
    expect(lines(tooLarge).at(-2)).toMatchObject({ error: { code: "bodyTooLarge" } });
  });

  it("takes NDJSON alone", async () => {
    const { app } = start();
    const payload = { id: "a", document: {} };
    expectProblem(await app.inject({ method: "POST", url: BULK, payload }), "unsupportedMediaType");
  });
});

describe("search over HTTP", () => {
  const payload = {
    queries: [{ text: { query: "war taxes", fields: ["title"] } }],
    aggregations: { byParty: { terms: { field: "party" } } },
    limit: 5,
  };

  async function fill(app: FastifyInstance): Promise<void> {
    for (let i = 0; i < 12; i += 1) {
      const title = i % 2 === 0 ? "war and taxes" : "war alone";
      const document = { title, party: i < 4 ? "Whig" : "Republican", embedding: [i, 1] };
      await app.inject({ method: "PUT", url: `${DOCUMENTS}/${i}`, payload: document });
    }
  }

  it("merges the shards' hits, totals and aggregations into one answer of the published form", async () => {
    const { app } = start();
    await fill(app);
    const response = await app.inject({ method: "POST", url: SEARCH, payload });
    expect(response.statusCode).toBe(200);
    const answer = searchResponseSchema.parse(response.json());
    expect(answer.results.map((hit) => hit.id)).toEqual(["0", "10", "2", "4", "6"]);
    expect(answer.results[0]).toMatchObject({ score: 24, parts: [{ query: 0, score: 24, rank: 1 }] });
    expect(answer.results[0]?.fields).toMatchObject({ party: "Whig" });
    expect(answer).toMatchObject({ complete: true, total: { value: 12, relation: "eq" } });
    expect(answer.aggregations["byParty"]).toMatchObject({
      buckets: [
        { key: "Republican", count: 8 },
        { key: "Whig", count: 4 },
      ],
    });
    expect(answer.shards).toEqual({ total: 3, successful: 3, failed: 0, failures: [] });
    expect(answer.requestId).toBe(response.headers["x-request-id"]);
  });

  it("fuses two queries, and returns no fields when none are included", async () => {
    const { app } = start();
    await fill(app);
    const hybrid = {
      queries: [...payload.queries, { vector: { field: "embedding", values: [1, 0] } }],
      include: [],
      limit: 3,
    };
    const answer = searchResponseSchema.parse(
      (await app.inject({ method: "POST", url: SEARCH, payload: hybrid })).json(),
    );
    expect(answer.results[0]?.id).toBe("10");
    expect(answer.results[0]?.parts.map((part) => part.rank)).toEqual([2, 2]);
    expect(answer.results[0]?.fields).toBeUndefined();
  });

  it("counts", async () => {
    const { app } = start();
    await fill(app);
    const response = await app.inject({
      method: "POST",
      url: "/api/v1/collections/speeches/count",
      payload: {},
    });
    expect(countResponseSchema.parse(response.json())).toMatchObject({ count: 12, complete: true });
  });

  it("names the shard that is missing, or refuses when the request wants all", async () => {
    const { app, cluster } = start({ nodes: ["n1", "n2", "n3"] });
    await fill(app);
    cluster.conduct("n2", { kind: "unreachable" });
    const partial = searchResponseSchema.parse(
      (await app.inject({ method: "POST", url: SEARCH, payload })).json(),
    );
    expect(partial).toMatchObject({ complete: false, total: { relation: "gte" } });
    expect(partial.shards).toMatchObject({ successful: 2, failed: 1 });
    expect(partial.shards.failures[0]).toMatchObject({ shard: 1, node: "n2", reason: "shardUnavailable" });
    const whole = { ...payload, allowPartialResults: false };
    const refused = await app.inject({ method: "POST", url: SEARCH, payload: whole });
    expect(expectProblem(refused, "partialResults").detail).toContain("shard 1 on n2");
    expect(refused.headers["retry-after"]).toBe("1");
  });

  it("refuses more searches at once than the limit", async () => {
    const { app, cluster } = start({ limits: { searchesInFlight: 1 } });
    cluster.conduct("n1", { kind: "frozen" });
    const search = (): Promise<LightMyRequestResponse> =>
      app.inject({ method: "POST", url: SEARCH, payload: { ...payload, timeoutMs: 200 } });
    const [first, second] = await Promise.all([search(), search()]);
    expectProblem(first, "partialResults");
    expectProblem(second, "tooManyRequests");
    expect(second.headers["retry-after"]).toBe("1");
  });
});

describe("bulk requests beyond what a node takes at once", () => {
  const send = (app: FastifyInstance, lines: number, timeoutMs = 300): Promise<LightMyRequestResponse> =>
    app.inject({
      method: "POST",
      url: `${BULK}?timeoutMs=${timeoutMs}`,
      headers: { "content-type": "application/x-ndjson" },
      payload: Array.from(
        { length: lines },
        (_, i) => `{"id":"b${i}","document":{"title":"${"x".repeat(2000)}"}}`,
      ).join("\n"),
    });

  it("are refused by their number, and taken again once one is answered", async () => {
    const { app, cluster } = start({ limits: { bulksInFlight: 1 } });
    for (const node of ["n1", "n2", "n3"]) cluster.conduct(node, { kind: "frozen" });
    const [first, second] = await Promise.all([send(app, 1), send(app, 1)]);
    expect(first.statusCode).toBe(200);
    expect(expectProblem(second, "tooManyRequests").detail).toContain("bulksInFlight");
    expect((await send(app, 1)).statusCode).toBe(200);
  });

  it("are refused by the bytes that wait, and taken again once those are answered", async () => {
    const { app, cluster } = start({ limits: { bulkWaitingBytes: 1024 * 1024 } });
    for (const node of ["n1", "n2", "n3"]) cluster.conduct(node, { kind: "frozen" });
    // An injected request begins when it is waited for.
    const large = send(app, 600, 2000).then((answer) => answer.statusCode);
    await vi.waitFor(async () => expectProblem(await send(app, 1, 100), "tooManyRequests"), {
      timeout: 5000,
      interval: 20,
    });
    expect(await large).toBe(200);
    expect((await send(app, 1)).statusCode).toBe(200);
  });
});

describe("the ten first mistakes", () => {
  it("wrong dimensions", async () => {
    const { app } = start();
    const payload = { queries: [{ vector: { field: "embedding", values: [1, 2, 3] } }] };
    const problem = expectProblem(
      await app.inject({ method: "POST", url: SEARCH, payload }),
      "wrongDimensions",
    );
    expect(problem.errors[0]?.pointer).toBe("/queries/0/vector/values");
  });

  it("an unknown field in a filter, with the name that was meant", async () => {
    const { app } = start();
    const payload = { filter: { field: "yeer", equals: 1901 } };
    const problem = expectProblem(await app.inject({ method: "POST", url: SEARCH, payload }), "unknownField");
    expect(problem.detail).toContain('did you mean "year"');
  });

  it("a text query on a keyword field", async () => {
    const { app } = start();
    const payload = { queries: [{ text: { query: "x", fields: ["party"] } }] };
    expectProblem(await app.inject({ method: "POST", url: SEARCH, payload }), "wrongFieldType");
  });

  it("a collection that does not exist, with the name that was meant", async () => {
    const { app } = start();
    const search = await app.inject({
      method: "POST",
      url: "/api/v1/collections/speches/search",
      payload: {},
    });
    expect(expectProblem(search, "collectionNotFound").detail).toContain('did you mean "speeches"');
  });

  it("a cluster that is not ready", async () => {
    const controlPlane = new FakeControlPlane(new FakeCluster("n1", fakeMap()));
    const view = new CurrentMap("n1" as NodeId);
    const calls = new FakeCluster("n1", fakeMap());
    const coordinator = createCoordinator({ view, calls, controlPlane, limits: DEFAULT_LIMITS });
    const app = buildHttpServer({ coordinator, limits: DEFAULT_LIMITS, version: "0.1.0", report: () => {} });
    apps.push(app);
    for (const url of ["/api/v1/status", `${DOCUMENTS}/1`, "/api/v1/collections"]) {
      const response = await app.inject({ url });
      expectProblem(response, "clusterNotReady");
      expect(response.headers["retry-after"]).toBe("1");
    }
  });

  it("too few copies for a write", async () => {
    const { app, cluster } = start();
    const problem = new ShardProblem("notEnoughCopies", "1 copy is in sync, 2 are needed", {
      executed: "no",
    });
    cluster.conduct("n1", { kind: "refuses", problem });
    const response = await app.inject({ method: "PUT", url: `${DOCUMENTS}/1`, payload: {} });
    expect(expectProblem(response, "notEnoughCopies")).toMatchObject({ executed: "no", retryable: true });
    expect(response.headers["retry-after"]).toBe("1");
  });

  it("a body that is too large", async () => {
    const { app } = start({ limits: { bodyBytes: 1000 } });
    const payload = { title: "x".repeat(2000) };
    expectProblem(await app.inject({ method: "PUT", url: `${DOCUMENTS}/1`, payload }), "bodyTooLarge");
  });

  it("a bad NDJSON line: its number, and the rest goes on", async () => {
    const { app } = start();
    const payload = 'oops\n{"id":"a","document":{}}\n';
    const answers = lines(await app.inject({ method: "POST", url: BULK, payload, headers: NDJSON }));
    expect(answers[0]).toMatchObject({ line: 1, status: 400, error: { code: "invalidJson" } });
    expect(answers[1]).toMatchObject({ line: 2, status: 201 });
  });

  it("a shard key that is missing in a document, or in a read", async () => {
    const { app } = start({ collections: [{ name: "speeches", shardKey: "party" }] });
    const url = `${DOCUMENTS}/1`;
    const problem = expectProblem(
      await app.inject({ method: "PUT", url, payload: { title: "x" } }),
      "shardKeyMissing",
    );
    expect(problem.errors[0]?.pointer).toBe("/party");
    const written = await app.inject({ method: "PUT", url, payload: { title: "x", party: "Whig" } });
    expect(written.statusCode).toBe(201);
    expectProblem(await app.inject({ url }), "shardKeyMissing");
    expect((await app.inject({ url: `${url}?shardKey=Whig` })).statusCode).toBe(200);
  });

  it("a number that is not finite", async () => {
    const { app } = start();
    const response = await app.inject({
      method: "POST",
      url: SEARCH,
      payload: '{"queries":[{"vector":{"field":"embedding","values":[1e999,0]}}]}',
      headers: { "content-type": "application/json" },
    });
    expectProblem(response, "notFinite");
  });
});

describe("every error over HTTP", () => {
  it("is a problem with a code, whatever the framework refuses", async () => {
    const { app, reported } = start();
    const json = { "content-type": "application/json" };
    const put = { method: "PUT", url: `${DOCUMENTS}/1` } as const;
    const search = { method: "POST", url: SEARCH } as const;
    expectProblem(await app.inject({ url: "/nowhere" }), "notFound");
    expectProblem(await app.inject({ url: "/api/v1/collections/" }), "collectionNotFound");
    const method = await app.inject({ method: "DELETE", url: SEARCH });
    expectProblem(method, "methodNotAllowed");
    expect(method.headers["allow"]).toBe("POST");
    expectProblem(
      await app.inject({ ...put, payload: "a=1", headers: { "content-type": "text/plain" } }),
      "unsupportedMediaType",
    );
    expectProblem(await app.inject({ ...search, payload: "{", headers: json }), "invalidJson");
    expectProblem(await app.inject({ ...search, headers: json }), "invalidJson");
    expectProblem(await app.inject({ ...search, payload: "[1]", headers: json }), "invalidRequest");
    expectProblem(await app.inject({ ...search, payload: "null", headers: json }), "invalidRequest");
    expectProblem(await app.inject({ url: `${DOCUMENTS}/%E0%A4%A` }), "invalidRequest");
    expectProblem(await app.inject({ url: `${DOCUMENTS}/${"x".repeat(513)}` }), "limitExceeded");
    expectProblem(await app.inject({ url: `${DOCUMENTS}/1?timeoutMs=abc` }), "invalidRequest");
    expectProblem(await app.inject({ url: `${DOCUMENTS}/1?timeoutMs=500000` }), "limitExceeded");
    expectProblem(await app.inject({ url: `${DOCUMENTS}/1?nonsense=1` }), "invalidRequest");
    expectProblem(await app.inject({ ...put, payload: {}, headers: { "if-match": "7" } }), "invalidRequest");
    expect(reported).toEqual([]);
  });

  it("carries the client's request id when it is a sane one", async () => {
    const { app } = start();
    const given = await app.inject({ url: "/nowhere", headers: { "x-request-id": "trace-42" } });
    expect(expectProblem(given, "notFound").requestId).toBe("trace-42");
    const strange = await app.inject({ url: "/nowhere", headers: { "x-request-id": "a b<script>" } });
    expect(expectProblem(strange, "notFound").requestId).not.toContain("script");
  });

  it("takes a session of any length that a token may have in a query, and refuses longer headers as a problem", async () => {
    const { app } = start();
    const base = await app.listen({ host: "127.0.0.1", port: 0 });
    const positions = Array.from(
      { length: 256 },
      (_, shard) => [shard, { historyId: "h".repeat(36), seq: 1e9 }] as const,
    );
    const session = encodeSession(new Map(["u1", "u2", "u3"].map((uid) => [uid, new Map(positions)])));
    expect(session.length).toBeGreaterThan(50_000);
    const taken = await fetch(`${base}${DOCUMENTS}/none?session=${session}`);
    expect(problemSchema.parse(await taken.json()).code).toBe("documentNotFound");
    const refused = await fetch(`${base}${DOCUMENTS}/none?session=${"x".repeat(100_000)}`);
    expect(problemSchema.parse(await refused.json()).code).toBe("limitExceeded");
  });

  it("hides what an unexpected error says, and reports it under the request id", async () => {
    const { app, cluster, reported } = start();
    cluster.call = () => Promise.reject(new Error("secret path /var/x"));
    const response = await app.inject({ url: `${DOCUMENTS}/1` });
    expect(expectProblem(response, "internalError").detail).not.toContain("secret");
    expect(reported).toHaveLength(1);
  });
});

describe("the server's routes", () => {
  it("are the operations of the OpenAPI document, each of them", async () => {
    const { app } = start();
    await app.ready();
    for (const { method, path } of OPERATIONS) {
      const url = `/api/v1${path.replaceAll(/\{(\w+)\}/g, ":$1")}`;
      expect(app.hasRoute({ method: method.toUpperCase(), url }), `${method} ${url}`).toBe(true);
    }
    expect((await app.inject({ url: "/openapi.json" })).json()).toMatchObject({ openapi: "3.1.0" });
  });
});
