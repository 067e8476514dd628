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
/**
 * Addresses learnt from routing may be out of reach from here for good (pod addresses, seen from outside
 * the cluster), and finding out costs a call the time of a connection attempt.
 */
const LONGEST_LEARNT_PAUSE_MS = 300_000;
/** Learnt addresses that are remembered as failed; beyond it the oldest is forgotten, hence tried once more. */
const MOST_LEARNT = 1024;

export class EndpointPool {
  readonly #endpoints: Endpoint[];
  /** Learnt from routing: asked when they are the right node, never for their turn. Holds failed ones only. */
  readonly #learnt = new Map<string, Endpoint>();
  #next: number;

  /** @param first index of the one to start with, so that not all clients start with the same. */
  constructor(urls: readonly string[], first = 0) {
    this.#endpoints = [...new Set(urls)].map((url) => ({ url, failures: 0, downUntilMs: 0 }));
    this.#next = first % Math.max(1, this.#endpoints.length);
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
    const configured = this.#configured(url);
    const endpoint = configured ?? this.#learn(url);
    endpoint.failures += 1;
    const longestMs = configured === undefined ? LONGEST_LEARNT_PAUSE_MS : LONGEST_PAUSE_MS;
    // The exponent is bounded: 2 ** 1024 is Infinity.
    const pauseMs = Math.min(longestMs, FIRST_PAUSE_MS * 2 ** Math.min(20, endpoint.failures - 1));
    endpoint.downUntilMs = nowMs + pauseMs;
  }

  /** It works, and asked to be left alone until then. */
  busy(url: string, untilMs: number): void {
    const endpoint = this.#configured(url) ?? this.#learn(url);
    endpoint.failures = 0;
    endpoint.downUntilMs = untilMs;
  }

  worked(url: string): void {
    this.#learnt.delete(url);
    const endpoint = this.#configured(url);
    if (endpoint === undefined || endpoint.failures === 0) return;
    endpoint.failures = 0;
    endpoint.downUntilMs = 0;
  }

  /** Whether an endpoint of those configured is not left alone now. */
  hasFree(nowMs: number): boolean {
    return this.#endpoints.some((endpoint) => endpoint.downUntilMs <= nowMs);
  }

  /** Learnt addresses that are remembered now. */
  get learntCount(): number {
    return this.#learnt.size;
  }

  #learn(url: string): Endpoint {
    const known = this.#learnt.get(url) ?? { url, failures: 0, downUntilMs: 0 };
    // Taken out and put back: a Map keeps the order of insertion, so the first is the oldest.
    this.#learnt.delete(url);
    this.#learnt.set(url, known);
    if (this.#learnt.size > MOST_LEARNT) {
      const oldest = this.#learnt.keys().next().value;
      if (oldest !== undefined) this.#learnt.delete(oldest);
    }
    return known;
  }

  #find(url: string): Endpoint | undefined {
    return this.#configured(url) ?? this.#learnt.get(url);
  }

  #configured(url: string): Endpoint | undefined {
    return this.#endpoints.find((endpoint) => endpoint.url === url);
  }
}
