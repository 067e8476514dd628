import { describe, expect, test } from "vitest";
import { onHeard, onPingSent, silenceMs, startSilence, type LoopSilence } from "./loop-silence.js";

const INTERVAL_MS = 250;

/** Pings at these times, none answered. */
function pinged(silence: LoopSilence, ...timesMs: readonly number[]): LoopSilence {
  return timesMs.reduce((before, nowMs) => onPingSent(before, nowMs, INTERVAL_MS), silence);
}

describe("the silence of a loop", () => {
  test("grows from the first unanswered ping on", () => {
    expect(silenceMs(pinged(startSilence(0), 250))).toBe(0);
    expect(silenceMs(pinged(startSilence(0), 250, 500, 750))).toBe(500);
  });

  test("ends with anything heard", () => {
    const heard = onHeard(pinged(startSilence(0), 250, 500, 750));
    expect(silenceMs(heard)).toBe(0);
    expect(silenceMs(pinged(heard, 1000, 1250))).toBe(250);
  });

  test("does not count the time in which the pinging thread itself stood still", () => {
    const silence = pinged(startSilence(0), 250, 500, 6000);
    expect(silenceMs(silence)).toBeLessThanOrEqual(750);
    expect(silenceMs(pinged(silence, 6250, 6500))).toBeLessThanOrEqual(1250);
  });
});
