/**
 * A port of this machine that leads to a Service of Kubernetes through the API server, with the credentials of a
 * kubeconfig: what speaks HTTP to a node needs to know nothing of Kubernetes. Only who has the tunnel's key may
 * use it: other people of the machine have no part in these credentials.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { isDeepStrictEqual } from "node:util";
import type { Connection, KubeConfig } from "@prism/kube-machinery/kube-config";

export interface ServiceTunnel {
  readonly url: string;
  /** To be sent as a bearer token. */
  readonly key: string;
  close(): Promise<void>;
}

/** Of this hop alone, or made anew by it. RFC 9110, section 7.6.1. */
const OF_THE_HOP = new Set([
  "authorization",
  "connection",
  "host",
  "keep-alive",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const LARGEST_STATUS_BYTES = 64 * 1024;

/** @param path before the path of every request, such as /api/v1/namespaces/n/services/s:80/proxy. */
export async function openServiceTunnel(config: KubeConfig, path: string): Promise<ServiceTunnel> {
  const key = randomBytes(24).toString("base64url");
  const upstream = new Upstream(config, path);
  const server = createServer((request, response) => {
    if (!isKey(request.headers.authorization, key)) {
      request.resume();
      answer(response, 401, "the tunnel belongs to another process");
      return;
    }
    upstream.forward(request, response).catch((error: unknown) => {
      request.resume();
      answer(response, 502, `the API server did not answer: ${(error as Error).message}`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  // Nobody waits for it: what is left to do is what its users wait for.
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    key,
    close: async () => {
      upstream.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function isKey(authorization: string | undefined, key: string): boolean {
  const given = Buffer.from(authorization ?? "");
  const wanted = Buffer.from(`Bearer ${key}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

class Upstream {
  readonly #config: KubeConfig;
  readonly #path: string;
  #agent: Agent | undefined;
  #agentOf: Connection["tls"] | undefined;

  constructor(config: KubeConfig, path: string) {
    this.#config = config;
    this.#path = path;
  }

  async forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const connection = await this.#config.connection();
    const { origin, pathname } = new URL(connection.server);
    const options = {
      method: request.method,
      path: `${pathname.replace(/\/$/, "")}${this.#path}${request.url ?? "/"}`,
      headers: { ...endToEnd(request.headers), ...connection.headers },
    };
    await new Promise<void>((resolve, reject) => {
      const onAnswer = (from: IncomingMessage): void => {
        relay(from, response).then(resolve, reject);
      };
      const sent = origin.startsWith("https:")
        ? httpsRequest(origin, { ...options, agent: this.#agentFor(connection) }, onAnswer)
        : httpRequest(origin, options, onAnswer);
      // Signs of life of a node that takes long are asked for, and counted on, by the SDK.
      sent.on("information", ({ statusCode }) => {
        if (statusCode === 102 && !response.headersSent) response.writeProcessing();
      });
      sent.once("error", reject);
      // A caller that has gone waits for nothing.
      response.once("close", () => sent.destroy());
      request.pipe(sent);
    });
  }

  close(): void {
    this.#agent?.destroy();
  }

  /** Credentials are read again from time to time; a connection keeps those it was opened with. */
  #agentFor({ tls }: Connection): Agent {
    if (this.#agent !== undefined && isDeepStrictEqual(this.#agentOf, tls)) return this.#agent;
    // Requests under way keep their connections.
    const idle = Object.values(this.#agent?.freeSockets ?? {}).flatMap((sockets) => sockets ?? []);
    for (const socket of idle) socket.destroy();
    this.#agent = new Agent({ ...tls, keepAlive: true });
    this.#agentOf = tls;
    return this.#agent;
  }
}

function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_THE_HOP.has(name)));
}

async function relay(from: IncomingMessage, to: ServerResponse): Promise<void> {
  const status = from.statusCode ?? 502;
  const isJson = from.headers["content-type"]?.startsWith("application/json") === true;
  if (status >= 400 && isJson) {
    const text = await textOf(from);
    const said = statusMessage(text);
    if (said !== undefined) return answer(to, status, said);
    to.writeHead(status, { "content-type": "application/json" }).end(text);
    return;
  }
  to.writeHead(status, endToEnd(from.headers));
  await new Promise<void>((resolve, reject) => {
    from.once("error", reject);
    to.once("close", resolve);
    from.pipe(to);
  });
}

async function textOf(from: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of from as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > LARGEST_STATUS_BYTES) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** What the API server itself has to say, in its own words (metav1.Status); a node's errors are problems. */
function statusMessage(text: string): string | undefined {
  try {
    const body = JSON.parse(text) as { kind?: unknown; message?: unknown } | null;
    return body?.kind === "Status" && typeof body.message === "string" ? body.message : undefined;
  } catch {
    return undefined;
  }
}

/** In the form in which nodes tell their errors. RFC 9457. */
function answer(response: ServerResponse, status: number, detail: string): void {
  if (response.headersSent) return void response.destroy();
  const problem = {
    type: "about:blank",
    title: "The API server refused",
    status,
    code: "apiServer",
    detail,
    retryable: status === 429 || status >= 500,
    executed: "unknown",
  };
  response.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify(problem));
}
