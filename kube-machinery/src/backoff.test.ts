import { expect, test } from "vitest";
import { Backoff } from "./backoff.js";

test("delays double up to the maximum, within half of themselves, and begin anew after a reset", () => {
  for (const [random, share] of [
    [0, 0.5],
    [0.999_999, 1],
  ] as const) {
    const backoff = new Backoff({ baseMs: 100, maxMs: 1_000, random: () => random });
    const delays = Array.from({ length: 6 }, () => Math.round(backoff.next()));
    expect(delays).toEqual([100, 200, 400, 800, 1_000, 1_000].map((ms) => ms * share));
    backoff.reset();
    expect(Math.round(backoff.next())).toBe(100 * share);
  }
});
