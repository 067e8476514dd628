import type { StatusResponse } from "@prism/api/status";
import { describe, expect, it } from "vitest";
import { statusScreen } from "./status-screen.js";

const NOW = 1_700_000_100_000;
const plain = (_colour: unknown, text: string): string => text;

const HEALTHY: StatusResponse = {
  status: "ok",
  clusterName: "demo",
  clusterId: "c1",
  clusterMode: "Cluster",
  version: "0.1.0",
  revision: 7,
  reportedAt: NOW - 1000,
  controlPlane: "connected",
  activeNodes: 1,
  wantedNodes: 1,
  collectionCount: 1,
  shardCount: 1,
  replicaCount: 1,
  inSyncCount: 1,
  documentCount: 1234,
  zoneLossTolerated: false,
  topology: [{ zone: "a", nodes: 1, ready: 1, survivesLoss: false }],
  nodes: [
    {
      id: "n1",
      name: "demo-a-0",
      zone: "a",
      region: "",
      rack: "",
      state: "alive",
      since: NOW - 60_000,
      ready: true,
      draining: false,
      httpUrl: "http://127.0.0.1:3080",
      version: "0.1.0",
      workers: 1,
      copies: 1,
      primaries: 1,
      documents: 1234,
      memoryUsedBytes: 1024 * 1024,
      diskFreeBytes: 1024 ** 3,
    },
  ],
  shards: [
    {
      collection: "notes",
      number: 0,
      state: "ok",
      term: 1,
      version: 2,
      primary: "demo-a-0",
      inSync: 1,
      recovering: 0,
      wanted: 1,
      unassigned: [],
      documents: 1234,
      copies: [],
      reason: "ShardCreated",
      since: NOW - 60_000,
    },
  ],
  problems: [],
};

describe("the status screen", () => {
  it("says in its first lines that nothing is wrong when nothing is", () => {
    const [headline, second] = statusScreen(HEALTHY, NOW, plain);
    expect(headline).toContain("demo: ok");
    expect(headline).toContain("1,234 documents");
    expect(second).toBe("nothing is wrong");
  });

  it("says what is wrong, since when and what happens next", () => {
    const lines = statusScreen(
      {
        ...HEALTHY,
        status: "degraded",
        problems: [
          {
            reason: "WaitingForNode",
            severity: "warning",
            object: "shard/notes/0",
            since: NOW - 240_000,
            message: "one copy is away",
            next: "a new copy is made in 60 s",
          },
        ],
      },
      NOW,
      plain,
    );
    expect(lines).toContain("warning: WaitingForNode  shard/notes/0  for 4 min");
    expect(lines).toContain("  what: one copy is away");
    expect(lines).toContain("  next: a new copy is made in 60 s");
  });

  it("tells an old report from a new one when the control plane is away", () => {
    const lines = statusScreen({ ...HEALTHY, controlPlane: "away", reportedAt: NOW - 30_000 }, NOW, plain);
    expect(lines[1]).toContain("this report is 30 s old");
  });

  it("lists only what is wrong of very many shards", () => {
    const shard = HEALTHY.shards[0]!;
    const many = Array.from({ length: 200 }, (_unused, number) => ({ ...shard, number }));
    const broken = { ...shard, number: 200, state: "unavailable" as const, primary: null };
    const lines = statusScreen({ ...HEALTHY, shards: [...many, broken] }, NOW, plain);
    expect(lines.filter((line) => line.startsWith("notes/"))).toHaveLength(1);
    expect(lines.at(-1)).toBe("(200 more shards)");
  });
});
