import { documentResponseSchema, scanResponseSchema, writeResponseSchema } from "@prism/api/document";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import { problemSchema } from "@prism/api/problem";
import { searchResponseSchema } from "@prism/api/search";
import { ReadLevelKind } from "@prism/proto/frame-kind";
import type { FastifyInstance } from "fastify";
import { afterEach, describe, expect, it } from "vitest";
import { createCoordinator } from "../../services/coordinator.js";
import { ShardProblem } from "../../services/shard-calls.js";
import { FakeCluster, fakeMap } from "../../testing/fake-cluster.js";
import { buildHttpServer } from "./http-server.js";

const apps: FastifyInstance[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

const BASE = "/api/v1/collections/speeches";

async function start(): Promise<{ app: FastifyInstance; cluster: FakeCluster; session: string }> {
  const map = fakeMap({
    nodes: ["n1", "n2", "n3"],
    factor: 3,
    collections: [{ name: "speeches", shards: 1 }],
  });
  const cluster = new FakeCluster("n3", map);
  const controlPlane = {
    requestCollection: () => Promise.reject(new Error("not used here")),
    status: () => undefined,
    isConnected: () => false,
  };
  const limits = DEFAULT_LIMITS;
  const coordinator = createCoordinator({ view: cluster.view, calls: cluster, controlPlane, limits });
  const app = buildHttpServer({ coordinator, limits, version: "0.1.0", report: () => undefined });
  apps.push(app);
  const written = await app.inject({ method: "PUT", url: `${BASE}/documents/a`, payload: { title: "war" } });
  cluster.made.length = 0;
  return { app, cluster, session: writeResponseSchema.parse(written.json()).session };
}

describe("levels of consistency over HTTP", () => {
  it("come as parameters of a document and of pages, and are said with the answers", async () => {
    const { app, cluster, session } = await start();
    const strong = await app.inject({ url: `${BASE}/documents/a?consistency=strong` });
    const document = documentResponseSchema.parse(strong.json());
    expect(document.consistency).toEqual({ level: "strong", met: true });
    const query = `consistency=bounded&maxStalenessMs=300&session=${session}`;
    const pages = scanResponseSchema.parse((await app.inject({ url: `${BASE}/documents?${query}` })).json());
    expect(pages.consistency).toEqual({ level: "bounded", met: true });
    const own = await app.inject({ url: `${BASE}/documents/a?session=${document.session}` });
    expect(documentResponseSchema.parse(own.json()).consistency).toEqual({
      level: "readYourWrites",
      met: true,
    });
    const none = { kind: ReadLevelKind.applied, maxStalenessMs: 0, minimumSeq: 1 };
    expect(cluster.made.map(({ read }) => read)).toMatchObject([
      { kind: ReadLevelKind.strong, minimumSeq: 0 },
      { kind: ReadLevelKind.bounded, maxStalenessMs: 300, minimumSeq: 1, historyId: "history-1" },
      none,
    ]);
  });

  it("that lack something, or have it for nothing, are refused with what is missing", async () => {
    const { app } = await start();
    for (const query of [
      "consistency=bounded",
      "consistency=readYourWrites",
      "consistency=strong&maxStalenessMs=1",
    ]) {
      const refused = await app.inject({ url: `${BASE}/documents/a?${query}` });
      expect(problemSchema.parse(refused.json())).toMatchObject({ status: 400, code: "invalidRequest" });
    }
    const payload = { consistency: { level: "bounded" } };
    const refused = await app.inject({ method: "POST", url: `${BASE}/search`, payload });
    expect(problemSchema.parse(refused.json()).errors).toMatchObject([
      { pointer: "/consistency/maxStalenessMs", detail: expect.stringContaining("bounded needs it") },
    ]);
  });

  it("that can't be met are 503 with the reason and a way on, or are lowered where that is allowed", async () => {
    const { app, cluster } = await start();
    const detail = "strong: the primary has not heard from the copies on n2";
    cluster.conduct("n1", {
      kind: "refuses",
      problem: new ShardProblem("consistencyNotMet", detail, { executed: "no" }),
    });
    const url = `${BASE}/documents/a?consistency=strong&timeoutMs=200`;
    const refused = await app.inject({ url });
    expect(refused.statusCode).toBe(503);
    expect(refused.headers["retry-after"]).toBe("1");
    expect(problemSchema.parse(refused.json())).toMatchObject({
      code: "consistencyNotMet",
      detail,
      retryable: true,
      fix: expect.stringContaining("allowDowngrade"),
    });
    const lowered = await app.inject({ url: `${url}&allowDowngrade=true` });
    expect(documentResponseSchema.parse(lowered.json()).consistency).toEqual({
      level: "strong",
      met: false,
      downgraded: [{ shard: 0, reason: "consistencyNotMet", detail }],
    });
    const payload = { consistency: { level: "strong", allowDowngrade: true }, timeoutMs: 300 };
    const searched = await app.inject({ method: "POST", url: `${BASE}/search`, payload });
    expect(searchResponseSchema.parse(searched.json()).consistency).toMatchObject({
      met: false,
      downgraded: [{ shard: 0, reason: "consistencyNotMet" }],
    });
  });

  it("leave a write as it is when it also waits until all copies show it, line by line too", async () => {
    const { app, cluster } = await start();
    const url = `${BASE}/documents/b?waitFor=searchable&timeoutMs=300`;
    const met = await app.inject({ method: "PUT", url, payload: { title: "tax" } });
    expect(writeResponseSchema.parse(met.json())).toMatchObject({ copies: 3, searchable: { met: true } });
    cluster.conduct("n2", { kind: "frozen" });
    const unmet = await app.inject({ method: "PUT", url, payload: { title: "tax" } });
    expect(unmet.statusCode).toBe(200);
    expect(writeResponseSchema.parse(unmet.json()).searchable).toMatchObject({ met: false });
    const bulk = await app.inject({
      method: "POST",
      url: `${BASE}/bulk?waitFor=searchable&timeoutMs=300`,
      headers: { "content-type": "application/x-ndjson" },
      payload: '{"id":"c","document":{"title":"road"}}\n',
    });
    const lines = bulk.body.trim().split("\n");
    expect(JSON.parse(lines[0]!)).toMatchObject({ status: 201 });
    expect(JSON.parse(lines[1]!)).toMatchObject({
      summary: { succeeded: 1, searchable: { met: false, detail: expect.stringContaining("n2") } },
    });
    const refused = await app.inject({ method: "PUT", url: `${url}&waitFor=ever`, payload: {} });
    expect(refused.statusCode).toBe(400);
  });
});
