import { afterEach, describe, expect, it } from "vitest";
import { PrismClient, type PrismClientOptions } from "./prism-client.js";
import type { PrismError } from "./prism-error.js";
import { FakeNode, sendJson, sendProblem, writeAnswer, type Handler } from "./testing/fake-node.js";
import { ServiceAddress } from "./testing/service-address.js";

/** Waiting it out would fail these tests by their own time limit. */
const ATTEMPT_TIMEOUT_MS = 120_000;
const SILENCE_TIMEOUT_MS = 300;
const CALLS = 24;

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

const answers: Handler = (request, response) => {
  if (request.method === "PUT") sendJson(response, 201, writeAnswer(request.path.split("/").pop() ?? ""));
  else sendJson(response, 200, { results: [], session: "" });
};

interface Setup {
  readonly client: PrismClient;
  readonly nodes: readonly FakeNode[];
  readonly service: ServiceAddress;
}

/** Three nodes behind one address, and a client that knows no other. */
async function setUp(options: Partial<PrismClientOptions> = {}): Promise<Setup> {
  const nodes = [await FakeNode.start(answers), await FakeNode.start(answers), await FakeNode.start(answers)];
  const service = await ServiceAddress.start(nodes.map(({ port }) => port));
  const client = new PrismClient({
    endpoints: service.url,
    routing: false,
    timeoutMs: ATTEMPT_TIMEOUT_MS,
    attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
    silenceTimeoutMs: SILENCE_TIMEOUT_MS,
    hedgeDelayMs: 0,
    retryBaseDelayMs: 1,
    ...options,
  });
  opened.push(...nodes, service, client);
  return { client, nodes, service };
}

/** Puts at once, hence over several connections. */
async function putMany(client: PrismClient, round: string): Promise<void> {
  const ids = Array.from({ length: CALLS }, (_, i) => `${round}-${i}`);
  await Promise.all(ids.map(async (id) => client.collection("c").put(id, {})));
}

/** Operation ids by document, of all nodes. */
function operationIds(nodes: readonly FakeNode[]): Map<string, Set<unknown>> {
  const ids = new Map<string, Set<unknown>>();
  for (const { requests } of nodes)
    for (const { path, headers } of requests)
      ids.set(path, (ids.get(path) ?? new Set()).add(headers["idempotency-key"]));
  return ids;
}

describe("a node behind the one address of a Service", () => {
  it.each(["cut off", "frozen"])(
    "that is %s costs calls the time of its silence, and none fails: each goes on under its operation id",
    async (how) => {
      const { client, nodes, service } = await setUp();
      await putMany(client, "before");
      const [gone] = nodes as [FakeNode];
      if (how === "cut off") service.cut(gone.port);
      else gone.isFrozen = true;
      const held = service.connectionsTo(gone.port);
      expect(held).toBeGreaterThan(0);
      await putMany(client, "after");
      const sent = operationIds(nodes);
      expect(sent.size).toBe(2 * CALLS);
      expect([...sent.values()].every((ids) => ids.size === 1)).toBe(true);
      // Its connections are gone, and are not what later calls wait for.
      await expect.poll(() => service.connectionsTo(gone.port), { timeout: 10_000 }).toBe(0);
      const requestsOfGone = gone.requests.length;
      await putMany(client, "later");
      expect(gone.requests).toHaveLength(requestsOfGone);
    },
    60_000,
  );

  it("that is gone is met once by a call, however many connections that are idle lead to it", async () => {
    const { client, nodes, service } = await setUp({ retries: 1 });
    const [gone, ...others] = nodes as [FakeNode, ...FakeNode[]];
    service.leadTo([gone.port]);
    await putMany(client, "before");
    expect(service.connectionsTo(gone.port)).toBeGreaterThan(3);
    service.leadTo(others.map(({ port }) => port));
    service.cut(gone.port);
    await client.collection("c").put("a", {});
    expect(others.flatMap(({ requests }) => requests)).toHaveLength(1);
  });

  it("that takes long is told from one that is gone: the call is sent once, and waited for", async () => {
    const { client, nodes } = await setUp();
    for (const node of nodes)
      node.handle = async (request, response, number) => {
        await new Promise((done) => setTimeout(done, 4 * SILENCE_TIMEOUT_MS));
        await answers(request, response, number);
      };
    await client.collection("c").put("a", {});
    expect(nodes.flatMap(({ requests }) => requests)).toHaveLength(1);
  });

  it("that is gone while a call waits that may not be repeated: nothing is sent again", async () => {
    const { client, nodes } = await setUp({ timeoutMs: 4 * SILENCE_TIMEOUT_MS });
    for (const node of nodes)
      node.handle = () => {
        node.isFrozen = true;
      };
    const wish = { confirm: "c/0" };
    const failed = client.collection("c").acceptDataLoss(0, wish);
    await expect(failed).rejects.toMatchObject({
      code: "deadlineExceeded",
      executed: "unknown",
      attempts: 1,
    });
    expect(nodes.flatMap(({ requests }) => requests)).toHaveLength(1);
  });

  it("that comes back is used again, with new connections", async () => {
    const { client, nodes, service } = await setUp();
    const [gone] = nodes as [FakeNode];
    await putMany(client, "before");
    service.cut(gone.port);
    await putMany(client, "during");
    service.heal(gone.port);
    // Connections are kept while they work: only when the others do not is there a need for new ones.
    service.leadTo([gone.port]);
    for (const node of nodes.slice(1)) node.isFrozen = true;
    await putMany(client, "after");
    // Some may have been sent twice on a machine that is busy: under the same operation id.
    const after = gone.requests.filter(({ path }) => path.includes("/after-")).map(({ path }) => path);
    expect(new Set(after).size).toBe(CALLS);
  }, 60_000);

  it("where all are frozen fails calls as their time is over, as not executed where nothing could be sent", async () => {
    const { client, nodes } = await setUp({ timeoutMs: 900, connectTimeoutMs: 200 });
    for (const node of nodes) node.isFrozen = true;
    const error = (await client
      .collection("c")
      .put("a", {})
      .catch((thrown: unknown) => thrown)) as PrismError;
    expect(error).toMatchObject({ executed: "no", retryable: true });
    expect(["unreachable", "deadlineExceeded"]).toContain(error.code);
    expect(nodes.flatMap(({ requests }) => requests)).toHaveLength(0);
  });
});

