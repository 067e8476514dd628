import { connect, type Socket } from "node:net";
import { DEFAULT_LIMITS, type Limits } from "@prism/api/limits";
import { problemSchema } from "@prism/api/problem";
import { afterEach, describe, expect, it } from "vitest";
import type { ControlPlane } from "../../services/control-plane.js";
import { createCoordinator } from "../../services/coordinator.js";
import { FakeCluster, fakeMap } from "../../testing/fake-cluster.js";
import { startHttpServer, type HttpServer } from "./http-server.js";

const away: ControlPlane = {
  requestCollection: () => Promise.reject(new Error("not used here")),
  status: () => undefined,
  isConnected: () => false,
};

const servers: HttpServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close(1000)));
});

async function start(limits: Partial<Limits> = {}): Promise<{ cluster: FakeCluster; address: string }> {
  const cluster = new FakeCluster("n1", fakeMap());
  const all = { ...DEFAULT_LIMITS, ...limits };
  const coordinator = createCoordinator({
    view: cluster.view,
    calls: cluster,
    controlPlane: away,
    limits: all,
  });
  const server = await startHttpServer(
    { coordinator, limits: all, version: "0.1.0", report: () => {} },
    { host: "127.0.0.1", port: 0 },
  );
  servers.push(server);
  return { cluster, address: server.address };
}

function open(address: string): Socket {
  return connect(Number(address.split(":")[1]), "127.0.0.1");
}

/** Sends bytes and resolves with all that comes back until the other side closes. */
function exchange(address: string, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = open(address);
    let answer = "";
    socket.setTimeout(5000, () => reject(new Error(`no end of the answer: ${answer}`)));
    socket.on("data", (chunk) => (answer += chunk.toString()));
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
    socket.write(bytes);
  });
}

function problemOf(answer: string): string {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  const problem = problemSchema.parse(JSON.parse(body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1)));
  const isProblem = /content-type: application\/problem\+json\r\n/i.test(`${head}\r\n`);
  return isProblem && head.startsWith(`HTTP/1.1 ${problem.status} `) ? problem.code : head;
}

const DOCUMENT = "/api/v1/collections/speeches/documents/1";
const CLOSE = "Host: x\r\nConnection: close\r\n";

describe("what is no proper request", () => {
  it("is a problem too, with its code in a body of the same form", async () => {
    const { address } = await start();
    const put = `PUT ${DOCUMENT} HTTP/1.1\r\n${CLOSE}Content-Type: application/json\r\n`;
    const cases: [bytes: string, code: string][] = [
      ["nonsense\r\n\r\n", "invalidRequest"],
      ["FOO / HTTP/1.1\r\nHost: x\r\n\r\n", "invalidRequest"],
      [`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"a".repeat(100_000)}\r\n\r\n`, "limitExceeded"],
      ["GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n", "notFound"],
      [`TRACE /api/v1/status HTTP/1.1\r\n${CLOSE}\r\n`, "methodNotAllowed"],
      [`${put}Content-Length: 99999999999\r\n\r\n{}`, "bodyTooLarge"],
      [`${put}Content-Length: 2\r\nExpect: something\r\n\r\n{}`, "invalidRequest"],
      [`${put}Content-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}`, "unsupportedMediaType"],
    ];
    for (const [bytes, code] of cases) {
      expect(problemOf(await exchange(address, bytes)), bytes.slice(0, 60)).toBe(code);
    }
  });
});

describe("a client that goes away", () => {
  it("ends its search on the shards", async () => {
    const { cluster, address } = await start();
    const aborted = new Promise<void>((resolve) => {
      cluster.call = (_target, _call, _payload, options) =>
        new Promise((_, reject) => {
          options.signal?.addEventListener("abort", () => {
            resolve();
            reject(new Error("aborted"));
          });
        });
    });
    const socket = open(address);
    const body = '{"timeoutMs":60000}';
    socket.write(
      `POST /api/v1/collections/speeches/count HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
      () => socket.destroy(),
    );
    await aborted;
    expect(socket.destroyed).toBe(true);
  });

  it("in the middle of a bulk request leaves what it sent written, and the node well", async () => {
    const { cluster, address } = await start();
    const socket = open(address);
    const line = '{"id":"sent","document":{}}\n';
    const head =
      "POST /api/v1/collections/speeches/bulk HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n";
    const chunk = `${line.length.toString(16)}\r\n${line}\r\n`;
    socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk}`);
    const answered = await new Promise<string>((resolve) => {
      socket.once("data", (data) => resolve(data.toString()));
    });
    expect(answered).toContain("200 OK");
    socket.destroy();
    expect([...cluster.stores.values()].flatMap((store) => [...store.documents.keys()])).toEqual(["sent"]);
    const after = await exchange(address, `GET ${DOCUMENT.replace(/1$/, "sent")} HTTP/1.1\r\n${CLOSE}\r\n`);
    expect(after).toContain("200 OK");
  });
});

