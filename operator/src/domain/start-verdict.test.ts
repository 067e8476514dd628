import { describe, expect, test } from "vitest";
import { startVerdict, type StartingNode } from "./start-verdict.js";

function node(name: string, ready: boolean, exitsInARow = 0): StartingNode {
  return { name, ready, exitsInARow };
}

describe("the start of a cluster", () => {
  test("is over when every node is ready", () => {
    expect(startVerdict([node("a", true), node("b", true)], false)).toEqual({ kind: "ready" });
  });

  test("waits for a node that is late, and for one that ended once or twice", () => {
    expect(startVerdict([node("a", true), node("b", false)], false)).toEqual({ kind: "waiting" });
    expect(startVerdict([node("a", true), node("b", false, 2)], false)).toEqual({ kind: "waiting" });
  });

  test("goes on without a node that keeps ending, once all others are ready", () => {
    const crashing = node("c", false, 3);
    expect(startVerdict([node("a", true), node("b", false), crashing], false)).toEqual({ kind: "waiting" });
    expect(startVerdict([node("a", true), node("b", true), crashing], false)).toEqual({
      kind: "degraded",
      missing: ["c"],
    });
  });

  test("is degraded when the time is over and some are ready, failed when none is", () => {
    expect(startVerdict([node("a", true), node("b", false)], true)).toEqual({
      kind: "degraded",
      missing: ["b"],
    });
    expect(startVerdict([node("a", false, 9), node("b", false)], true)).toEqual({
      kind: "failed",
      missing: ["a", "b"],
    });
    expect(startVerdict([node("a", false, 9)], false)).toEqual({ kind: "waiting" });
  });
});
