/**
 * Stands between a client and a real API server and breaks what passes: answers of its own, waits,
 * resets, silence. It speaks plain HTTP to the client and adds the credentials itself.
 */
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Connection } from "../kube-config.js";

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly isWatch: boolean;
  readonly headers: IncomingMessage["headers"];
  /** performance.now() */
  readonly atMs: number;
  /** Of the connection that it came over: counted up with every new one. */
  readonly connection: number;
}

export interface Answer {
  readonly status: number;
  readonly headers?: OutgoingHttpHeaders;
  /** A string as it is, anything else as JSON. */
  readonly body: unknown;
}

/** What happens to one request. */
export type Fault =
  /** The server never hears of it. */
  | { readonly type: "answer"; readonly answer: Answer }
  | { readonly type: "reset" }
  /** Never answered, never passed on. */
  | { readonly type: "swallow" }
  /** Passed on once the promise resolves. */
  | { readonly type: "after"; readonly moment: Promise<unknown> }
  /** Carried out by the server, and its answer is lost. */
  | { readonly type: "loseAnswer" };

/** The first rule that has a fault for a request decides. */
export type FaultRule = (request: SeenRequest) => Fault | undefined;

interface OpenStream {
  readonly request: SeenRequest;
  readonly response: ServerResponse;
  readonly upstream: IncomingMessage;
}

export class FaultProxy {
  readonly requests: SeenRequest[] = [];
  readonly #server: Server;
  readonly #upstream: Connection;
  readonly #agent: Agent;
  readonly #sockets = new Set<Socket>();
  readonly #connectionNumbers = new WeakMap<Socket, number>();
  #connections = 0;
  readonly #streams = new Set<OpenStream>();
  #rules: FaultRule[] = [];
  #isHeld = false;
  #port = 0;

  private constructor(upstream: Connection) {
    this.#upstream = upstream;
    this.#agent = new Agent({ ...upstream.tls, keepAlive: true });
    this.#server = createServer((request, response) => this.#onRequest(request, response));
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      this.#connectionNumbers.set(socket, this.#connections++);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => undefined);
    });
  }

  static async start(upstream: Connection): Promise<FaultProxy> {
    const proxy = new FaultProxy(upstream);
    await proxy.up();
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get openWatches(): number {
    return [...this.#streams].filter(({ request }) => request.isWatch).length;
  }

  /** Until the returned function is called. */
  rule(rule: FaultRule): () => void {
    this.#rules.push(rule);
    return () => {
      this.#rules = this.#rules.filter((one) => one !== rule);
    };
  }

  /** As `rule`, for the first `count` requests that it has a fault for. */
  times(count: number, rule: FaultRule): void {
    let left = count;
    const remove = this.rule((request) => {
      const fault = rule(request);
      if (fault === undefined) return undefined;
      left -= 1;
      if (left === 0) remove();
      return fault;
    });
  }

  /** Connections are cut by RST, in the middle of whatever they carry. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** As a server that ends all its watches properly. */
  endWatches(): void {
    for (const { request, response } of this.#streams) if (request.isWatch) response.end();
  }

  /** What the server says in open watches waits here until the returned function is called. */
  holdWatches(): () => void {
    this.#isHeld = true;
    for (const { request, upstream } of this.#streams) if (request.isWatch) upstream.pause();
    return () => {
      this.#isHeld = false;
      for (const { request, upstream } of this.#streams) if (request.isWatch) upstream.resume();
    };
  }

  /** Open watches stay open and never say anything again; new ones work. */
  silenceWatches(): void {
    for (const stream of this.#streams) {
      if (!stream.request.isWatch) continue;
      stream.upstream.removeAllListeners("data");
      stream.upstream.removeAllListeners("end");
      stream.upstream.resume();
    }
  }

  /** Writes into every open watch, as if the server had. */
  sayInWatches(text: string): void {
    for (const { request, response } of this.#streams) if (request.isWatch) response.write(text);
  }

  /** Nobody listens any more. */
  async down(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.reset();
    await closed;
  }

  /** Listens, at the same port as before. */
  async up(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    if (this.#server.listening) await this.down();
    this.#agent.destroy();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", this.url);
    const seen: SeenRequest = {
      method: request.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
      isWatch: url.searchParams.get("watch") === "true",
      headers: request.headers,
      atMs: performance.now(),
      connection: this.#connectionNumbers.get(request.socket) ?? -1,
    };
    this.requests.push(seen);
    const fault = this.#faultOf(seen);
    switch (fault?.type) {
      case undefined:
      case "loseAnswer":
        return this.#pass(seen, request, response, fault !== undefined);
      case "answer":
        request.resume();
        response.writeHead(fault.answer.status, {
          "content-type": "application/json",
          ...fault.answer.headers,
        });
        response.end(textOf(fault.answer.body));
        return;
      case "reset":
        request.socket.resetAndDestroy();
        return;
      case "swallow":
        return;
      case "after":
        fault.moment.then(
          () => this.#pass(seen, request, response, false),
          () => request.socket.resetAndDestroy(),
        );
    }
  }

  #faultOf(request: SeenRequest): Fault | undefined {
    for (const rule of this.#rules) {
      const fault = rule(request);
      if (fault) return fault;
    }
    return undefined;
  }

  #pass(seen: SeenRequest, request: IncomingMessage, response: ServerResponse, losesAnswer: boolean): void {
    if (response.destroyed) return;
    const { authorization: _, host: __, ...headers } = request.headers;
    const upstream = httpsRequest(
      `${this.#upstream.server}${request.url}`,
      { method: seen.method, headers: { ...headers, ...this.#upstream.headers }, agent: this.#agent },
      (answer) => {
        if (losesAnswer) {
          answer.resume();
          answer.on("end", () => request.socket.resetAndDestroy());
          return;
        }
        this.#passAnswer({ request: seen, response, upstream: answer });
      },
    );
    upstream.on("error", () => request.socket.resetAndDestroy());
    response.on("close", () => upstream.destroy());
    request.pipe(upstream);
  }

  #passAnswer(stream: OpenStream): void {
    const { request, response, upstream } = stream;
    this.#streams.add(stream);
    response.on("close", () => this.#streams.delete(stream));
    response.writeHead(upstream.statusCode ?? 502, upstream.headers);
    response.flushHeaders();
    upstream.on("data", (chunk: Uint8Array) => response.write(chunk));
    upstream.on("end", () => response.end());
    upstream.on("error", () => response.destroy());
    if (this.#isHeld && request.isWatch) upstream.pause();
  }
}

function textOf(body: unknown): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

/** The body of an error as the API server writes it. */
export function statusBody(code: number, reason: string, message: string): Record<string, unknown> {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code };
}
