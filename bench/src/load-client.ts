/**
 * A client that keeps a number of requests in flight, sending the next as soon as one is answered
 * (closed loop): throughput and latency of as many patient callers.
 */
import { Pool } from "undici";

export interface LoadRequest {
  readonly path: string;
  readonly body: string | Buffer;
  readonly contentType: string;
}

export interface LoadRun {
  readonly requests: number;
  readonly seconds: number;
  /** In the order of the answers. */
  readonly latenciesMs: readonly number[];
}

export interface LoadOptions {
  readonly inFlight: number;
  /** No request is sent after this time, once there were `minRequests`. */
  readonly durationMs: number;
  readonly minRequests?: number;
  /** No more requests than this. */
  readonly maxRequests?: number;
}

const JSON_TYPE = "application/json";
const NDJSON_TYPE = "application/x-ndjson";

export class LoadClient {
  readonly #pools: readonly Pool[];
  #next = 0;

  /** Requests go to the servers in turn. */
  constructor(origins: readonly string[], connections: number) {
    this.#pools = origins.map(
      (origin) => new Pool(origin, { connections, headersTimeout: 60_000, bodyTimeout: 60_000 }),
    );
  }

  /** The text of the answer. @throws {Error} with the answer when the status is not a success. */
  async send({ path, body, contentType }: LoadRequest, method: "POST" | "PUT" = "POST"): Promise<string> {
    const pool = this.#pools[this.#next++ % this.#pools.length]!;
    const answer = await pool.request({ path, method, body, headers: { "content-type": contentType } });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
    return text;
  }

  async sendJson(path: string, value: unknown, method: "POST" | "PUT" = "POST"): Promise<unknown> {
    return JSON.parse(await this.send(jsonRequest(path, value), method));
  }

  /** The first failure ends the run: figures of a run that fails in part mean nothing. */
  async run(
    requests: (index: number) => LoadRequest,
    check: (answer: string) => void,
    options: LoadOptions,
  ): Promise<LoadRun> {
    const { inFlight, durationMs, minRequests = 0, maxRequests = Number.POSITIVE_INFINITY } = options;
    const latenciesMs: number[] = [];
    const startMs = performance.now();
    let sent = 0;
    const caller = async (): Promise<void> => {
      while (sent < maxRequests && (sent < minRequests || performance.now() - startMs < durationMs)) {
        const request = requests(sent++);
        const sentMs = performance.now();
        check(await this.send(request));
        latenciesMs.push(performance.now() - sentMs);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
    const seconds = (performance.now() - startMs) / 1000;
    return { requests: latenciesMs.length, seconds, latenciesMs };
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.destroy()));
  }
}

export function jsonRequest(path: string, value: unknown): LoadRequest {
  return { path, body: JSON.stringify(value), contentType: JSON_TYPE };
}

export function bulkRequest(path: string, body: Buffer): LoadRequest {
  return { path, body, contentType: NDJSON_TYPE };
}

/** @throws {Error} unless every line of the bulk request succeeded. */
export function checkBulkAnswer(answer: string): void {
  const last = answer.trimEnd().split("\n").at(-1) ?? "";
  if (/"failed":0[,}]/.test(last)) return;
  const line = answer.split("\n").find((text) => text.includes('"error"')) ?? last;
  throw new Error(`a bulk line failed: ${line}`);
}

/** @throws {Error} unless every shard answered. */
export function checkSearchAnswer(answer: string): void {
  if (!answer.includes('"complete":true'))
    throw new Error(`a search is not complete: ${answer.slice(0, 500)}`);
}
