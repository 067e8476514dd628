import { describe, expect, it } from "vitest";
import { memoryBudgetFor, networkHeapMegabytesFor, poolThreadsFor, workersFor } from "./node-settings.js";

describe("a node's settings from its resources", () => {
  it("leave one processor to the network thread", () => {
    expect(workersFor({ requests: {}, limits: { cpu: "4" } })).toBe(3);
    expect(workersFor({ requests: { cpu: "2500m" }, limits: {} })).toBe(2);
    expect(workersFor({ requests: { cpu: "500m" }, limits: {} })).toBe(1);
    expect(workersFor({ requests: {}, limits: { cpu: "64" } })).toBe(8);
    expect(workersFor({ requests: {}, limits: { memory: "1Gi" } })).toBeUndefined();
  });

  it("leave memory to the runtime and the page cache", () => {
    expect(memoryBudgetFor({ requests: { memory: "1Gi" }, limits: { memory: "2Gi" } })).toBe(
      Math.floor(0.9 * 2 ** 31),
    );
    expect(memoryBudgetFor({ requests: {}, limits: {} })).toBeUndefined();
  });

  it("limit the network thread's heap to its part of a stated memory", () => {
    expect(networkHeapMegabytesFor({ requests: {}, limits: { memory: "4Gi" } })).toBe(552);
    expect(networkHeapMegabytesFor({ requests: {}, limits: { memory: "256Mi" } })).toBe(96);
    expect(networkHeapMegabytesFor({ requests: {}, limits: { cpu: "2" } })).toBeUndefined();
  });

  it("give disks enough threads, more for more workers", () => {
    expect(poolThreadsFor({ requests: {}, limits: { cpu: "1" } })).toBe(16);
    expect(poolThreadsFor({ requests: {}, limits: { cpu: "9" } })).toBe(24);
  });
});
