import { open as openLmdb, type RootDatabaseOptionsWithPath } from "lmdb";
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

test("a copy whose snapshot is not on disk yet leads no new history before it is, and then answers a retry", async () => {
  let release: (() => void) | undefined;
  let held: Promise<void> | undefined;
  const heldLmdb: typeof openLmdb = (options) => {
    const root = openLmdb<Buffer, Buffer>(options as RootDatabaseOptionsWithPath);
    const batch = root.batch.bind(root);
    root.batch = async (action) => {
      await held;
      return await batch(action);
    };
    return root as never;
  };
  cluster = new TestCluster(1, { minReplicasForWrite: 1 });
  const [n1, n2] = [cluster.node("n1"), cluster.start("n2", undefined, heldLmdb)];
  await until("primary", () => n1.report()?.role === "primary");
  cluster.addRecovering("a2", "n2");
  await until("joined", () => cluster.shard.inSync.includes("a2" as AllocationId));
  // Of another history than the primary's, n2 can only be filled by a snapshot.
  const reset = (id: string, node: string, history: string): void =>
    cluster.change({
      term: cluster.shard.term + 1,
      historyId: history as HistoryId,
      primary: id as AllocationId,
      inSync: [id as AllocationId],
      recovering: [],
      copies: [{ id: id as AllocationId, node: node as NodeId, zone: `z-${node}` }],
    });
  reset("a1", "n1", "history-2");
  await until(
    "the new history",
    () => n1.report()?.historyId === "history-2" && n1.report()?.role === "primary",
  );
  const write = { id: "x", document: { year: 1 }, operationId: "operation-of-x" };
  const first = (await n1.write([write])).outcomes[0]!;
  const route = n2.onMessage;
  n2.onMessage = (message) => {
    if (message.kind === "protocolEvent" && message.event.what === "snapshotInstalled") {
      held = new Promise((resolve) => (release = resolve));
    }
    route(message);
  };
  cluster.addRecovering("a3", "n2");
  await until("snapshot in memory", () => held !== undefined);

  reset("a3", "n2", "history-3");
  // Answered after the map was taken: what the copy is given it keeps on disk before it acts on it.
  await n2.get("x").catch(() => undefined);
  expect(n2.report()?.role).not.toMatch(/primary|activating/);
  release!();
  await until("leads", () => n2.report()?.role === "primary");
  const retry = await n2.write([write]);
  expect(retry.outcomes[0]).toMatchObject({ seq: first.seq, term: first.term, result: "created" });
});
