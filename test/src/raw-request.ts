/** HTTP as it goes over the wire: one request, one connection, no retries, any bytes. */
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { buffer } from "node:stream/consumers";

export interface RawRequest {
  readonly method: string;
  /** Path and query, sent as they are. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer | undefined;
  /** Bytes of the body that are sent before the connection is closed; left out: all. */
  readonly cutAfterBytes?: number | undefined;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

const TIMEOUT_MS = 60_000;

/** @throws {Error} when no whole answer comes. */
export async function send(baseUrl: string, request: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(baseUrl);
  const { method, target, body } = request;
  // Node sends a body with GET without a length, which makes it the next request.
  const length = body === undefined ? {} : { "content-length": body.length };
  // We end the connection: a server that may end it need not read the whole body first, and resets it then.
  const headers = { connection: "keep-alive", ...request.headers, ...length };
  return await new Promise<RawAnswer>((resolve, reject) => {
    const outgoing = httpRequest({ hostname, port, method, path: target, headers, agent: false });
    outgoing.setTimeout(TIMEOUT_MS, () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    outgoing.on("error", reject);
    outgoing.on("response", (response) => {
      buffer(response).then((bytes) => {
        const status = response.statusCode ?? 0;
        outgoing.destroy();
        resolve({ status, headers: response.headers, text: bytes.toString("utf8") });
      }, reject);
    });
    outgoing.end(body);
  });
}

/**
 * Sends bytes as they are and closes our side; resolves with the answer when the server gives one
 * all the same, with undefined when it only closes the connection.
 */
export async function sendCut(baseUrl: string, request: RawRequest): Promise<RawAnswer | undefined> {
  const { hostname, port } = new URL(baseUrl);
  const { method, target, headers, body = Buffer.alloc(0), cutAfterBytes = 0 } = request;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `${method} ${target} HTTP/1.1\r\nhost: ${hostname}\r\n${lines.join("")}content-length: ${body.length}\r\n\r\n`;
  const socket = connect(Number(port), hostname);
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`no end within ${TIMEOUT_MS} ms`)));
  socket.end(Buffer.concat([Buffer.from(head, "latin1"), body.subarray(0, cutAfterBytes)]));
  const bytes = await buffer(socket).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ECONNRESET") return Buffer.alloc(0);
    throw error;
  });
  return firstAnswer(bytes, method);
}

/** The server may answer, and then once more because the rest of the request never came. */
function firstAnswer(bytes: Buffer, method: string): RawAnswer | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, Math.max(headEnd, 0)).split("\r\n");
  const status = /^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1];
  if (status === undefined) return undefined;
  const headers = Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf(":");
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()] as const;
    }),
  );
  const bodyAt = headEnd + 4;
  const length = method === "HEAD" ? 0 : Number(headers["content-length"] ?? bytes.length - bodyAt);
  return { status: Number(status), headers, text: bytes.toString("utf8", bodyAt, bodyAt + length) };
}
