import { decodeSession } from "@prism/api/session";
import { Ring } from "@prism/proto/contract/ring";
import { afterEach, describe, expect, it } from "vitest";
import { PrismClient, type PrismClientOptions } from "./prism-client.js";
import {
  bulkAnswer,
  FakeNode,
  sendJson,
  sendNdjson,
  sendProblem,
  sessionToken,
  writeAnswer,
  type Handler,
} from "./testing/fake-node.js";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function nodeThat(handle?: Handler): Promise<FakeNode> {
  const node = await FakeNode.start(handle);
  opened.push(node);
  return node;
}

function clientOf(nodes: readonly FakeNode[], options: Partial<PrismClientOptions> = {}): PrismClient {
  const client = new PrismClient({
    endpoints: nodes.map((node) => node.url),
    retryBaseDelayMs: 1,
    hedgeDelayMs: 0,
    ...options,
  });
  opened.push(client);
  return client;
}

/** Positions of a session token as {collectionUid: {shard: seq}}. */
function seen(token: unknown): Record<string, Record<string, number>> {
  if (typeof token !== "string") return {};
  return Object.fromEntries(
    [...decodeSession(token)].map(([uid, shards]) => [
      uid,
      Object.fromEntries([...shards].map(([shard, { seq }]) => [shard, seq])),
    ]),
  );
}

/** A little API: writes answer with a growing seq, searches with what they were given. */
function api(uid = "uid"): Handler {
  let seq = 0;
  return (request, response) => {
    seq += 1;
    if (request.path.includes("/search") || request.path.includes("/count")) {
      const { consistency } = JSON.parse(request.body) as { consistency?: { session?: string } };
      return sendJson(response, 200, { results: [], session: consistency?.session ?? "" });
    }
    if (request.path.endsWith("/bulk"))
      return sendNdjson(response, bulkAnswer(request.body, undefined, sessionToken(uid, 5, seq)));
    if (request.method === "GET" && request.path.includes("/documents?"))
      return sendJson(response, 200, { documents: [], cursor: null });
    if (request.method === "GET") return sendJson(response, 200, { id: "a", term: 1, seq: 1, fields: {} });
    return sendJson(response, 201, writeAnswer("a", seq, uid));
  };
}

function lastBody(node: FakeNode): { consistency?: { level?: string; session?: string } } {
  return JSON.parse(node.requests.at(-1)?.body ?? "{}") as object;
}