describe("a client that asks for signs of life", () => {
  const INTERIM = "HTTP/1.1 102 Processing\r\n\r\n";

  it("gets them while its answer is owed, and then the answer", async () => {
    const { cluster, address } = await start();
    cluster.conduct("n1", { kind: "frozen" });
    const head = `GET ${DOCUMENT}?timeoutMs=400 HTTP/1.1\r\n${CLOSE}`;
    const answer = await exchange(address, `${head}Prism-Progress: 50\r\n\r\n`);
    const signs = answer.split(INTERIM).length - 1;
    expect(signs).toBeGreaterThan(2);
    expect(signs).toBeLessThan(12);
    expect(problemOf(answer.slice(signs * INTERIM.length))).toBe("timeout");
    expect(await exchange(address, `${head}\r\n`)).not.toContain("102");
  });

  it("gets one at once for 0, which shows that the way carries them", async () => {
    const { address } = await start();
    const answer = await exchange(address, `GET /api/v1 HTTP/1.1\r\n${CLOSE}Prism-Progress: 0\r\n\r\n`);
    expect(answer.startsWith(INTERIM)).toBe(true);
    expect(problemOf(answer.slice(INTERIM.length))).toBe("notFound");
  });

  it("gets none over HTTP/1.0, which knows none", async () => {
    const { address } = await start();
    const answer = await exchange(address, `GET /api/v1 HTTP/1.0\r\nHost: x\r\nPrism-Progress: 0\r\n\r\n`);
    expect(answer.startsWith("HTTP/1.1 404")).toBe(true);
  });

  it.each(["soon", "-1", "5", "60001", "1.5", ""])("is told that %j is no time", async (value) => {
    const { address } = await start();
    const head = `GET ${DOCUMENT} HTTP/1.1\r\n${CLOSE}`;
    expect(problemOf(await exchange(address, `${head}Prism-Progress: ${value}\r\n\r\n`))).toBe(
      "invalidRequest",
    );
  });

  it("gets empty lines in a bulk's answer whose head is out", async () => {
    const { cluster, address } = await start();
    cluster.conduct("n1", { kind: "frozen" });
    const head = `POST /api/v1/collections/speeches/bulk?timeoutMs=400 HTTP/1.1\r\n${CLOSE}`;
    const body = '{"id":"a","document":{}}\n';
    const bulk = (more: string) =>
      exchange(
        address,
        `${head}${more}Content-Type: application/x-ndjson\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    const [answer, plain] = await Promise.all([bulk("Prism-Progress: 50\r\n"), bulk("")]);
    expect(answer).toContain("200 OK");
    // Chunks of one byte each.
    expect(answer.split("\r\n1\r\n\n").length).toBeGreaterThan(3);
    expect(answer).toContain('"summary"');
    expect(plain).not.toContain("\r\n1\r\n\n");
    expect(plain).toContain('"summary"');
  });
});

describe("a bulk body above the limit", () => {
  it("gets the answers of what was read, and the reason, on an open connection", async () => {
    const { address } = await start({ bulkBytes: 100_000 });
    const line = `${JSON.stringify({ id: "a", document: { title: "x".repeat(1000) } })}\n`;
    const body = line.repeat(300);
    const head = `POST /api/v1/collections/speeches/bulk HTTP/1.1\r\n${CLOSE}Content-Type: application/x-ndjson\r\n`;
    const answer = await exchange(address, `${head}Content-Length: ${body.length}\r\n\r\n${body}`);
    expect(answer).toContain('"code":"bodyTooLarge"');
    expect(answer).toContain('"summary"');
  });
});

describe("closing the server", () => {
  it("waits for a request that runs, and cuts it off at the time limit", async () => {
    const { cluster, address } = await start();
    cluster.conduct("n1", { kind: "frozen" });
    const running = exchange(address, `GET ${DOCUMENT}?timeoutMs=300 HTTP/1.1\r\n${CLOSE}\r\n`);
    const deadline = performance.now() + 2000;
    while (cluster.made.length === 0 && performance.now() < deadline) await new Promise(setImmediate);
    await servers.pop()!.close(5000);
    expect(problemOf(await running)).toBe("timeout");
  });
});
