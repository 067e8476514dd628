import { afterEach, describe, expect, it } from "vitest";
import { PrismClient } from "./prism-client.js";
import { FakeNode, sendJson, sendProblem, sessionToken, writeAnswer } from "./testing/fake-node.js";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

/** Nodes of which the first `refusing` can't meet any level; writes succeed at seq 3, reads show seq 7. */
async function cluster(nodes: number, refusing = 0): Promise<{ nodes: FakeNode[]; client: PrismClient }> {
  const started: FakeNode[] = [];
  for (let i = 0; i < nodes; i += 1) {
    const node = await FakeNode.start((request, response) => {
      if (request.method === "PUT") return sendJson(response, 201, writeAnswer("a", 3, "uid"));
      if (i < refusing) return sendProblem(response, "consistencyNotMet");
      const session = sessionToken("uid", 0, 7);
      if (request.path.includes("/documents?"))
        return sendJson(response, 200, { documents: [], cursor: null, session });
      if (request.method === "GET")
        return sendJson(response, 200, { id: "a", term: 1, seq: 1, fields: {}, session });
      return sendJson(response, 200, { results: [], session });
    });
    started.push(node);
    opened.push(node);
  }
  const endpoints = started.map(({ url }) => url);
  const client = new PrismClient({ endpoints, retryBaseDelayMs: 1, hedgeDelayMs: 0, routing: false });
  opened.push(client);
  return { nodes: started, client };
}

/** Of the last request: the parameters of its path, or the consistency of its body. */
function lastAsked(nodes: readonly FakeNode[]): unknown {
  const request = nodes.flatMap((node) => node.requests).at(-1)!;
  if (request.method === "POST") return (JSON.parse(request.body) as { consistency?: unknown }).consistency;
  return Object.fromEntries(new URL(request.path, "http://node").searchParams);
}

describe("the consistency of a read", () => {
  it("is a level alone, or a level with what belongs to it, the same for each kind of read", async () => {
    const { nodes, client } = await cluster(1);
    const notes = client.collection("notes");
    await notes.get("a", { consistency: "strong" });
    expect(lastAsked(nodes)).toEqual({ consistency: "strong" });
    notes.forgetSession();
    const bounded = { level: "bounded", maxStalenessMs: 500, allowDowngrade: true } as const;
    await notes.get("a", { consistency: bounded });
    const asked = { consistency: "bounded", maxStalenessMs: "500", allowDowngrade: "true" };
    expect(lastAsked(nodes)).toEqual(asked);
    notes.forgetSession();
    for await (const _ of notes.scan({ consistency: bounded })) expect.unreachable();
    expect(lastAsked(nodes)).toEqual({ ...asked, limit: "500" });
    notes.forgetSession();
    await notes.search({ consistency: bounded });
    expect(lastAsked(nodes)).toEqual(bounded);
    notes.forgetSession();
    await notes.count({ consistency: { level: "strong" } });
    expect(lastAsked(nodes)).toEqual({ level: "strong" });
  });

  it("has the client's session with it, but for eventual, so that reads never go back", async () => {
    const { nodes, client } = await cluster(1);
    const notes = client.collection("notes");
    await notes.put("a", {});
    const written = notes.session;
    await notes.get("a", { consistency: "strong" });
    expect(lastAsked(nodes)).toEqual({ consistency: "strong", session: written });
    expect(notes.session).not.toBe(written);
    await notes.search({ consistency: { level: "bounded", maxStalenessMs: 5 } });
    expect(lastAsked(nodes)).toEqual({ level: "bounded", maxStalenessMs: 5, session: notes.session });
    await notes.get("a", { consistency: "eventual" });
    expect(lastAsked(nodes)).toEqual({});
    await notes.get("a", { consistency: { level: "readYourWrites", session: "other" } });
    expect(lastAsked(nodes)).toEqual({ session: "other" });
  });

  it("is the same at the next node when one can't meet it", async () => {
    const { nodes, client } = await cluster(2, 1);
    for (let i = 0; i < 4; i += 1) {
      await client.collection("notes").get("a", { consistency: "strong" });
      await client.collection("notes").search({ consistency: { level: "bounded", maxStalenessMs: 9 } });
    }
    const [refusing, other] = nodes as [FakeNode, FakeNode];
    expect(refusing.requests.length).toBeGreaterThan(0);
    expect(other.requests).toHaveLength(8);
    for (const { path, body } of [...refusing.requests, ...other.requests]) {
      expect(`${path}${body}`).toMatch(/consistency=strong|"level":"bounded","maxStalenessMs":9/);
    }
  });

  it("that no node can meet fails as what it is", async () => {
    const { client } = await cluster(1, 1);
    const reading = client.collection("notes").get("a", { consistency: "strong", timeoutMs: 2000 });
    await expect(reading).rejects.toMatchObject({ code: "consistencyNotMet", executed: "no" });
  });

  it("is not of writes, which may wait until they are found", async () => {
    const { nodes, client } = await cluster(1);
    await client.collection("notes").put("a", {}, { waitFor: "searchable" });
    expect(lastAsked(nodes)).toEqual({ waitFor: "searchable" });
  });
});
