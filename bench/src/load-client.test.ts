import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { bulkRequest, checkBulkAnswer, checkSearchAnswer, jsonRequest, LoadClient } from "./load-client.js";

const servers: Server[] = [];
const clients: LoadClient[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const server of servers.splice(0)) server.close();
});

/** Answers each request with what `answer` makes of its number, as soon as `together` of them wait. */
async function serve(answer: (count: number) => { status: number; text: string }, together = 1) {
  const seen = { count: 0, mostWaiting: 0 };
  const waiting: (() => void)[] = [];
  const server = createServer((request, response) => {
    seen.count += 1;
    const { status, text } = answer(seen.count);
    request.resume();
    request.on("end", () => {
      waiting.push(() => response.writeHead(status).end(text));
      seen.mostWaiting = Math.max(seen.mostWaiting, waiting.length);
      if (waiting.length >= together) setImmediate(() => waiting.splice(0).forEach((send) => send()));
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const client = new LoadClient([`http://127.0.0.1:${(server.address() as AddressInfo).port}`], 8);
  clients.push(client);
  return { client, seen };
}

test("no more requests are in flight than wanted, and none is sent beyond the wanted number", async () => {
  const { client, seen } = await serve(() => ({ status: 200, text: "{}" }), 3);
  const run = await client.run(
    () => jsonRequest("/", {}),
    () => undefined,
    { inFlight: 3, durationMs: 20_000, maxRequests: 60 },
  );
  expect(run.requests).toBe(60);
  expect(run.latenciesMs).toHaveLength(60);
  expect(seen.count).toBe(60);
  expect(seen.mostWaiting).toBe(3);
});

test("a run ends when its time is over", async () => {
  const { client } = await serve(() => ({ status: 200, text: "{}" }));
  const run = await client.run(
    () => jsonRequest("/", {}),
    () => undefined,
    { inFlight: 2, durationMs: 50 },
  );
  expect(run.requests).toBeGreaterThan(0);
  expect(run.seconds).toBeGreaterThanOrEqual(0.05);
});

test("a run goes on beyond its time until there were as many requests as it must have", async () => {
  const { client } = await serve(() => ({ status: 200, text: "{}" }));
  const run = await client.run(
    () => jsonRequest("/", {}),
    () => undefined,
    { inFlight: 2, durationMs: 0, minRequests: 40 },
  );
  expect(run.requests).toBe(40);
});

test("a failure ends the run with the server's answer", async () => {
  const { client } = await serve((count) =>
    count < 5 ? { status: 200, text: "{}" } : { status: 503, text: "too few copies" },
  );
  const running = client.run(
    () => bulkRequest("/bulk", Buffer.from("{}\n")),
    () => undefined,
    { inFlight: 1, durationMs: 20_000 },
  );
  await expect(running).rejects.toThrow("POST /bulk: 503 too few copies");
});

test("an answer that is only in part a success is none", () => {
  const line = '{"line":1,"status":400,"error":{"code":"invalidJson"}}';
  expect(() => checkBulkAnswer('{"line":1}\n{"summary":{"lines":1,"failed":0,"tookMs":1}}\n')).not.toThrow();
  expect(() => checkBulkAnswer(`${line}\n{"summary":{"lines":1,"failed":1}}\n`)).toThrow("invalidJson");
  expect(() => checkBulkAnswer("")).toThrow("a bulk line failed");
  expect(() => checkSearchAnswer('{"tookMs":1,"complete":true}')).not.toThrow();
  expect(() => checkSearchAnswer('{"tookMs":1,"complete":false}')).toThrow("not complete");
});
