/**
 * Finds servers that are there and do not answer: a frozen process, whose system still takes connections,
 * or one behind a cut cable. A call that merely takes long is no sign: its server answers others meanwhile, or
 * a probe. So calls need not wait for their attempt's whole time limit on a server that is gone.
 */
import { setImmediate as turn } from "node:timers/promises";
import { Agent } from "undici";

/** Part of the time that passes before a probe is sent; the rest is the probe's. */
const UNPROBED_SHARE = 0.4;

export class SilenceWatch {
  readonly #timeoutMs: number;
  readonly #heardMs = new Map<string, number>();
  readonly #probes = new Map<string, Promise<boolean>>();
  /** Of its own: a probe must not wait for a connection that the silent calls hold. */
  readonly #agent = new Agent({ connections: 1, keepAliveTimeout: 1000 });

  /** @param timeoutMs from the last sign of life to the verdict; 0: there is none */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** The server answered something. */
  heard(url: string): void {
    this.#heardMs.set(url, performance.now());
  }

  /** Calls back once when the server, asked now, proves silent. Returns how to stop watching. */
  watch(url: string, onSilent: () => void): () => void {
    if (this.#timeoutMs === 0) return () => undefined;
    const unprobedMs = this.#timeoutMs * UNPROBED_SHARE;
    let stopped = false;
    let timer: NodeJS.Timeout;
    const look = async (sinceMs: number): Promise<void> => {
      const heardMs = Math.max(sinceMs, this.#heardMs.get(url) ?? 0);
      const leftMs = heardMs + unprobedMs - performance.now();
      const isThere = leftMs > 0 || (await this.#probe(url));
      if (stopped) return;
      if (!isThere && (this.#heardMs.get(url) ?? 0) <= heardMs) onSilent();
      else arm(Math.max(leftMs, 1), leftMs > 0 ? heardMs : performance.now());
    };
    const arm = (delayMs: number, sinceMs: number): void => {
      timer = setTimeout(() => void look(sinceMs), delayMs);
    };
    arm(unprobedMs, performance.now());
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #probe(url: string): Promise<boolean> {
    const running = this.#probes.get(url);
    if (running !== undefined) return running;
    const probe = this.#send(url).finally(() => this.#probes.delete(url));
    this.#probes.set(url, probe);
    return probe;
  }

  /** Any answer will do. So will a refused connection: the call itself is told of that. */
  async #send(url: string): Promise<boolean> {
    const abort = new AbortController();
    const timer = setTimeout(() => void giveUp(), this.#timeoutMs * (1 - UNPROBED_SHARE));
    // This process itself may have stood still: what came meanwhile is read first.
    const giveUp = async (): Promise<void> => {
      await turn();
      await turn();
      abort.abort();
    };
    try {
      const path = "/api/v1";
      const { body } = await this.#agent.request({ origin: url, path, method: "GET", signal: abort.signal });
      await body.dump();
      this.heard(url);
      return true;
    } catch {
      return !abort.signal.aborted;
    } finally {
      clearTimeout(timer);
    }
  }
}
