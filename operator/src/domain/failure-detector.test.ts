import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FailureDetector, type HealthState } from "./failure-detector.js";

const SETTINGS = { heartbeatIntervalMs: 1000, failureThreshold: 3, suspectTimeoutMs: 5000 };

/** Ticks as often as the shell does, so that no pause of its own is seen. */
function run(detector: FailureDetector, fromMs: number, toMs: number): void {
  for (let at = fromMs; at <= toMs; at += 250) detector.tick(at);
}

function alive(): FailureDetector {
  const detector = new FailureDetector(SETTINGS, 0);
  detector.expect("a", 0);
  detector.heard("a", 0);
  return detector;
}

const stateOf = (detector: FailureDetector): HealthState | undefined => detector.health("a")?.state;

describe("failure detector", () => {
  test("a node that misses its heartbeats is suspect after three intervals and dead five seconds later", () => {
    const detector = alive();
    run(detector, 0, 2750);
    expect(stateOf(detector)).toBe("alive");
    run(detector, 3000, 3000);
    expect(detector.health("a")).toMatchObject({ state: "suspect", reason: "NodeSuspect", exited: false });
    run(detector, 3250, 7750);
    expect(stateOf(detector)).toBe("suspect");
    run(detector, 8000, 8000);
    expect(detector.health("a")).toMatchObject({ state: "dead", reason: "NodeDead" });
  });

  test("a broken connection is evidence at once", () => {
    const detector = alive();
    expect(detector.disconnected("a", 100)?.to).toMatchObject({
      state: "suspect",
      reason: "ConnectionBroken",
    });
  });

  test("a process that ended is known to be gone, whatever its state was", () => {
    const detector = alive();
    detector.disconnected("a", 100);
    expect(detector.exited("a", 110)?.to).toMatchObject({ state: "suspect", exited: true });
    expect(detector.exited("a", 120)).toBeUndefined();
  });

  test("one word brings a node back", () => {
    const detector = alive();
    detector.exited("a", 100);
    run(detector, 250, 9000);
    expect(stateOf(detector)).toBe("dead");
    expect(detector.heard("a", 9100)).toMatchObject({ from: "dead", to: { state: "alive", exited: false } });
  });

  test("a new leader suspects nobody before one health window is over", () => {
    const detector = new FailureDetector(SETTINGS, 50_000);
    detector.expect("a", 50_000);
    run(detector, 50_000, 52_750);
    expect(stateOf(detector)).toBe("starting");
    run(detector, 53_000, 53_000);
    expect(stateOf(detector)).toBe("suspect");
  });

  test("a pause of the control plane itself is no evidence against the nodes", () => {
    const detector = alive();
    run(detector, 0, 1000);
    expect(detector.tick(31_000)).toEqual([]);
    run(detector, 31_250, 31_750);
    expect(stateOf(detector)).toBe("alive");
    run(detector, 32_000, 32_000);
    expect(stateOf(detector)).toBe("suspect");
  });

  test("no order of events takes a node from alive to dead without being suspect between", () => {
    const event = fc.constantFrom("heard", "disconnected", "exited", "tick", "pause");
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const detector = new FailureDetector(SETTINGS, 0);
        detector.expect("a", 0);
        let nowMs = 0;
        let state = stateOf(detector);
        for (const kind of events) {
          nowMs += kind === "pause" ? 20_000 : 500;
          if (kind === "heard") detector.heard("a", nowMs);
          else if (kind === "disconnected") detector.disconnected("a", nowMs);
          else if (kind === "exited") detector.exited("a", nowMs);
          else detector.tick(nowMs);
          const next = stateOf(detector);
          const exited = detector.health("a")?.exited;
          expect(next !== "dead" || state === "suspect" || state === "dead").toBe(true);
          expect(next === "alive" || kind !== "heard").toBe(true);
          expect(next === "alive" && exited).toBe(false);
          state = next;
        }
      }),
    );
  });
});
