/** A real HTTP server on a free port that answers as a test says, and writes down what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { encodeSession } from "@prism/api/session";
import { Problem, type ProblemCode } from "@prism/api/problem-code";
import { toProblemBody } from "@prism/api/problem";

export interface SeenRequest {
  readonly method: string;
  /** Below /api/v1, with its query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly atMs: number;
}

/** Answers one request; `number` counts those that the handler gets, from 1. */
export type Handler = (
  request: SeenRequest,
  response: ServerResponse,
  number: number,
) => void | Promise<void>;

export class FakeNode {
  /** All but the SDK's questions for routing, which it asks when it likes. */
  readonly requests: SeenRequest[] = [];
  readonly routingRequests: SeenRequest[] = [];
  /** First requests of connections, and those that ask an idle one whether it lives. */
  pings = 0;
  /** Connections that were taken. */
  connections = 0;
  /** As a stopped process: its system takes connections and requests, and nothing is said over any of them. */
  isFrozen = false;
  /** As a proxy before the node that drops interim answers. */
  showsProgress = true;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  handle: Handler;
  /** The answer of GET /collections/{c}/routing; undefined: 404. */
  routing: unknown;

  static async start(
    handle: Handler = (_request, response) => sendJson(response, 200, {}),
  ): Promise<FakeNode> {
    const node = new FakeNode(handle);
    await node.listen(0);
    return node;
  }

  private constructor(handle: Handler) {
    this.handle = handle;
    this.#server = createServer((request, response) => void this.#take(request, response));
    this.#server.on("connection", (socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", resolve);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Connections are cut, the port is free. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return;
    }
    const seen: SeenRequest = {
      method: request.method ?? "",
      path: (request.url ?? "").replace(/^\/api\/v1/, ""),
      headers: request.headers,
      body: Buffer.concat(chunks).toString("utf8"),
      atMs: performance.now(),
    };
    if (seen.path === "") {
      this.pings += 1;
      if (this.isFrozen) return;
      if (this.showsProgress) response.writeProcessing();
      return sendProblem(response, "notFound");
    }
    const progress = setInterval(
      () => {
        if (this.showsProgress && !this.isFrozen && !response.headersSent) response.writeProcessing();
      },
      Number(request.headers["prism-progress"] ?? 60_000),
    );
    response.once("close", () => clearInterval(progress));
    if (seen.path.endsWith("/routing")) {
      this.routingRequests.push(seen);
      if (this.routing === undefined) sendProblem(response, "collectionNotFound");
      else sendJson(response, 200, this.routing);
      return;
    }
    this.requests.push(seen);
    if (this.isFrozen) return;
    await this.handle(seen, response, this.requests.length);
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

export function sendProblem(
  response: ServerResponse,
  code: ProblemCode,
  headers: Readonly<Record<string, string>> = {},
): void {
  const problem = new Problem(code, `a test's ${code}`);
  const { status } = problem.kind;
  response.writeHead(status, { "content-type": "application/problem+json", ...headers });
  response.end(JSON.stringify(toProblemBody(problem, "test-request")));
}

export function cut(response: ServerResponse): void {
  response.socket?.destroy();
}

export function sessionToken(collectionUid: string, shard: number, seq: number, historyId = "h1"): string {
  return encodeSession(new Map([[collectionUid, new Map([[shard, { historyId, seq }]])]]));
}

/** The answer of a write as the API gives it. */
export function writeAnswer(id: string, seq = 1, collectionUid = "uid"): Readonly<Record<string, unknown>> {
  const session = sessionToken(collectionUid, 0, seq);
  return { id, result: "created", shard: 0, term: 1, seq, copies: 3, zones: 3, session };
}

/** Answers a bulk: each line as `resultOf` says, `undefined` for success; then the summary. */
export function bulkAnswer(
  body: string,
  resultOf: (line: Readonly<Record<string, unknown>>, number: number) => ProblemCode | undefined = () =>
    undefined,
  session = sessionToken("uid", 0, 1),
): string {
  const lines = body.split("\n").filter((line) => line !== "");
  const results = lines.map((text, i) => {
    const line = JSON.parse(text) as Record<string, unknown>;
    const code = resultOf(line, i + 1);
    const id = line["id"];
    if (code === undefined) {
      return { line: i + 1, id, status: 201, result: "created", shard: 0, term: 1, seq: i + 1 };
    }
    const { status, retryable, executed } = new Problem(code, "").kind;
    const error = { code, detail: `a test's ${code}`, retryable, executed };
    return { line: i + 1, id, status, error };
  });
  const failed = results.filter((result) => "error" in result).length;
  const summary = { lines: lines.length, succeeded: lines.length - failed, failed, tookMs: 1, session };
  return [...results, { summary }].map((value) => `${JSON.stringify(value)}\n`).join("");
}

export function sendNdjson(response: ServerResponse, text: string): void {
  response.writeHead(200, { "content-type": "application/x-ndjson" }).end(text);
}
