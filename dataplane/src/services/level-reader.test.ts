import type { Consistency, ConsistencyInput } from "@prism/api/consistency";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import { parseSearchRequest } from "@prism/api/search";
import { ReadLevelKind, ShardCall } from "@prism/proto/frame-kind";
import { describe, expect, it } from "vitest";
import { FakeCluster, fakeMap } from "../testing/fake-cluster.js";
import type { ControlPlane } from "./control-plane.js";
import { createCoordinator, type Coordinator } from "./coordinator.js";
import { Deadline } from "./deadline.js";
import type { SearchAnswer } from "./search.js";
import { ShardProblem } from "./shard-calls.js";

const away: ControlPlane = {
  requestCollection: () => Promise.reject(new Error("not used here")),
  status: () => undefined,
  isConnected: () => false,
};

const NODES = ["n1", "n2", "n3"];
const STRONG: Consistency = { level: "strong", allowDowngrade: false };
const BOUNDED: Consistency = { level: "bounded", maxStalenessMs: 500, allowDowngrade: false };

/** One shard with a copy on each of three nodes, n1 its primary; asked at n3. Holds document "a". */
async function setup(
  shards = 1,
): Promise<{ cluster: FakeCluster; coordinator: Coordinator; session: string }> {
  const map = fakeMap({ nodes: NODES, factor: 3, collections: [{ name: "speeches", shards }] });
  const cluster = new FakeCluster("n3", map);
  const hedge = { silentAfterMs: 30, share: 0.3 };
  const ports = { view: cluster.view, calls: cluster, controlPlane: away, limits: DEFAULT_LIMITS, hedge };
  const coordinator = createCoordinator(ports);
  const { session } = await write(coordinator);
  cluster.made.length = 0;
  return { cluster, coordinator, session };
}

function write(coordinator: Coordinator, waitsForSearchable = false, timeoutMs = 5000) {
  const document = new TextEncoder().encode(JSON.stringify({ title: "war" }));
  const rest = { shardKey: undefined, operationId: undefined, ifMatch: undefined, ifNoneMatch: false };
  const command = { action: "put", id: "a", document, ...rest } as const;
  const deadline = Deadline.in(timeoutMs);
  return coordinator.documents.write("speeches", command, { deadline, waitsForSearchable });
}

function get(coordinator: Coordinator, consistency: Consistency, timeoutMs = 2000) {
  const command = { include: undefined, shardKey: undefined, consistency };
  return coordinator.documents.get("speeches", "a", command, { deadline: Deadline.in(timeoutMs) });
}

function search(
  coordinator: Coordinator,
  consistency: ConsistencyInput,
  more: object = {},
): Promise<SearchAnswer> {
  const queries = [{ text: { query: "war", fields: ["title"] } }];
  const body = { queries, consistency, timeoutMs: 500, ...more };
  return coordinator.search.search("speeches", parseSearchRequest(body, DEFAULT_LIMITS));
}

const notMet = new ShardProblem("consistencyNotMet", "the copies on n2 are silent", { executed: "no" });

