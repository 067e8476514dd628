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
});
