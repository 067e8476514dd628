import { describe, expect, test } from "vitest";
import { chooseWorkers } from "./worker-count.js";

const machine = (parallelism: number, quota?: number) => ({ parallelism, quota });

describe("the number of workers", () => {
  test("leaves one processor to the network thread, and is at least one and at most eight", () => {
    expect(chooseWorkers(0, machine(4), undefined).workers).toBe(3);
    expect(chooseWorkers(0, machine(1), undefined).workers).toBe(1);
    expect(chooseWorkers(0, machine(64), undefined).workers).toBe(8);
  });

  test("goes by a container's quota where that is less than the machine, and says so", () => {
    expect(chooseWorkers(0, machine(64, 3), undefined)).toEqual({
      workers: 2,
      reason: "a quota of 3 processors, one left to the network thread",
    });
    expect(chooseWorkers(0, machine(64, 2.5), undefined).workers).toBe(2);
    expect(chooseWorkers(0, machine(64, 0.2), undefined).workers).toBe(1);
    expect(chooseWorkers(0, machine(4, 16), undefined).workers).toBe(3);
  });

  test("is what is configured, whatever the processors", () => {
    expect(chooseWorkers(16, machine(2, 1), undefined)).toEqual({ workers: 16, reason: "configured" });
  });

  test("is never above the number of stores, and says so", () => {
    const { workers, reason } = chooseWorkers(16, machine(2), 4);
    expect(workers).toBe(4);
    expect(reason).toContain("4 stores");
    expect(chooseWorkers(2, machine(2), 4).workers).toBe(2);
  });
});
