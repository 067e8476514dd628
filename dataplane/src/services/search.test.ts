import { DEFAULT_LIMITS } from "@prism/api/limits";
import { parseSearchRequest } from "@prism/api/search";
import { ShardCall } from "@prism/proto/frame-kind";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeCluster, fakeMap, type FakeMapOptions } from "../testing/fake-cluster.js";
import type { ControlPlane } from "./control-plane.js";
import { createCoordinator, type Coordinator } from "./coordinator.js";
import { Deadline } from "./deadline.js";
import { ShardProblem } from "./shard-calls.js";
import type { SearchAnswer } from "./search.js";

const away: ControlPlane = {
  requestCollection: () => Promise.reject(new Error("not used here")),
  status: () => undefined,
  isConnected: () => false,
};

function setup(options: FakeMapOptions): { cluster: FakeCluster; coordinator: Coordinator } {
  const cluster = new FakeCluster("n1", fakeMap(options));
  const coordinator = createCoordinator({
    view: cluster.view,
    calls: cluster,
    controlPlane: away,
    limits: DEFAULT_LIMITS,
    hedge: { silentAfterMs: 30, share: 0.3 },
  });
  return { cluster, coordinator };
}

async function put(coordinator: Coordinator, id: string, document: unknown): Promise<string> {
  const { session } = await coordinator.documents.write(
    "speeches",
    {
      action: "put",
      id,
      document: new TextEncoder().encode(JSON.stringify(document)),
      shardKey: undefined,
      operationId: undefined,
      ifMatch: undefined,
      ifNoneMatch: false,
    },
    { deadline: Deadline.in(5000) },
  );
  return session;
}

async function fill(coordinator: Coordinator, count = 20): Promise<void> {
  for (let i = 0; i < count; i += 1)
    await put(coordinator, `d${i}`, { title: i % 3 === 0 ? "war tax" : "war" });
}

const text = { queries: [{ text: { query: "war tax", fields: ["title"] } }] };

function search(coordinator: Coordinator, body: object, signal?: AbortSignal): Promise<SearchAnswer> {
  return coordinator.search.search("speeches", parseSearchRequest(body, DEFAULT_LIMITS), signal);
}

const EVENTUAL = { level: "eventual", allowDowngrade: false } as const;
const THREE_NODES = ["n1", "n2", "n3"];

