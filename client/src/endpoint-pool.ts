/**
 * Which base URL to ask next: round robin over those that work. One that failed is left alone for a
 * time that doubles with each failure; when all are, the one due first is tried. Pure: time is an argument.
 */

interface Endpoint {
  readonly url: string;
  failures: number;
  downUntilMs: number;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

export class EndpointPool {
  readonly #endpoints: Endpoint[];
  /** Learnt from routing: asked when they are the right node, never for their turn. */
  readonly #learnt = new Map<string, Endpoint>();
  #next = 0;

  constructor(urls: readonly string[]) {
    this.#endpoints = [...new Set(urls)].map((url) => ({ url, failures: 0, downUntilMs: 0 }));
  }

  get urls(): readonly string[] {
    return this.#endpoints.map((endpoint) => endpoint.url);
  }

  /** A preferred URL that is not left alone, in the order given; else the next in turn. `avoid` was just tried. */
  pick(preferred: readonly string[], avoid: string | undefined, nowMs: number): string {
    for (const url of preferred) {
      if (url !== avoid && (this.#find(url)?.downUntilMs ?? 0) <= nowMs) return url;
    }
    const count = this.#endpoints.length;
    for (let i = 0; i < count; i += 1) {
      const endpoint = this.#endpoints[(this.#next + i) % count]!;
      if (endpoint.downUntilMs > nowMs || (endpoint.url === avoid && count > 1)) continue;
      this.#next = (this.#next + i + 1) % count;
      return endpoint.url;
    }
    const others = this.#endpoints.filter((endpoint) => endpoint.url !== avoid || count === 1);
    return others.reduce((best, endpoint) => (endpoint.downUntilMs < best.downUntilMs ? endpoint : best)).url;
  }

  failed(url: string, nowMs: number): void {
    let endpoint = this.#find(url);
    if (endpoint === undefined) {
      endpoint = { url, failures: 0, downUntilMs: 0 };
      this.#learnt.set(url, endpoint);
    }
    endpoint.failures += 1;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (endpoint.failures - 1));
    endpoint.downUntilMs = nowMs + pauseMs;
  }

  worked(url: string): void {
    const endpoint = this.#find(url);
    if (endpoint === undefined) return;
    endpoint.failures = 0;
    endpoint.downUntilMs = 0;
    this.#learnt.delete(url);
  }

  #find(url: string): Endpoint | undefined {
    return this.#endpoints.find((endpoint) => endpoint.url === url) ?? this.#learnt.get(url);
  }
}