describe("a second attempt beside a slow one", () => {
  const HEDGE_DELAY_MS = 150;

  it("is made once, under the same operation id, and the first answer counts", async () => {
    const { client, nodes } = await setUp({ hedgeDelayMs: HEDGE_DELAY_MS });
    let number = 0;
    for (const node of nodes)
      node.handle = async (request, response, count) => {
        number += 1;
        if (number > 1) await answers(request, response, count);
      };
    const written = await client.collection("c").put("a", {});
    expect(written.id).toBe("a");
    const sent = nodes.flatMap(({ requests }) => requests);
    expect(sent).toHaveLength(2);
    expect(sent[0]!.headers["idempotency-key"]).toBe(sent[1]!.headers["idempotency-key"]);
  });

  it("leaves it open what the first did when it is refused itself", async () => {
    const { client, nodes } = await setUp({ hedgeDelayMs: HEDGE_DELAY_MS });
    let number = 0;
    for (const node of nodes)
      node.handle = (_request, response) => {
        number += 1;
        if (number > 1) sendProblem(response, "documentExists");
      };
    const created = client.collection("c").create("a", {});
    await expect(created).rejects.toMatchObject({ code: "documentExists", executed: "unknown", attempts: 1 });
  });

  it("finds another node where signs of life do not come through", async () => {
    const { client, nodes, service } = await setUp({ hedgeDelayMs: HEDGE_DELAY_MS });
    for (const node of nodes) node.showsProgress = false;
    const [gone, ...others] = nodes as [FakeNode, ...FakeNode[]];
    // All connections that are idle lead to the one that goes.
    service.leadTo([gone.port]);
    await putMany(client, "before");
    service.leadTo(others.map(({ port }) => port));
    service.cut(gone.port);
    await client.collection("c").put("a", {});
    expect(others.flatMap(({ requests }) => requests)).toHaveLength(1);
  }, 60_000);

  it("is not made beyond the budget: when all nodes are slow, they get a fraction more", async () => {
    const { client, nodes } = await setUp({
      hedgeDelayMs: HEDGE_DELAY_MS,
      // A repeat is what this counts: none for another reason.
      silenceTimeoutMs: 0,
      retriesPerSecond: 0,
      connections: 256,
    });
    for (const node of nodes)
      node.handle = async (request, response, number) => {
        await new Promise((done) => setTimeout(done, 4 * HEDGE_DELAY_MS));
        await answers(request, response, number);
      };
    const calls = 200;
    const ids = Array.from({ length: calls }, (_, i) => `${i}`);
    await Promise.all(ids.map(async (id) => client.collection("c").put(id, {})));
    const sent = nodes.reduce((sum, { requests }) => sum + requests.length, 0);
    // 100 saved up, and a fifth of the calls.
    expect(sent).toBeLessThanOrEqual(calls + 100 + calls / 5);
    expect(sent).toBeGreaterThan(calls);
  }, 60_000);

  it("is not made for calls without retries, for bulk, and for what was given longer", async () => {
    const { client, nodes } = await setUp({ hedgeDelayMs: 50, attemptTimeoutMs: 2000 });
    for (const node of nodes)
      node.handle = async (request, response, number) => {
        await new Promise((done) => setTimeout(done, 300));
        if (request.path.endsWith("/bulk")) sendProblem(response, "collectionNotFound");
        else await answers(request, response, number);
      };
    const endpoints = nodes.map(({ url }) => url);
    const patient = new PrismClient({ endpoints, routing: false, retries: 0, hedgeDelayMs: 50 });
    opened.push(patient);
    await patient.collection("c").put("a", {});
    await client.collection("c").search({ timeoutMs: 5000 });
    await client
      .collection("c")
      .bulk([{ id: "a", document: {} }])
      .catch(() => undefined);
    expect(nodes.flatMap(({ requests }) => requests)).toHaveLength(3);
  });
});
