import { afterEach, expect, test } from "vitest";
import type { AllocationId, HistoryId, NodeId } from "../domain/cluster-map.js";
import { TestCluster } from "./testing/test-cluster.js";
import { until } from "./testing/worker-harness.js";

let cluster: TestCluster;
afterEach(async () => {
  await cluster.close();
});

test("a forced reset begins a new history with what one copy has; copies of the old one get a snapshot", async () => {
  cluster = new TestCluster(2, { minReplicasForWrite: 1 });
  await until("primary", () => cluster.node("n1").report()?.role === "primary");
  const { outcomes } = await cluster.node("n1").write([{ id: "both", document: { year: 1 } }]);
  await until("applied", () => cluster.node("n2").report()?.appliedSeq === outcomes[0]!.seq);
  // Left alone in the set, n1 acknowledges what n2 never has.
  cluster.cut("n2");
  await until("alone", () => cluster.shard.inSync.length === 1);
  await cluster.node("n1").write([{ id: "lost", document: { year: 2 } }]);

  const kinds = new Set<string>();
  cluster.passes = (_from, to, message) => {
    if (to === "n1") kinds.add(message.snapshotChunk === undefined ? "other" : "snapshot");
    return true;
  };
  const place = { id: "a2" as AllocationId, node: "n2" as NodeId, zone: "z2" };
  cluster.change({
    term: cluster.shard.term + 1,
    historyId: "history-2" as HistoryId,
    primary: place.id,
    inSync: [place.id],
    recovering: [],
    copies: [place],
  });
  await until("leads", () => cluster.node("n2").report()?.role === "primary");
  expect(cluster.node("n2").report()).toMatchObject({ historyId: "history-2" });
  expect(await cluster.node("n2").get("both")).toEqual({ year: 1 });
  await cluster.node("n2").write([{ id: "new", document: { year: 3 } }]);

  cluster.heal("n2");
  cluster.addRecovering("a9", "n1");
  await until("joined", () => cluster.shard.inSync.includes("a9" as AllocationId));
  expect(kinds).toContain("snapshot");
  expect(cluster.node("n1").report()).toMatchObject({ historyId: "history-2", allocationId: "a9" });
  await until("readable", () =>
    cluster
      .node("n1")
      .get("new")
      .then(Boolean, () => false),
  );
  expect(await cluster.node("n1").get("lost")).toBeUndefined();

  // The new history is on disk with the term: a restart goes on in it.
  const directory = await cluster.stop("n2");
  cluster.start("n2", directory).applyMap(cluster.map);
  await until("back", () => cluster.node("n2").report() !== undefined);
  expect(cluster.node("n2").report()).toMatchObject({ historyId: "history-2" });
  expect(cluster.node("n2").report()!.term).toBeGreaterThanOrEqual(2);
});
