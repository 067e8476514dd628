import { describe, expect, test } from "vitest";
import { chooseWorkers } from "./worker-count.js";

describe("the number of workers", () => {
  test("leaves one processor to the network thread, and is at least one and at most eight", () => {
    expect(chooseWorkers(0, 4, undefined).workers).toBe(3);
    expect(chooseWorkers(0, 1, undefined).workers).toBe(1);
    expect(chooseWorkers(0, 64, undefined).workers).toBe(8);
  });

  test("is what is configured, whatever the processors", () => {
    expect(chooseWorkers(16, 2, undefined)).toEqual({ workers: 16, reason: "configured" });
  });

  test("is never above the number of stores, and says so", () => {
    const { workers, reason } = chooseWorkers(16, 2, 4);
    expect(workers).toBe(4);
    expect(reason).toContain("4 stores");
    expect(chooseWorkers(2, 2, 4).workers).toBe(2);
  });
});