describe("a strong read", () => {
  it("asks the primary and nobody else, and says that its level was met", async () => {
    const { cluster, coordinator } = await setup();
    const answer = await get(coordinator, STRONG);
    expect(answer).toMatchObject({ document: { id: "a" }, consistency: { level: "strong", met: true } });
    expect(answer.session).not.toBe("");
    expect(cluster.made.map(({ node, read }) => [node, read?.kind])).toEqual([["n1", ReadLevelKind.strong]]);
  });

  it("follows the primary to where a failover takes it, while the old one says nothing", async () => {
    const { cluster, coordinator } = await setup();
    cluster.conduct("n1", { kind: "frozen" });
    const reading = get(coordinator, STRONG, 5000);
    await expect.poll(() => cluster.made.length).toBe(1);
    cluster.promote("n2");
    expect((await reading).consistency).toEqual({ level: "strong", met: true });
    expect(cluster.made.map(({ node }) => node)).toEqual(["n1", "n2"]);
  });

  it("goes where a copy says that the primary is, before the map does", async () => {
    const { cluster, coordinator } = await setup();
    const elsewhere = { executed: "no", primaryNode: "n2" } as ConstructorParameters<typeof ShardProblem>[2];
    cluster.conduct("n1", { kind: "refuses", problem: new ShardProblem("noPrimary", "no more", elsewhere) });
    await expect(get(coordinator, STRONG, 300)).rejects.toMatchObject({ code: "consistencyNotMet" });
    expect(cluster.made.slice(0, 2).map(({ node }) => node)).toEqual(["n1", "n2"]);
  });

  it("ends with its time, and with the primary's own reason", async () => {
    const { cluster, coordinator } = await setup();
    cluster.conduct("n1", { kind: "refuses", problem: notMet });
    const startedMs = performance.now();
    await expect(get(coordinator, STRONG, 300)).rejects.toMatchObject({
      code: "consistencyNotMet",
      detail: notMet.detail,
    });
    expect(performance.now() - startedMs).toBeLessThan(300 + 1000);
    cluster.conduct("n1", { kind: "frozen" });
    await expect(get(coordinator, STRONG, 300)).rejects.toMatchObject({
      code: "consistencyNotMet",
      detail: expect.stringContaining("the primary on n1"),
    });
  });

  it("is not tried again where trying can't help", async () => {
    const { cluster, coordinator } = await setup();
    const lost = new ShardProblem("historyLost", "another history", { executed: "no" });
    cluster.conduct("n1", { kind: "refuses", problem: lost });
    await expect(get(coordinator, { ...STRONG, allowDowngrade: true })).rejects.toMatchObject({
      code: "historyLost",
    });
    expect(cluster.made).toHaveLength(1);
  });
});

describe("a bounded read", () => {
  it("goes on to the next copy when one can't meet the bound", async () => {
    const { cluster, coordinator, session } = await setup();
    cluster.conduct("n3", { kind: "refuses", problem: notMet });
    const answer = await get(coordinator, { ...BOUNDED, session });
    expect(answer.consistency).toEqual({ level: "bounded", met: true });
    const [first, second] = cluster.made;
    expect(first).toMatchObject({ node: "n3", read: { kind: ReadLevelKind.bounded, maxStalenessMs: 500 } });
    expect(second?.read).toMatchObject({ minimumSeq: 1, historyId: "history-1" });
  });

  it("says why no copy met it, though another copy says nothing at all", async () => {
    const { cluster, coordinator } = await setup();
    cluster.conduct("n3", { kind: "refuses", problem: notMet });
    for (const node of ["n1", "n2"]) cluster.conduct(node, { kind: "frozen" });
    await expect(get(coordinator, BOUNDED, 300)).rejects.toMatchObject({ code: "consistencyNotMet" });
  });
});

describe("a downgrade", () => {
  it("is made only where the request allows it, within its time, and is stated", async () => {
    const { cluster, coordinator } = await setup();
    cluster.conduct("n1", { kind: "frozen" });
    await expect(search(coordinator, { level: "strong" })).rejects.toMatchObject({
      code: "consistencyNotMet",
    });
    const answer = await search(coordinator, { level: "strong", allowDowngrade: true }, { timeoutMs: 1000 });
    expect(answer.hits.map(({ id }) => id)).toEqual(["a"]);
    expect(answer.consistency).toMatchObject({
      level: "strong",
      met: false,
      downgraded: [{ shard: 0, reason: "consistencyNotMet" }],
    });
  });

  it("of one shard does not touch the others", async () => {
    const { cluster, coordinator } = await setup(2);
    cluster.conduct("n1", { kind: "frozen" });
    const answer = await search(coordinator, { level: "strong", allowDowngrade: true }, { timeoutMs: 1000 });
    expect(answer.complete).toBe(true);
    expect(answer.consistency.downgraded?.map(({ shard }) => shard)).toEqual([0]);
    const asked = cluster.made.filter(({ shard }) => shard === "speeches-1");
    expect(asked.map(({ call, read }) => [call, read?.kind])).toEqual([
      [ShardCall.statistics, ReadLevelKind.strong],
      [ShardCall.search, ReadLevelKind.applied],
    ]);
  });

  it("of a document is stated with it, and with its absence", async () => {
    const { cluster, coordinator } = await setup();
    cluster.conduct("n1", { kind: "frozen" });
    const consistency = { ...STRONG, allowDowngrade: true };
    const answer = await get(coordinator, consistency, 500);
    expect(answer.consistency).toMatchObject({ met: false, downgraded: [{ shard: 0 }] });
    cluster.store(cluster.map.shards[0]!.uid).documents.clear();
    await expect(get(coordinator, consistency, 500)).rejects.toMatchObject({
      code: "documentNotFound",
      detail: expect.stringContaining("as far as a copy knows"),
    });
  });

  it("of pages is stated too", async () => {
    const { cluster, coordinator } = await setup(2);
    cluster.conduct("n1", { kind: "frozen" });
    const consistency = { ...STRONG, allowDowngrade: true };
    const command = { cursor: undefined, limit: 10, include: undefined, consistency };
    const page = await coordinator.documents.scan("speeches", command, { deadline: Deadline.in(1000) });
    expect(page.documents.map(({ id }) => id)).toEqual(["a"]);
    expect(page.consistency.downgraded?.map(({ shard }) => shard)).toEqual([0]);
  });
});

