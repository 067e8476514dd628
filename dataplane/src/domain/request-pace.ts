/**
 * How often what a copy goes on asking for is sent on. When many copies leave at once, the control plane has work for
 * seconds, and being asked by everybody four times a second would be most of it.
 */
import type { CopyRequest } from "@prism/proto/gen/node";

const FIRST_MS = 250;
const MOST_MS = 2000;
/** What was not asked for so long begins anew. */
const FORGOTTEN_MS = 2 * MOST_MS;

interface Asked {
  atMs: number;
  pauseMs: number;
}

export class RequestPace {
  readonly #asked = new Map<string, Asked>();

  /** Whether the request is to be sent now: the pauses between equal ones double. Only removals can come in masses. */
  admits({ action, shardUid, allocationId, term }: CopyRequest, nowMs: number): boolean {
    if (action !== "removeCopy") return true;
    const key = `${shardUid} ${allocationId} ${term}`;
    const asked = this.#asked.get(key);
    if (asked === undefined || nowMs - asked.atMs >= FORGOTTEN_MS) {
      this.#forget(nowMs);
      this.#asked.set(key, { atMs: nowMs, pauseMs: FIRST_MS });
      return true;
    }
    if (nowMs - asked.atMs < asked.pauseMs) return false;
    asked.atMs = nowMs;
    asked.pauseMs = Math.min(MOST_MS, 2 * asked.pauseMs);
    return true;
  }

  /** Somebody else is asked from now on. */
  clear(): void {
    this.#asked.clear();
  }

  #forget(nowMs: number): void {
    for (const [key, { atMs }] of this.#asked) if (nowMs - atMs >= FORGOTTEN_MS) this.#asked.delete(key);
  }
}
