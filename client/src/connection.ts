/**
 * One connection to one address, hence to one node. It counts as open when a first small request has been answered
 * over it: that a connection was taken says little, since the system of a frozen process takes connections too.
 */
import { setImmediate as turn } from "node:timers/promises";
import { Client } from "undici";

export interface ConnectionSettings {
  /** From the first packet to the first answer. */
  readonly openTimeoutMs: number;
  /** Between two signs of life while an answer is owed; 0: none are asked for. */
  readonly progressMs: number;
}

export interface WireRequest {
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly signal: AbortSignal;
  /** Called with each piece of the answer's body. */
  readonly onPiece?: (piece: Uint8Array) => void;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** Any answer will do; it costs the node next to nothing. */
const PING_PATH = "/api/v1";

/** No request was sent: there was no connection that answered. `cause` says why. */
export class NotConnected extends Error {
  constructor(cause: unknown) {
    super("no connection", { cause });
  }
}

export class Connection {
  readonly #client: Client;
  readonly #settings: ConnectionSettings;
  #showsProgress = false;
  #heardMs = 0;
  #isOpen = false;
  #onClosed: (() => void) | undefined;

  private constructor(origin: string, settings: ConnectionSettings) {
    this.#settings = settings;
    this.#client = new Client(origin, {
      pipelining: 1,
      // As long as a first answer may take; the ping's own timer ends it earlier.
      connect: { timeout: settings.openTimeoutMs + 1000 },
      keepAliveTimeout: 10_000,
      // The attempt's own timer ends it; two clocks would make two kinds of errors.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.#client.on("disconnect", () => {
      this.#isOpen = false;
      this.#onClosed?.();
    });
    this.#client.on("connect", () => (this.#isOpen = true));
  }

  /** @throws {NotConnected} */
  static async open(origin: string, settings: ConnectionSettings, signal: AbortSignal): Promise<Connection> {
    const connection = new Connection(origin, settings);
    try {
      await connection.#ping(settings.openTimeoutMs, signal);
      return connection;
    } catch (error) {
      connection.destroy();
      throw error instanceof NotConnected ? error : new NotConnected(error);
    }
  }

  /** A sign of life has come over it: while an answer is owed, they come. */
  get showsProgress(): boolean {
    return this.#showsProgress;
  }

  /** When the latest byte came, by performance.now(). */
  get heardMs(): number {
    return this.#heardMs;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Called when the other side has closed it. */
  set onClosed(onClosed: (() => void) | undefined) {
    this.#onClosed = onClosed;
  }

  /** Whether the node at its other end still answers. */
  async answersWithin(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#ping(timeoutMs, signal);
      return true;
    } catch {
      return false;
    }
  }

  /** One request at a time. Aborted, it leaves the connection of no use. */
  async send(request: WireRequest): Promise<WireAnswer> {
    const { progressMs } = this.#settings;
    const headers = progressMs > 0 ? { ...request.headers, ...progressHeader(progressMs) } : request.headers;
    return await this.#exchange({ ...request, headers });
  }

  destroy(): void {
    this.#onClosed = undefined;
    this.#client.destroy().catch(() => undefined);
  }

  async #ping(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const abort = new AbortController();
    const giveUp = (): void => abort.abort();
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    let isLate = false;
    // This process itself may have stood still: what came meanwhile is read first.
    const endLate = async (): Promise<void> => {
      await turn();
      await turn();
      isLate = true;
      giveUp();
    };
    const timer = setTimeout(() => void endLate(), timeoutMs);
    try {
      const headers = { accept: "application/json", ...progressHeader(0) };
      const ping = { method: "GET", path: PING_PATH, headers, body: null, signal: abort.signal } as const;
      await this.#exchange(ping);
    } catch (error) {
      throw isLate ? new NotConnected(new Error(`it did not answer within ${timeoutMs} ms`)) : error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    }
  }

  async #exchange({ onPiece, ...request }: WireRequest): Promise<WireAnswer> {
    const response = await this.#client.request({
      ...request,
      onInfo: ({ statusCode }) => {
        this.#heardMs = performance.now();
        if (statusCode === PROCESSING) this.#showsProgress = true;
      },
    });
    this.#heardMs = performance.now();
    const pieces: Buffer[] = [];
    for await (const piece of response.body as AsyncIterable<Buffer>) {
      this.#heardMs = performance.now();
      pieces.push(piece);
      onPiece?.(piece);
    }
    const text = Buffer.concat(pieces).toString("utf8");
    return { status: response.statusCode, headers: response.headers, text };
  }
}

const PROCESSING = 102;

function progressHeader(everyMs: number): Readonly<Record<string, string>> {
  return { "prism-progress": String(everyMs) };
}
