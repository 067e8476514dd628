import { afterEach, describe, expect, it } from "vitest";
import { PrismClient, type PrismClientOptions } from "./prism-client.js";
import { PrismError } from "./prism-error.js";
import { cut, FakeNode, sendJson, sendProblem, writeAnswer, type Handler } from "./testing/fake-node.js";

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
  const endpoints = nodes.map((node) => node.url);
  // A test counts requests: none is joined by another because this machine is slow.
  const usual = { routing: false, retryBaseDelayMs: 1, hedgeDelayMs: 0 };
  const client = new PrismClient({ endpoints, ...usual, ...options });
  opened.push(client);
  return client;
}

async function failureOf(promise: Promise<unknown>): Promise<PrismError> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(PrismError);
  return error as PrismError;
}

/** An address where nothing listens. */
async function deadUrl(): Promise<string> {
  const node = await FakeNode.start();
  const { url } = node;
  await node.close();
  return url;
}

const okWrite: Handler = (request, response) =>
  sendJson(response, 201, writeAnswer(request.path.split("/").pop() ?? ""));

describe("the endpoints", () => {
  it("are asked in turn", async () => {
    const nodes = [await nodeThat(), await nodeThat(), await nodeThat()];
    const client = clientOf(nodes);
    for (let i = 0; i < 9; i += 1) await client.status();
    expect(nodes.map((node) => node.requests.length)).toEqual([3, 3, 3]);
  });

  it("that do not answer are left alone while others work, and no call fails for them", async () => {
    const [a, b, dead] = [await nodeThat(), await nodeThat(), await nodeThat()];
    let triedDead = 0;
    dead.handle = (_request, response) => {
      triedDead += 1;
      cut(response);
    };
    const client = clientOf([a, b, dead]);
    for (let i = 0; i < 30; i += 1) await client.status();
    expect(a.requests.length + b.requests.length).toBe(30);
    // In less than the first pause of 500 ms it is tried once.
    expect(triedDead).toBe(1);
  });

  it("are tried all when all but one refuse connections", async () => {
    const node = await nodeThat();
    const client = clientOf([node], { endpoints: [await deadUrl(), await deadUrl(), node.url] });
    for (let i = 0; i < 3; i += 1) await client.status();
    expect(node.requests).toHaveLength(3);
  });

  it("that come back are used again", async () => {
    const [a, b] = [await nodeThat(), await nodeThat()];
    const client = clientOf([a, b]);
    const { port } = b;
    await b.close();
    for (let i = 0; i < 4; i += 1) await client.status();
    await b.listen(port);
    await expect
      .poll(async () => client.status().then(() => b.requests.length), { timeout: 5000 })
      .toBeGreaterThan(0);
  });

  it("must be base URLs of nodes", () => {
    for (const endpoints of [
      "localhost:3080",
      "ftp://a",
      "http://localhost:3080/api/v1",
      "http://me:secret@localhost",
      "http://localhost?x=1",
      [],
    ]) {
      expect(() => new PrismClient({ endpoints })).toThrow(TypeError);
    }
    expect(() => new PrismClient({ endpoints: "http://me:secret@localhost" })).not.toThrow(/secret/);
  });

  it.each([
    { timeoutMs: Number.NaN },
    { attemptTimeoutMs: 0 },
    { connectTimeoutMs: 0 },
    { silenceTimeoutMs: 49 },
    { silenceTimeoutMs: -1 },
    { silenceTimeoutMs: 60_001 },
    { hedgeDelayMs: -1 },
    { hedgeDelayMs: Number.POSITIVE_INFINITY },
    { retries: -1 },
    { retriesPerSecond: -1 },
    { connections: 0 },
  ])("refuses %j, and says of what it is", (options) => {
    const [name] = Object.keys(options);
    expect(() => new PrismClient({ endpoints: "http://a", ...options })).toThrow(RangeError);
    expect(() => new PrismClient({ endpoints: "http://a", ...options })).toThrow(`${name} must be`);
  });

  it("get the key that the client has, and none from one that has none", async () => {
    const node = await nodeThat();
    await clientOf([node], { apiKey: "k1" }).status();
    await clientOf([node]).status();
    expect(node.requests.map((request) => request.headers.authorization)).toEqual(["Bearer k1", undefined]);
  });
});

