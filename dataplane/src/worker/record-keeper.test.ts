import { afterEach, expect, test } from "vitest";
import type { AllocationId, ClusterMap } from "../domain/cluster-map.js";
import { TestCluster } from "./testing/test-cluster.js";
import { until, type WorkerHarness } from "./testing/worker-harness.js";

let cluster: TestCluster;
afterEach(async () => {
  await cluster.close();
});

const kept = (node: WorkerHarness) => node.report()?.kept;

/** As of a control plane that has lost the record. */
function withoutRecord(map: ClusterMap, revision: number): ClusterMap {
  return { ...map, revision, shards: [] };
}

test("a copy tells what record it was given once the map has none, and of which map and leader", async () => {
  cluster = new TestCluster(2);
  const node = cluster.node("n2");
  await until("followed", () => node.report()?.mapVersion === cluster.shard.version);
  expect(kept(node)).toBeUndefined();
  node.applyMap({ ...withoutRecord(cluster.map, 50), leaderEpoch: 7 });
  await until("told", () => kept(node) !== undefined);
  expect(kept(node)).toMatchObject({
    leaderEpoch: 7,
    mapRevision: 50,
    shard: { version: cluster.shard.version, inSync: ["a1", "a2"], primary: "a1", number: 0 },
  });
  node.applyMap({ ...withoutRecord(cluster.map, 51), leaderEpoch: 7 });
  await until("the newer map", () => kept(node)?.mapRevision === 51);
  node.applyMap({ ...cluster.map, revision: 52, leaderEpoch: 7 });
  await until("found again", () => kept(node) === undefined);
});

test("a copy that is shown an older record than it was given tells the newer one", async () => {
  cluster = new TestCluster(2);
  const node = cluster.node("n2");
  const older = cluster.map;
  cluster.promote("a2");
  await until("promoted", () => node.report()?.role === "primary");
  node.applyMap({ ...older, revision: 90 });
  await until("told", () => kept(node) !== undefined);
  expect(kept(node)?.shard).toMatchObject({ term: 2, primary: "a2" });
  expect(node.report()?.role).toBe("primary");
});

test("what a copy was given outlasts its process, whatever its node's map file says", async () => {
  cluster = new TestCluster(2);
  const first = cluster.map;
  cluster.change({ inSync: ["a1" as AllocationId], recovering: ["a2" as AllocationId] });
  await until("taken", () => cluster.node("n1").report()?.mapVersion === cluster.shard.version);
  const { version } = cluster.shard;
  const again = cluster.start("n1", await cluster.stop("n1"));
  // Before any map it must not pass for a copy that knows of no record.
  expect(kept(again)?.shard?.version).toBe(version);
  again.applyMap(first);
  await until("told", () => kept(again)?.mapRevision === first.revision);
  expect(kept(again)?.shard).toMatchObject({ version, inSync: ["a1"], recovering: ["a2"] });
  expect(again.report()?.mapVersion).toBe(version);
});

test("a leader that was overtaken is not followed any more, not after a restart either", async () => {
  cluster = new TestCluster(2);
  const late = { ...cluster.map, leaderEpoch: 3, revision: 10 };
  const [shard] = late.shards;
  const node = cluster.node("n1");
  node.applyMap({ ...withoutRecord(cluster.map, 20), leaderEpoch: 4 });
  await until("told", () => kept(node)?.leaderEpoch === 4);
  const again = cluster.start("n1", await cluster.stop("n1"));
  const { version, term } = cluster.shard;
  again.applyMap({
    ...late,
    shards: [{ ...shard!, version: version + 1, term: term + 1, primary: "a1" as AllocationId }],
  });
  await until("report", () => again.report() !== undefined);
  again.applyMap({ ...withoutRecord(cluster.map, 30), leaderEpoch: 5 });
  await until("told again", () => kept(again)?.leaderEpoch === 5);
  expect(kept(again)?.shard?.version).toBe(version);
  expect(again.report()?.term).toBe(term);
});
