import { describe, expect, test } from "vitest";
import { renderFailoverJson, renderFailoverMarkdown, renderFailoverText } from "./failover-report.js";
import type { FailoverResults, Fault, Phase } from "./failover-results.js";

const HEALTH = {
  heartbeatIntervalMs: 1000,
  failureThreshold: 3,
  suspectTimeoutMs: 5000,
  replicaTimeoutMs: 1000,
  rebuildDelaySeconds: 300,
};
const COUNTS = {
  acknowledged: 12_345,
  unknown: 0,
  conflicts: 0,
  refused: { noPrimary: 2 },
  searches: 100,
  failedSearches: 1,
  partialSearches: 2,
  strongReads: 90,
  failedStrongReads: 3,
  staleStrongReads: 0,
  slowestWriteMs: 400,
};

function fault(stallMs: number): Fault {
  const common = { longestMs: stallMs + 1, decidedMs: 20 };
  return {
    kind: "kill",
    node: "node-a-0",
    noticedMs: 10,
    shards: [
      { shard: 0, lost: "primary", stallMs, ...common },
      { shard: 1, lost: "replica", stallMs: stallMs / 2, ...common },
    ],
    recoveredMs: 2000,
    recoveryBytes: 2048,
  };
}

function phase(kind: Phase["kind"], faults: readonly Fault[]): Phase {
  return {
    name: `${kind}, default health`,
    health: HEALTH,
    kind,
    seconds: 60,
    faults,
    counts: COUNTS,
    lost: 0,
    trouble: "",
    quietGapMs: 5,
  };
}

const RESULTS: FailoverResults = {
  takenAt: "2026-01-02T03:04:05.000Z",
  seconds: 120,
  command: "make bench-failover KILLS=2 FREEZES=1 LEADERS=1",
  machine: { processor: "test", cores: 2, memoryBytes: 2 ** 30, system: "Linux", loadBefore: 0.1 },
  versions: { prism: "0.1.0" },
  phases: [phase("kill", [fault(100), fault(200)]), phase("freeze", [])],
  leader: { health: HEALTH, losses: [{ stallsMs: [3000, 4000] }], counts: COUNTS, lost: 0 },
};

describe("the report of a failover run", () => {
  test("tells primaries from replicas, and takes the slowest shard of each fault for all", () => {
    const rows = renderFailoverText(RESULTS).split("\n");
    const cells = (name: string): string[] =>
      rows
        .find((row) => row.includes(name))!
        .trim()
        .split(/ {2,}/);
    expect(cells("kill, default health: primary lost").slice(3, 6)).toEqual(["100 ms", "200 ms", "200 ms"]);
    expect(cells("kill, default health: replica lost").slice(3, 6)).toEqual(["50.0 ms", "100 ms", "100 ms"]);
    expect(cells("kill, default health: until all shards go on").slice(1, 4)).toEqual(["2", "2", "100 ms"]);
  });

  test("gives kills one aim, freezes the time to be noticed and a second; nothing measured is a dash", () => {
    const text = renderFailoverMarkdown(RESULTS);
    expect(text).toMatch(/kill, default health: primary lost .*\| +300 ms \|/);
    expect(text).toMatch(/freeze, default health: primary lost .*– \| +4,000 ms \|/);
    expect(text).toContain("make bench-failover KILLS=2 FREEZES=1 LEADERS=1");
  });

  test("gives programs the same figures", () => {
    expect(JSON.parse(renderFailoverJson(RESULTS))).toEqual(RESULTS);
  });
});