describe("the session", () => {
  it("is merged from writes and bulks, and sent with every read", async () => {
    const node = await nodeThat(api());
    const notes = clientOf([node], { routing: false }).collection("notes");
    await notes.search({});
    expect(lastBody(node).consistency).toBeUndefined();
    await notes.put("a", {});
    const report = await notes.bulk([{ id: "b", document: {} }]);
    expect(seen(report.session)).toEqual({ uid: { 0: 2, 5: 3 } });
    await notes.search({});
    expect(lastBody(node).consistency).toEqual({ level: "readYourWrites", session: report.session });
    await notes.count();
    expect(lastBody(node).consistency?.session).toBe(report.session);
    await notes.get("a");
    for await (const _document of notes.scan()) expect.unreachable();
    for (const request of node.requests.slice(-2)) {
      expect(new URLSearchParams(request.path.split("?")[1]).get("session")).toBe(report.session);
    }
  });

  it("gives way to what a read asks for itself", async () => {
    const node = await nodeThat(api());
    const notes = clientOf([node], { routing: false }).collection("notes");
    await notes.search({ consistency: { level: "readYourWrites" } });
    expect(lastBody(node).consistency).toBeUndefined();
    await notes.put("a", {});
    await notes.search({ consistency: { level: "eventual" } });
    expect(lastBody(node).consistency).toEqual({ level: "eventual" });
    await notes.search({ consistency: { level: "readYourWrites" } });
    expect(lastBody(node).consistency?.session).toBe(notes.session);
    await notes.get("a", { consistency: "eventual" });
    expect(node.requests.at(-1)?.path).toBe("/collections/notes/documents/a");
  });

  it("goes to another client, and holds nothing of other collections where it was not joined", async () => {
    const node = await nodeThat((request, response, number) =>
      api(request.path.includes("notes") ? "u-notes" : "u-songs")(request, response, number),
    );
    const first = clientOf([node], { routing: false });
    await first.collection("notes").put("a", {});
    await first.collection("songs").put("a", {});
    await first.collection("notes").search({});
    expect(Object.keys(seen(lastBody(node).consistency?.session))).toEqual(["u-notes"]);
    expect(Object.keys(seen(first.session)).sort()).toEqual(["u-notes", "u-songs"]);

    const second = clientOf([node], { routing: false });
    second.joinSession(first.session);
    await second.collection("songs").search({});
    expect(lastBody(node).consistency?.session).toBe(first.session);
    expect(() => second.joinSession("nonsense")).toThrow(TypeError);
  });

  it("of a lost history is refused until it is forgotten", async () => {
    const plain = api();
    const node = await nodeThat((request, response, number) =>
      request.body.includes("readYourWrites")
        ? sendProblem(response, "historyLost")
        : plain(request, response, number),
    );
    const notes = clientOf([node], { routing: false }).collection("notes");
    await notes.put("a", {});
    await expect(notes.search({})).rejects.toMatchObject({
      code: "historyLost",
      retryable: false,
      attempts: 1,
    });
    notes.forgetSession();
    await notes.search({});
    expect(lastBody(node).consistency).toBeUndefined();
  });

  it("of a collection ends with its deletion", async () => {
    const node = await nodeThat(api());
    const client = clientOf([node], { routing: false });
    await client.collection("notes").put("a", {});
    await client.deleteCollection("notes");
    expect(client.session).toBe("");
  });
});

function routingOf(primaryUrls: readonly (string | null)[], shardKey: string | null = null): unknown {
  return {
    collection: "notes",
    collectionUid: "uid",
    revision: 1,
    shardKey,
    ring: { algorithm: "xxh32-ring-64", virtualNodes: 64 },
    shards: primaryUrls.map((httpUrl, number) => ({
      number,
      term: 1,
      primary: httpUrl === null ? null : { node: `n${number}`, zone: "a", httpUrl },
      copies: [],
    })),
  };
}

/** The routing is asked for in the background, at the first call. */
async function withRouting(client: PrismClient, entry: FakeNode): Promise<void> {
  await client.collection("notes").put("first", { party: "x" });
  await expect.poll(() => entry.routingRequests.length).toBe(1);
  // Its answer is here when a later answer on the same endpoint is.
  await client.status();
  await client.status();
}

