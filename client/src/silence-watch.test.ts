import { afterEach, describe, expect, it } from "vitest";
import { PrismClient } from "./prism-client.js";
import { FakeNode, sendJson, writeAnswer, type Handler } from "./testing/fake-node.js";

const ATTEMPT_TIMEOUT_MS = 20_000;
const SILENCE_TIMEOUT_MS = 200;

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function clientOf(handlers: readonly Handler[]): Promise<[PrismClient, ...FakeNode[]]> {
  const nodes: FakeNode[] = [];
  for (const handle of handlers) nodes.push(await FakeNode.start(handle));
  const client = new PrismClient({
    endpoints: nodes.map((node) => node.url),
    routing: false,
    attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
    silenceTimeoutMs: SILENCE_TIMEOUT_MS,
    retryBaseDelayMs: 1,
  });
  opened.push(...nodes, client);
  return [client, ...nodes];
}

const answersWrites: Handler = (request, response) =>
  sendJson(response, 201, writeAnswer(request.path.split("/").pop() ?? ""));
/** As a frozen process: its system takes the connection and the request. */
const isFrozen: Handler = () => undefined;

describe("a node that takes connections and answers nothing", () => {
  it("is given up for another one long before the attempt's time is over, under the same operation id", async () => {
    const [client, frozen, awake] = await clientOf([isFrozen, answersWrites]);
    const startMs = performance.now();
    // Endpoints are asked in turn: one of two calls goes to the frozen node first.
    for (const id of ["a", "b"]) await client.collection("c").put(id, {});
    expect(performance.now() - startMs).toBeLessThan(ATTEMPT_TIMEOUT_MS / 2);
    const [silent] = frozen!.requests.filter(({ method }) => method === "PUT");
    const again = awake!.requests.find(({ path }) => path === silent!.path);
    expect(again!.headers["idempotency-key"]).toBe(silent!.headers["idempotency-key"]);
  });

  it("is told from one that takes long over a call and answers a probe", async () => {
    const slow: Handler = async (request, response) => {
      if (request.method === "PUT") await new Promise((done) => setTimeout(done, 4 * SILENCE_TIMEOUT_MS));
      sendJson(response, 201, writeAnswer("a"));
    };
    const [client, ...nodes] = await clientOf([slow, slow]);
    await client.collection("c").put("a", {});
    const asked = nodes.map(({ requests }) => requests.map(({ method }) => method));
    expect(asked.flat().filter((method) => method === "PUT")).toHaveLength(1);
    expect(asked.flat()).toContain("GET");
  });

  it("is waited for when there is no other one", async () => {
    const late: Handler = async (_request, response) => {
      await new Promise((done) => setTimeout(done, 3 * SILENCE_TIMEOUT_MS));
      sendJson(response, 201, writeAnswer("a"));
    };
    const [client, only] = await clientOf([late]);
    await client.collection("c").put("a", {});
    expect(only!.requests).toHaveLength(1);
  });
});
