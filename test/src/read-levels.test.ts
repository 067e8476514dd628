import type { PrismError } from "@prism/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterUnderTest } from "./cluster-under-test.js";
import { waitUntil } from "./wait-until.js";

/** One shard on three nodes, so that there is one primary to be cut off. */
async function startCluster(allowStaleReads: boolean): Promise<ClusterUnderTest> {
  const cluster = await ClusterUnderTest.start({
    withNetwork: true,
    spec: { partition: { allowStaleReads } },
  });
  await cluster.createCollection("notes", { shards: 1, fields: [{ name: "year", type: "integer" }] });
  await cluster.client().collection("notes").put("a", { year: 1 });
  await cluster.settled();
  return cluster;
}

function primaryOf(cluster: ClusterUnderTest): string {
  return cluster.status().shards.find(({ collection }) => collection === "notes")!.primary!;
}

/** A client that knows one node, or all but one. */
function clientAt(cluster: ClusterUnderTest, isEndpoint: (node: string) => boolean) {
  const endpoints = cluster.local.addresses().filter(({ name }) => isEndpoint(name));
  const urls = endpoints.map(({ httpUrl }) => httpUrl);
  return cluster.client({ endpoints: urls, retries: 0, routing: false }).collection("notes");
}

function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "answered",
    (error: unknown) => (error as PrismError).code,
  );
}

describe("with a primary that is cut off", () => {
  let cluster: ClusterUnderTest;
  beforeAll(async () => {
    cluster = await startCluster(true);
  }, 180_000);
  afterAll(async () => cluster?.close());

  test("levels hold on both sides, writes succeed on one, and it heals by itself", async () => {
    const old = primaryOf(cluster);
    const alone = clientAt(cluster, (node) => node === old);
    const others = clientAt(cluster, (node) => node !== old);
    expect((await alone.get("a", { consistency: "strong" }))?.consistency).toEqual({
      level: "strong",
      met: true,
    });
    cluster.network.separate(old);

    // Before anybody knows, and after.
    const refused = { timeoutMs: 3000 };
    const path = `/api/v1/collections/notes/documents/a?timeoutMs=700`;
    const url = cluster.local.node(old).httpUrl!;
    const write = await fetch(url + path, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ year: 666 }),
    });
    expect(write.status).toBeGreaterThanOrEqual(500);
    expect(await write.json()).toMatchObject({ code: "outcomeUnknown", executed: "unknown" });
    await waitUntil("another primary", 30_000, () => primaryOf(cluster) !== old);
    await others.put("a", { year: 2 }, { timeoutMs: 30_000 });

    const strong = await fetch(`${url}${path}&consistency=strong`);
    expect(strong.status).toBe(503);
    expect(await strong.json()).toMatchObject({ code: "consistencyNotMet", retryable: true });
    expect(await codeOf(alone.count({ consistency: { level: "strong" }, timeoutMs: 700 }, refused))).toBe(
      "consistencyNotMet",
    );
    const bounded = await fetch(`${url}${path}&consistency=bounded&maxStalenessMs=200`);
    expect(await bounded.json()).toMatchObject({ code: "consistencyNotMet" });
    // Stale, as the cluster and the request allow.
    const stale = await fetch(`${url}${path}&consistency=strong&allowDowngrade=true`);
    expect(await stale.json()).toMatchObject({
      fields: { year: 1 },
      consistency: { level: "strong", met: false, downgraded: [{ shard: 0 }] },
    });
    expect(await (await fetch(url + path)).json()).toMatchObject({ fields: { year: 1 } });
    expect((await others.get("a", { consistency: "strong" }))?.fields).toEqual({ year: 2 });

    cluster.network.heal();
    await cluster.settled();
    const healed = await alone.get("a", { consistency: "strong", timeoutMs: 20_000 });
    expect(healed?.fields).toEqual({ year: 2 });
    expect(
      (await alone.get("a", { consistency: { level: "bounded", maxStalenessMs: 500 } }))?.fields,
    ).toEqual({
      year: 2,
    });
  });

  test("what waits at a frozen primary is not answered with what was before it woke up", async () => {
    const old = primaryOf(cluster);
    const others = clientAt(cluster, (node) => node !== old);
    const url = cluster.local.node(old).httpUrl!;
    await others.put("a", { year: 3 });
    expect((await others.get("a", { consistency: "strong" }))?.fields).toEqual({ year: 3 });
    cluster.local.node(old).kill("SIGSTOP");
    try {
      await waitUntil("another primary", 30_000, () => primaryOf(cluster) !== old);
      await others.put("a", { year: 4 }, { timeoutMs: 30_000 });
      // They reach the socket of a process that stands still, before anything that would tell it of its end.
      const path = "/api/v1/collections/notes/documents/a?timeoutMs=20000";
      const asked = [
        "consistency=strong",
        "consistency=bounded&maxStalenessMs=100",
        "consistency=strong&allowDowngrade=false",
      ].map((level) => fetch(`${url}${path}&${level}`));
      cluster.local.node(old).kill("SIGCONT");
      for (const answer of await Promise.all(asked)) {
        const body = (await answer.json()) as { readonly fields?: unknown; readonly code?: string };
        expect(body.fields ?? body.code).toEqual({ year: 4 });
      }
    } finally {
      cluster.local.node(old).kill("SIGCONT");
    }
    await cluster.settled();
  });

  test("a write that waits for searchability is found on every node at once", async () => {
    const writer = cluster.client().collection("notes");
    for (let year = 100; year < 120; year += 1) {
      const { searchable } = await writer.put("b", { year }, { waitFor: "searchable" });
      expect(searchable).toEqual({ met: true });
      for (const { name } of cluster.local.addresses()) {
        const reader = clientAt(cluster, (node) => node === name);
        expect((await reader.get("b", { consistency: "eventual" }))?.fields).toEqual({ year });
      }
    }
  });
});

describe("where stale reads are not allowed", () => {
  let cluster: ClusterUnderTest;
  beforeAll(async () => {
    cluster = await startCluster(false);
  }, 180_000);
  afterAll(async () => cluster?.close());

  test("a node that is cut off refuses every read until it is back", async () => {
    const old = primaryOf(cluster);
    const alone = clientAt(cluster, (node) => node === old);
    const others = clientAt(cluster, (node) => node !== old);
    cluster.network.separate(old);
    const eventual = { consistency: "eventual", timeoutMs: 5000 } as const;
    await waitUntil(
      "a refusal",
      30_000,
      async () => (await codeOf(alone.get("a", eventual))) === "staleRead",
    );
    expect(await codeOf(alone.search({ consistency: { level: "eventual" } }))).toBe("staleRead");
    await waitUntil("another primary", 30_000, () => primaryOf(cluster) !== old);
    await others.put("a", { year: 2 }, { timeoutMs: 30_000 });
    expect(await codeOf(alone.get("a", eventual))).toBe("staleRead");
    expect((await others.get("a", eventual))?.fields).toBeDefined();
    cluster.network.heal();
    await cluster.settled();
    expect((await alone.get("a", { consistency: "eventual" }))?.fields).toEqual({ year: 2 });
  });
});