describe("a write whose answer is lost", () => {
  it("is sent again under the same Idempotency-Key", async () => {
    const node = await nodeThat((request, response, number) =>
      number === 1 ? cut(response) : okWrite(request, response, number),
    );
    const answer = await clientOf([node]).collection("notes").put("a", { n: 1 });
    expect(answer.result).toBe("created");
    const keys = node.requests.map((request) => request.headers["idempotency-key"]);
    expect(keys).toHaveLength(2);
    expect(keys[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(keys[1]).toBe(keys[0]);
    expect(node.requests.map((request) => request.body)).toEqual(['{"n":1}', '{"n":1}']);
  });

  it("is sent to another node", async () => {
    const cutting: Handler = (_request, response) => cut(response);
    const [a, b] = [await nodeThat(cutting), await nodeThat(cutting)];
    await failureOf(clientOf([a, b], { retries: 3 }).collection("notes").put("a", {}));
    expect([a.requests.length, b.requests.length]).toEqual([2, 2]);
  });

  it("that makes its id on the server carries a key as well", async () => {
    const node = await nodeThat((request, response, number) =>
      number === 1 ? cut(response) : okWrite(request, response, number),
    );
    await clientOf([node]).collection("notes").add({ n: 1 });
    const [first, second] = node.requests;
    expect(first?.method).toBe("POST");
    expect(first?.headers["idempotency-key"]).toBeDefined();
    expect(second?.headers["idempotency-key"]).toBe(first?.headers["idempotency-key"]);
  });

  it("uses the operation id that the caller gives", async () => {
    const node = await nodeThat(okWrite);
    await clientOf([node]).collection("notes").put("a", {}, { operationId: "mine" });
    expect(node.requests[0]?.headers["idempotency-key"]).toBe("mine");
  });

  it("stays of unknown outcome when later attempts reach nobody or are refused", async () => {
    const refused = await nodeThat((_request, response, number) =>
      number === 1 ? cut(response) : sendProblem(response, "notEnoughCopies", { "retry-after": "0" }),
    );
    const error = await failureOf(clientOf([refused], { retries: 2 }).collection("notes").put("a", {}));
    expect(error).toMatchObject({ code: "notEnoughCopies", executed: "unknown", attempts: 3, status: 503 });

    const gone = await nodeThat((_request, response) => {
      cut(response);
      void gone.close();
    });
    const lost = await failureOf(clientOf([gone], { retries: 2 }).collection("notes").put("a", {}));
    expect(lost).toMatchObject({ code: "unreachable", executed: "unknown", attempts: 3 });
  });

  it("is known not to have happened when every attempt was refused or reached nobody", async () => {
    const node = await nodeThat((_request, response) => sendProblem(response, "noPrimary"));
    const error = await failureOf(clientOf([node], { retries: 1 }).collection("notes").put("a", {}));
    expect(error).toMatchObject({
      code: "noPrimary",
      executed: "no",
      attempts: 2,
      requestId: "test-request",
    });
    const client = clientOf([], { endpoints: await deadUrl(), retries: 2 });
    expect(await failureOf(client.collection("notes").put("a", {}))).toMatchObject({
      code: "unreachable",
      executed: "no",
      attempts: 3,
    });
  });
});

describe("an error answer", () => {
  it("for good is not asked again, and says what to do", async () => {
    const node = await nodeThat((_request, response) => sendProblem(response, "collectionNotFound"));
    const error = await failureOf(clientOf([node]).collection("notes").search({}));
    expect(error).toMatchObject({ code: "collectionNotFound", status: 404, attempts: 1, retryable: false });
    expect(error.fix).toContain("Create it");
    expect(node.requests).toHaveLength(1);
  });

  it("with Retry-After is asked again not before that", async () => {
    const node = await nodeThat((_request, response, number) =>
      number === 1
        ? sendProblem(response, "tooManyRequests", { "retry-after": "1" })
        : sendJson(response, 200, {}),
    );
    await clientOf([node]).status();
    const [first, second] = node.requests;
    expect(second!.atMs - first!.atMs).toBeGreaterThanOrEqual(995);
  });

  it("with a Retry-After beyond the call's time ends the call at once", async () => {
    const node = await nodeThat((_request, response) =>
      sendProblem(response, "tooManyRequests", { "retry-after": "60" }),
    );
    const startedMs = performance.now();
    const error = await failureOf(clientOf([node], { timeoutMs: 5000 }).status());
    expect(error).toMatchObject({ code: "tooManyRequests", attempts: 1, retryable: true });
    expect(performance.now() - startedMs).toBeLessThan(2000);
  });

  it("of a node without room moves the calls to the others at once, and leaves it alone", async () => {
    const busy = await nodeThat((_request, response) =>
      sendProblem(response, "tooManyRequests", { "retry-after": "30" }),
    );
    const free = await nodeThat();
    const client = clientOf([busy, free]);
    const startedMs = performance.now();
    for (let i = 0; i < 12; i += 1) await client.status();
    expect(performance.now() - startedMs).toBeLessThan(5000);
    expect(busy.requests).toHaveLength(1);
    expect(free.requests).toHaveLength(12);
  });

  it("without a problem says which address is no node", async () => {
    const node = await nodeThat((_request, response) => {
      response.writeHead(404, { "content-type": "text/html" }).end("<h1>It works!</h1>");
    });
    const error = await failureOf(clientOf([node]).status());
    expect(error).toMatchObject({ code: "unexpectedAnswer", status: 404, attempts: 1 });
    expect(error.message).toContain(node.url);
  });

  it("of a code that this SDK does not know keeps what it says", async () => {
    const node = await nodeThat((_request, response) =>
      sendJson(response, 418, {
        code: "teapot",
        detail: "short and stout",
        retryable: false,
        executed: "no",
      }),
    );
    const error = await failureOf(clientOf([node]).collection("notes").put("a", {}));
    expect(error).toMatchObject({ code: "unexpectedAnswer", executed: "no", status: 418 });
    expect(error.message).toContain("teapot: short and stout");
  });

  it("that is a redirect or no JSON is no success", async () => {
    const redirecting = await nodeThat((_request, response) => {
      response.writeHead(302, { location: "/login" }).end();
    });
    expect(await failureOf(clientOf([redirecting]).status())).toMatchObject({ code: "unexpectedAnswer" });
    const page = await nodeThat((_request, response) => {
      response.writeHead(200).end("<html>");
    });
    expect(await failureOf(clientOf([page]).status())).toMatchObject({
      code: "unexpectedAnswer",
      status: 200,
    });
  });

  it("to many calls at once makes no more requests than each call's attempts", async () => {
    const node = await nodeThat((_request, response) =>
      sendProblem(response, "clusterNotReady", { "retry-after": "0" }),
    );
    const client = clientOf([node], { retries: 2 });
    const errors = await Promise.all(
      Array.from({ length: 40 }, (_, i) => failureOf(client.collection("notes").put(`${i}`, {}))),
    );
    expect(errors.every((error) => error.attempts === 3 && error.executed === "no")).toBe(true);
    expect(node.requests).toHaveLength(120);
  });
});

describe("the retry budget", () => {
  it("bounds what a cluster that refuses everything is asked again: calls without a turn end as refused", async () => {
    const node = await nodeThat((_request, response) =>
      sendProblem(response, "clusterNotReady", { "retry-after": "0" }),
    );
    const client = clientOf([node], { retries: 4, retriesPerSecond: 0 });
    const calls = 100;
    const errors = await Promise.all(
      Array.from({ length: calls }, (_, i) => failureOf(client.collection("notes").put(`${i}`, {}))),
    );
    expect(errors.every((error) => error.code === "clusterNotReady" && error.executed === "no")).toBe(true);
    // 100 saved up, and a fifth of the calls.
    expect(node.requests.length).toBeLessThanOrEqual(calls + 100 + calls / 5);
    expect(node.requests.length).toBeGreaterThan(calls + 90);
  });
});

describe("time", () => {
  const silent: Handler = () => undefined;

  it("of one attempt ends, and another node is asked within the call's time", async () => {
    const [slow, quick] = [await nodeThat(silent), await nodeThat()];
    const client = clientOf([slow, quick], { attemptTimeoutMs: 150, timeoutMs: 5000 });
    await client.status();
    await client.status();
    expect(slow.requests).toHaveLength(1);
    expect(quick.requests).toHaveLength(2);
  });

  it("of the call ends it whatever attempts remain", async () => {
    const node = await nodeThat(silent);
    const client = clientOf([node], { attemptTimeoutMs: 100, timeoutMs: 350, retries: 100 });
    const startedMs = performance.now();
    const error = await failureOf(client.collection("notes").put("a", {}));
    const tookMs = performance.now() - startedMs;
    expect(error).toMatchObject({ code: "deadlineExceeded", executed: "unknown" });
    expect(error.attempts).toBeGreaterThanOrEqual(3);
    // The time may end while the last one opens its connection.
    expect(error.attempts - node.requests.length).toBeOneOf([0, 1]);
    expect(tookMs).toBeGreaterThanOrEqual(345);
    expect(tookMs).toBeLessThan(2000);
  });

  it("of the call that ends while nodes have refused it ends it as refused", async () => {
    const node = await nodeThat((_request, response, number) => {
      if (number === 1) sendProblem(response, "consistencyNotMet");
    });
    const read = clientOf([node]).collection("notes").get("a", { timeoutMs: 1500 });
    expect(await failureOf(read)).toMatchObject({ code: "consistencyNotMet", executed: "no", attempts: 2 });
    expect(node.requests).toHaveLength(2);
  });

  it("of a read that got no answer changed nothing", async () => {
    const node = await nodeThat(silent);
    const error = await failureOf(clientOf([node]).collection("notes").search({}, { timeoutMs: 50 }));
    expect(error).toMatchObject({ code: "deadlineExceeded", executed: "no", attempts: 1 });
  });

  it("that a search asks for is given to it, beyond the attempt's and the call's usual", async () => {
    const node = await nodeThat((_request, response) => {
      setTimeout(() => sendJson(response, 200, { session: "", results: [] }), 300);
    });
    const client = clientOf([node], { attemptTimeoutMs: 100, timeoutMs: 200 });
    await client.collection("notes").search({ timeoutMs: 500 });
    expect(node.requests).toHaveLength(1);
  });

  it("goes on for an answer that stops in the middle", async () => {
    const node = await nodeThat((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" }).write('{"half":');
    });
    const error = await failureOf(clientOf([node], { attemptTimeoutMs: 100, retries: 1 }).status());
    expect(error).toMatchObject({ code: "deadlineExceeded", attempts: 2 });
  });
});

describe("a caller who gives up", () => {
  it("in the middle of an attempt ends it, and nothing more is sent", async () => {
    const abort = new AbortController();
    const node = await nodeThat(() => abort.abort(new Error("enough")));
    const error = await failureOf(
      clientOf([node]).collection("notes").put("a", {}, { signal: abort.signal }),
    );
    expect(error).toMatchObject({ code: "aborted", executed: "unknown", attempts: 1, retryable: false });
    expect((error.cause as Error).message).toBe("enough");
    expect(node.requests).toHaveLength(1);
  });

  it("between two attempts ends the pause at once", async () => {
    const abort = new AbortController();
    const node = await nodeThat((_request, response) => {
      sendProblem(response, "noPrimary", { "retry-after": "20" });
      setTimeout(() => abort.abort(), 50);
    });
    const startedMs = performance.now();
    const error = await failureOf(clientOf([node]).status({ signal: abort.signal }));
    expect(error).toMatchObject({ code: "aborted", executed: "no", attempts: 1 });
    expect(performance.now() - startedMs).toBeLessThan(5000);
    expect(node.requests).toHaveLength(1);
  });

  it("before the call sends nothing", async () => {
    const node = await nodeThat();
    const error = await failureOf(clientOf([node]).status({ signal: AbortSignal.abort() }));
    expect(error).toMatchObject({ code: "aborted", executed: "no", attempts: 0 });
    expect(node.requests).toHaveLength(0);
  });

  it("by closing the client ends calls that pause, and refuses new ones", async () => {
    const node = await nodeThat((_request, response) =>
      sendProblem(response, "noPrimary", { "retry-after": "20" }),
    );
    const client = clientOf([node]);
    const call = failureOf(client.status());
    await expect.poll(() => node.requests.length).toBe(1);
    await client.close();
    expect(await call).toMatchObject({ code: "aborted" });
    expect(await failureOf(client.status())).toMatchObject({ code: "aborted", attempts: 0 });
    await client.close();
    expect(node.requests).toHaveLength(1);
  });
});

describe("a collection", () => {
  it("whose deletion lost its answer is deleted when it is not found afterwards", async () => {
    const node = await nodeThat((_request, response, number) =>
      number === 1 ? cut(response) : sendProblem(response, "collectionNotFound"),
    );
    await clientOf([node]).deleteCollection("notes");
    expect(node.requests).toHaveLength(2);
  });

  it("that never was is not deleted", async () => {
    const node = await nodeThat((_request, response) => sendProblem(response, "collectionNotFound"));
    expect(await failureOf(clientOf([node]).deleteCollection("notes"))).toMatchObject({
      code: "collectionNotFound",
    });
  });

  it("takes ids with any characters, and no empty one", async () => {
    const node = await nodeThat(okWrite);
    const notes = clientOf([node]).collection("notes");
    await notes.put("a/b?c=ü %", {});
    expect(node.requests[0]?.path).toBe("/collections/notes/documents/a%2Fb%3Fc%3D%C3%BC%20%25");
    await expect(notes.put("", {})).rejects.toThrow(TypeError);
    await expect(notes.put("a", {}, { operationId: "a\nb" })).rejects.toThrow(TypeError);
    expect(node.requests).toHaveLength(1);
  });

  it("answers undefined for a document that is not there", async () => {
    const node = await nodeThat((_request, response) => sendProblem(response, "documentNotFound"));
    expect(await clientOf([node]).collection("notes").get("a")).toBeUndefined();
  });

  it("takes a version with its quotes or without", async () => {
    const node = await nodeThat(okWrite);
    const notes = clientOf([node]).collection("notes");
    await notes.put("a", {}, { ifMatch: "1.2" });
    await notes.put("a", {}, { ifMatch: '"1.2"' });
    expect(node.requests.map((request) => request.headers["if-match"])).toEqual(['"1.2"', '"1.2"']);
  });
});
