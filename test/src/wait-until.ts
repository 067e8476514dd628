import { setTimeout as delay } from "node:timers/promises";

const POLL_MS = 25;

/**
 * Polls until the condition gives a value other than undefined and false, and returns it.
 *
 * @throws {Error} naming what was waited for, when the time is over; `cause` is what the last try threw.
 */
export async function waitUntil<T>(
  what: string,
  timeoutMs: number,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause });
    await delay(POLL_MS);
  }
}
