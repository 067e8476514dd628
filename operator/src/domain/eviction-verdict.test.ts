import type { StatusNode, StatusResponse, StatusShard } from "@prism/api/status";
import { describe, expect, it } from "vitest";
import { evictionVerdict, isFullyInSync, type EvictionFacts } from "./eviction-verdict.js";

const HEALTH = { replicaTimeoutMs: 1000, heartbeatIntervalMs: 1000 } as EvictionFacts["settings"]["health"];
const NODE = { name: "demo-a-0", ready: true, draining: false } as StatusNode;
const SHARD = {
  collection: "speeches",
  number: 0,
  state: "ok",
  wanted: 3,
  inSync: 3,
  recovering: 0,
  unassigned: [],
  copies: [{}, {}, {}],
} as unknown as StatusShard;

function status(over: Partial<StatusResponse> = {}): StatusResponse {
  const all = { activeNodes: 3, nodes: [NODE, NODE, NODE], shards: [SHARD], reportedAt: 100_000 };
  return { ...all, ...over } as StatusResponse;
}

function verdict(over: Partial<EvictionFacts> = {}): string {
  const facts: EvictionFacts = {
    status: status(),
    settings: { nodes: 3, health: HEALTH },
    readyPods: 3,
    undisturbedSinceMs: 90_000,
    ...over,
  };
  const { maxUnavailable, why } = evictionVerdict(facts);
  return maxUnavailable === 1 ? "one may go" : why;
}

describe("the ledger of disruptions", () => {
  it("lets one pod go while everything is in sync and nothing is disrupted", () => {
    expect(verdict()).toBe("one may go");
    expect(verdict({ status: status({ shards: [] }) })).toBe("one may go");
  });

  it("holds all of them while it is not known, or known to be otherwise", () => {
    expect(verdict({ status: undefined })).toBe("no control plane leads");
    expect(verdict({ readyPods: 2 })).toBe("2 of 3 pods are ready");
    expect(verdict({ status: status({ activeNodes: 2 }) })).toBe("2 of 3 nodes are alive");
    const leaving = status({ nodes: [NODE, { ...NODE, draining: true }] });
    expect(verdict({ status: leaving })).toBe("demo-a-0 is leaving");
    const recovering = { ...SHARD, state: "degraded", inSync: 2, recovering: 1 } as StatusShard;
    expect(verdict({ status: status({ shards: [SHARD, recovering] }) })).toBe("shard speeches/0 is degraded");
  });

  it("does not trust a status from before, or right after, a pod's return", () => {
    expect(verdict({ undisturbedSinceMs: 98_000 })).toBe("a pod has just come back");
    expect(verdict({ undisturbedSinceMs: 97_000 })).toBe("one may go");
    const slow = { nodes: 3, health: { ...HEALTH, replicaTimeoutMs: 10_000 } };
    expect(verdict({ settings: slow })).toBe("a pod has just come back");
  });

  it("does not wait for a copy that has no domain to stand in, if another one is in sync", () => {
    const lacking = {
      ...SHARD,
      state: "degraded",
      inSync: 2,
      copies: [{}, {}],
      unassigned: [{ reason: "NotEnoughDomains" }],
    } as unknown as StatusShard;
    expect(isFullyInSync(status({ shards: [lacking] }))).toBe(true);
    expect(isFullyInSync(status({ shards: [{ ...lacking, recovering: 1, inSync: 1 }] }))).toBe(false);
    const unplaced = { ...lacking, unassigned: [{ reason: "NoNodeWithCapacity" }] } as unknown as StatusShard;
    expect(isFullyInSync(status({ shards: [unplaced] }))).toBe(false);
    const alone = {
      ...lacking,
      inSync: 1,
      copies: [{}],
      unassigned: [{ reason: "NotEnoughDomains" }, { reason: "NotEnoughDomains" }],
    } as unknown as StatusShard;
    expect(isFullyInSync(status({ shards: [alone] }))).toBe(false);
  });
});