describe("routing", () => {
  it("sends calls of a document straight to its primary, by the ring that the cluster has", async () => {
    const entry = await nodeThat(api());
    const primaries = [await nodeThat(api()), await nodeThat(api()), await nodeThat(api())];
    entry.routing = routingOf(primaries.map((node) => node.url));
    const client = clientOf([entry], { apiKey: "k1" });
    await withRouting(client, entry);
    const ring = new Ring(3);
    const expected = [0, 0, 0];
    for (let i = 0; i < 20; i += 1) {
      await client.collection("notes").put(`id-${i}`, {});
      await client.collection("notes").get(`id-${i}`);
      expected[ring.shardOf(`id-${i}`)]! += 2;
    }
    expect(primaries.map((node) => node.requests.length)).toEqual(expected);
    expect(primaries[0]?.requests[0]?.headers.authorization).toBe("Bearer k1");
    expect(entry.routingRequests).toHaveLength(1);
  });

  it("goes by the shard key, from the document or the option, and by no node without it", async () => {
    const entry = await nodeThat(api());
    const primaries = [await nodeThat(api()), await nodeThat(api())];
    entry.routing = routingOf(
      primaries.map((node) => node.url),
      "party",
    );
    const client = clientOf([entry]);
    await withRouting(client, entry);
    const notes = client.collection("notes");
    const owner = new Ring(2).shardOf("Whig");
    await notes.put("1", { party: "Whig" });
    await notes.delete("1", { shardKey: "Whig" });
    await notes.get("1", { shardKey: "Whig" });
    expect(primaries[owner]?.requests).toHaveLength(3);
    const before = entry.requests.length;
    await notes.get("1");
    expect(entry.requests.length).toBe(before + 1);
  });

  it("falls back to the endpoints when the primary's address is out of reach, and leaves it alone", async () => {
    const entry = await nodeThat(api());
    const away = await nodeThat(api());
    const { url } = away;
    await away.close();
    entry.routing = routingOf([url]);
    const client = clientOf([entry]);
    await withRouting(client, entry);
    const before = entry.requests.length;
    for (let i = 0; i < 5; i += 1) await client.collection("notes").put(`id-${i}`, {});
    expect(entry.requests.length).toBe(before + 5);
  });

  it("gives up a primary that is silent, for the one endpoint, which may be a Service before all nodes", async () => {
    const entry = await nodeThat(api());
    const frozen = await nodeThat(() => {
      frozen.isFrozen = true;
    });
    entry.routing = routingOf([frozen.url]);
    const client = clientOf([entry], { silenceTimeoutMs: 200, attemptTimeoutMs: 20_000 });
    await withRouting(client, entry);
    const startMs = performance.now();
    await client.collection("notes").put("a", {});
    expect(performance.now() - startMs).toBeLessThan(10_000);
    const [silent] = frozen.requests.filter(({ method }) => method === "PUT");
    expect(entry.requests.at(-1)?.headers["idempotency-key"]).toBe(silent?.headers["idempotency-key"]);
  });

  it("asks the endpoint beside a primary to which no connection can be made, and gives that up", async () => {
    const entry = await nodeThat(api());
    const frozen = await nodeThat(api());
    entry.routing = routingOf([frozen.url]);
    const client = clientOf([entry], { connectTimeoutMs: 20_000, hedgeDelayMs: 10_000, retriesPerSecond: 0 });
    await withRouting(client, entry);
    frozen.isFrozen = true;
    const startMs = performance.now();
    // More than the retry budget has: nothing is sent twice.
    const ids = Array.from({ length: 150 }, (_, i) => `${i}`);
    await Promise.all(ids.map(async (id) => client.collection("notes").put(id, {})));
    expect(performance.now() - startMs).toBeLessThan(9000);
    expect(frozen.requests).toHaveLength(0);
  });

  it("asks another node when the primary is none any more", async () => {
    const entry = await nodeThat(api());
    const former = await nodeThat((_request, response) =>
      sendProblem(response, "noPrimary", { "retry-after": "0" }),
    );
    entry.routing = routingOf([former.url]);
    const client = clientOf([entry]);
    await withRouting(client, entry);
    await client.collection("notes").put("a", {});
    expect(former.requests).toHaveLength(1);
    expect(entry.requests.at(-1)?.path).toBe("/collections/notes/documents/a");
    expect(entry.requests.at(-1)?.headers["idempotency-key"]).toBe(
      former.requests[0]?.headers["idempotency-key"],
    );
  });

  it("that can't be had is not asked for with every call", async () => {
    const entry = await nodeThat(api());
    const client = clientOf([entry]);
    await withRouting(client, entry);
    for (let i = 0; i < 10; i += 1) await client.collection("notes").put(`id-${i}`, {});
    expect(entry.routingRequests).toHaveLength(1);
  });

  it("of an arithmetic that this SDK does not know is left to the nodes", async () => {
    const entry = await nodeThat(api());
    const primary = await nodeThat(api());
    entry.routing = {
      ...(routingOf([primary.url]) as object),
      ring: { algorithm: "another", virtualNodes: 1 },
    };
    const client = clientOf([entry]);
    await withRouting(client, entry);
    await client.collection("notes").put("a", {});
    expect(primary.requests).toHaveLength(0);
  });
});