describe("searching", () => {
  it("gives of three shards the same page as of one", async () => {
    const titles = fc.constantFrom("war", "tax", "war tax", "road");
    const corpus = fc.dictionary(fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 4 }), titles, {
      minKeys: 1,
      maxKeys: 15,
    });
    const page = fc.record({ limit: fc.nat(6), offset: fc.nat(4) });
    await fc.assert(
      fc.asyncProperty(corpus, page, async (documents, { limit, offset }) => {
        const pages = [];
        for (const shards of [1, 3]) {
          const { coordinator } = setup({ collections: [{ name: "speeches", shards }] });
          for (const [id, title] of Object.entries(documents)) await put(coordinator, id, { title });
          const answer = await search(coordinator, { ...text, limit, offset });
          pages.push({ total: answer.total, hits: answer.hits.map(({ id, score }) => [id, score]) });
        }
        expect(pages[0]).toEqual(pages[1]);
      }),
      { numRuns: 40 },
    );
  });

  it("takes the statistics round only where scores of several shards must be comparable", async () => {
    const rounds = async (shards: number, body: object): Promise<boolean> => {
      const { cluster, coordinator } = setup({ collections: [{ name: "speeches", shards }] });
      await fill(coordinator, 3);
      await search(coordinator, body);
      return cluster.made.some((call) => call.call === ShardCall.statistics);
    };
    expect(await rounds(3, text)).toBe(true);
    expect(await rounds(1, text)).toBe(false);
    expect(await rounds(3, { filter: { field: "year", gte: 1900 } })).toBe(false);
  });

  it("is complete with a frozen node while each shard has another copy, and soon avoids that node", async () => {
    const { cluster, coordinator } = setup({ nodes: THREE_NODES, factor: 3 });
    await fill(coordinator);
    cluster.conduct("n1", { kind: "frozen" });
    const answer = await search(coordinator, { ...text, timeoutMs: 2000 });
    expect(answer).toMatchObject({ complete: true, total: { value: 20, relation: "eq" } });
    cluster.made.length = 0;
    expect((await search(coordinator, { ...text, timeoutMs: 2000 })).complete).toBe(true);
    expect(cluster.made.filter((call) => call.node === "n1")).toEqual([]);
  });

  it("gives partial results in time with a frozen node that has the only copy", async () => {
    const { cluster, coordinator } = setup({ nodes: THREE_NODES, factor: 1 });
    await fill(coordinator);
    cluster.conduct("n2", { kind: "frozen" });
    const startedAtMs = performance.now();
    const answer = await search(coordinator, { ...text, timeoutMs: 400 });
    expect(performance.now() - startedAtMs).toBeLessThan(400 + 1000);
    expect(answer).toMatchObject({ complete: false, total: { relation: "gte" } });
    expect(answer.shards.failures).toMatchObject([{ shard: 1, node: "n2", reason: "timeout" }]);
    expect(answer.hits.length).toBeGreaterThan(0);
  });

  it("goes on to the next copy when one breaks, also for the fields of the hits", async () => {
    const { cluster, coordinator } = setup({ nodes: THREE_NODES, factor: 2 });
    await fill(coordinator);
    cluster.conduct("n3", { kind: "losesAnswers" });
    const answer = await search(coordinator, { ...text, limit: 20 });
    expect(answer.complete).toBe(true);
    expect(answer.hits).toHaveLength(20);
  });

  it("drops a hit that was deleted between the search and the fetch", async () => {
    const { cluster, coordinator } = setup({});
    await fill(coordinator);
    const call = cluster.call.bind(cluster);
    cluster.call = async (target, kind, payload, options) => {
      if (kind === ShardCall.fetch) for (const store of cluster.stores.values()) store.documents.delete("d0");
      return await call(target, kind, payload, options);
    };
    const answer = await search(coordinator, { ...text, limit: 20 });
    expect(answer.complete).toBe(true);
    expect(answer.hits.map((hit) => hit.id)).not.toContain("d0");
    expect(answer.hits).toHaveLength(19);
  });

  it("asks once where one shard makes the page, of one ranking or of several", async () => {
    const { cluster, coordinator } = setup({ collections: [{ name: "speeches", shards: 1 }] });
    await fill(coordinator);
    cluster.made.length = 0;
    const answer = await search(coordinator, { ...text, limit: 3, offset: 2 });
    expect(answer.hits.map(({ id, fieldsJson }) => [id, fieldsJson])).toEqual([
      ["d15", '{"title":"war tax"}'],
      ["d18", '{"title":"war tax"}'],
      ["d3", '{"title":"war tax"}'],
    ]);
    await search(coordinator, { queries: [...text.queries, ...text.queries], limit: 3 });
    expect(cluster.made.map(({ call }) => call)).toEqual([ShardCall.search, ShardCall.search]);
  });

  it("fuses several rankings to the same page on one shard, which fuses itself, as over three", async () => {
    const other = { text: { query: "tax", fields: ["title"] }, weight: 2 };
    for (const method of ["rrf", "weighted"]) {
      const body = { queries: [...text.queries, other], fusion: { method, window: 9 }, limit: 4, offset: 3 };
      const pages = [];
      for (const shards of [1, 3]) {
        const { coordinator } = setup({ collections: [{ name: "speeches", shards }] });
        await fill(coordinator);
        const { hits } = await search(coordinator, body);
        pages.push(hits.map(({ id, score, parts, fieldsJson }) => ({ id, score, parts, fieldsJson })));
      }
      expect(pages[0]).toHaveLength(4);
      expect(pages[0]).toEqual(pages[1]);
    }
  });

  it("returns a session that grows with what was seen, and sends it as the shards' read level", async () => {
    const { coordinator } = setup({});
    const session = await put(coordinator, "a", { title: "war" });
    const consistency = { level: "readYourWrites", session };
    const answer = await search(coordinator, { ...text, consistency });
    expect(answer.consistency).toEqual({ level: "readYourWrites", met: true });
    expect(answer.session.length).toBeGreaterThan(session.length);
  });

  it("says historyLost for the whole search when a shard's history is another one", async () => {
    const { cluster, coordinator } = setup({ nodes: THREE_NODES });
    await fill(coordinator);
    const problem = new ShardProblem("historyLost", "another history", { executed: "no" });
    cluster.conduct("n2", { kind: "refuses", problem });
    await expect(search(coordinator, text)).rejects.toMatchObject({ code: "historyLost" });
  });

  it("stops when the caller gives up", async () => {
    const { cluster, coordinator } = setup({});
    cluster.conduct("n1", { kind: "frozen" });
    const abort = new AbortController();
    const searching = search(coordinator, { ...text, timeoutMs: 60_000 }, abort.signal);
    abort.abort();
    await expect(searching).rejects.toMatchObject({ code: "partialResults" });
  });
});

describe("reading one document", () => {
  it("asks another copy beside a frozen one", async () => {
    const { cluster, coordinator } = setup({ nodes: THREE_NODES, factor: 3 });
    await put(coordinator, "a", { title: "war" });
    cluster.conduct("n1", { kind: "frozen" });
    const { document } = await coordinator.documents.get(
      "speeches",
      "a",
      { include: undefined, consistency: EVENTUAL, shardKey: undefined },
      { deadline: Deadline.in(2000) },
    );
    expect(document).toMatchObject({ id: "a", seq: 1 });
  });

  it("fails with the last copy's problem when none answers", async () => {
    const { cluster, coordinator } = setup({ nodes: THREE_NODES, factor: 3 });
    for (const node of THREE_NODES) cluster.conduct(node, { kind: "unreachable" });
    const reading = coordinator.documents.get(
      "speeches",
      "a",
      { include: undefined, consistency: EVENTUAL, shardKey: undefined },
      { deadline: Deadline.in(500) },
    );
    await expect(reading).rejects.toMatchObject({ code: "shardUnavailable" });
  });
});