describe("the rounds of one search", () => {
  it("confirm their level once: what the statistics showed is the least that the search shows", async () => {
    const { cluster, coordinator } = await setup(2);
    await search(coordinator, { level: "strong" });
    const kinds = cluster.made
      .filter(({ shard }) => shard === "speeches-0")
      .map(({ call, node, read }) => [call, node, read?.kind, read?.minimumSeq]);
    const { seq } = cluster.store(cluster.map.shards[0]!.uid);
    expect(kinds.slice(0, 2)).toEqual([
      [ShardCall.statistics, "n1", ReadLevelKind.strong, 0],
      [ShardCall.search, "n1", ReadLevelKind.applied, seq],
    ]);
  });

  it("confirm it in the search where the statistics had to do without", async () => {
    const { cluster, coordinator } = await setup(2);
    const call = cluster.call.bind(cluster);
    cluster.call = async (target, kind, payload, options) => {
      if (kind === ShardCall.statistics) throw notMet;
      return await call(target, kind, payload, options);
    };
    const answer = await search(coordinator, { level: "strong" }, { timeoutMs: 1000 });
    expect(answer.consistency).toEqual({ level: "strong", met: true });
    const searches = cluster.made.filter((made) => made.call === ShardCall.search);
    expect(searches.map(({ read }) => read?.kind)).toEqual([ReadLevelKind.strong, ReadLevelKind.strong]);
  });

  it("fetch from copies that are as far as those that ranked", async () => {
    const { cluster, coordinator } = await setup(2);
    await search(coordinator, { level: "strong" });
    const fetches = cluster.made.filter(({ call }) => call === ShardCall.fetch);
    expect(fetches).toHaveLength(1);
    expect(fetches[0]?.read).toMatchObject({ minimumSeq: 1, historyId: "history-1" });
    cluster.made.length = 0;
    await search(coordinator, { level: "eventual" });
    expect(cluster.made.map(({ read }) => read)).not.toContainEqual(expect.anything());
  });

  it("say staleRead for the whole search when nodes that are cut off have all the copies", async () => {
    const { cluster, coordinator } = await setup();
    const problem = new ShardProblem("staleRead", "cut off", { executed: "no" });
    for (const node of NODES) cluster.conduct(node, { kind: "refuses", problem });
    await expect(search(coordinator, { level: "eventual" })).rejects.toMatchObject({ code: "staleRead" });
  });
});

describe("a write that waits until it is searchable", () => {
  it("asks every in-sync copy for the write's sequence number, and says that all have it", async () => {
    const { cluster, coordinator } = await setup();
    const { searchable, written } = await write(coordinator, true);
    expect(searchable).toEqual({ met: true });
    const asked = cluster.made.filter(({ call }) => call === ShardCall.fetch);
    expect(asked.map(({ node }) => node).sort()).toEqual(NODES);
    expect(asked.map(({ read }) => read?.minimumSeq)).toEqual(NODES.map(() => written.seq));
    expect((await write(coordinator)).searchable).toBeUndefined();
  });

  it("is a success all the same when a copy does not get there, and says which", async () => {
    const { cluster, coordinator } = await setup();
    cluster.conduct("n2", { kind: "frozen" });
    const { searchable, written } = await write(coordinator, true, 300);
    expect(written.result).toBe("updated");
    expect(searchable).toMatchObject({ met: false, detail: expect.stringContaining("shard 0 on n2") });
  });
});
