import { describe, expect, it } from "vitest";
import { EndpointPool } from "./endpoint-pool.js";

describe("the endpoint pool", () => {
  it("goes round its endpoints", () => {
    const pool = new EndpointPool(["a", "b", "c"]);
    expect([1, 2, 3, 4].map(() => pool.pick([], undefined, 0))).toEqual(["a", "b", "c", "a"]);
  });

  it("leaves a failed endpoint alone for a time that grows, and takes it back when it works", () => {
    const pool = new EndpointPool(["a", "b"]);
    pool.failed("a", 0);
    expect([1, 2].map(() => pool.pick([], undefined, 100))).toEqual(["b", "b"]);
    expect([1, 2].map(() => pool.pick([], undefined, 600))).toContain("a");
    pool.failed("a", 600);
    expect(pool.pick([], "b", 1400)).toBe("a");
    pool.worked("a");
    expect([1, 2].map(() => pool.pick([], undefined, 700))).toContain("a");
  });

  it("prefers the node that holds the data unless it was just tried or has failed", () => {
    const pool = new EndpointPool(["a", "b"]);
    expect(pool.pick(["x"], undefined, 0)).toBe("x");
    expect(pool.pick(["x"], "x", 0)).not.toBe("x");
    pool.failed("x", 0);
    expect(pool.pick(["x"], undefined, 10)).not.toBe("x");
    expect(pool.pick(["x"], undefined, 1000)).toBe("x");
  });

  it("still names an endpoint when all have failed: the one due first", () => {
    const pool = new EndpointPool(["a", "b"]);
    pool.failed("a", 0);
    pool.failed("b", 200);
    expect(pool.pick([], undefined, 300)).toBe("a");
    expect(new EndpointPool(["a"]).pick([], "a", 0)).toBe("a");
  });

  it("leaves a busy endpoint alone as long as it asked for, and not longer", () => {
    const pool = new EndpointPool(["a", "b"]);
    pool.busy("a", 1000);
    expect([1, 2].map(() => pool.pick([], undefined, 999))).toEqual(["b", "b"]);
    expect([1, 2].map(() => pool.pick([], undefined, 1000))).toContain("a");
  });

  it("asks a learnt address that stays out of reach more and more seldom, up to five minutes", () => {
    const pool = new EndpointPool(["a"]);
    let nowMs = 0;
    let tried = 0;
    for (; nowMs < 3_600_000; nowMs += 100) {
      if (pool.pick(["pod"], undefined, nowMs) !== "pod") continue;
      tried += 1;
      pool.failed("pod", nowMs);
    }
    expect(tried).toBeGreaterThan(10);
    expect(tried).toBeLessThan(25);
  });

  it("remembers a bounded number of learnt addresses, the latest", () => {
    const pool = new EndpointPool(["a"]);
    for (let i = 0; i < 3000; i += 1) pool.failed(`pod-${i}`, 0);
    expect(pool.learntCount).toBe(1024);
    expect(pool.pick(["pod-2999"], undefined, 10)).toBe("a");
    expect(pool.pick(["pod-0"], undefined, 10)).toBe("pod-0");
    pool.worked("pod-2999");
    expect(pool.learntCount).toBe(1023);
  });

  it("starts where it is told, so that clients do not all start with the same", () => {
    expect(new EndpointPool(["a", "b", "c"], 2).pick([], undefined, 0)).toBe("c");
  });
});
