import { ReadLevelKind } from "@prism/proto/frame-kind";
import { afterEach, expect, test } from "vitest";
import { TestCluster } from "./testing/test-cluster.js";
import { until, type MapChange } from "./testing/worker-harness.js";

const STRONG = { kind: ReadLevelKind.strong };
const within = (maxStalenessMs: number) => ({ kind: ReadLevelKind.bounded, maxStalenessMs });

let cluster: TestCluster;

async function startCluster(change: MapChange = {}): Promise<TestCluster> {
  cluster = new TestCluster(3, change);
  await until("primary", () => cluster.node("n1").report()?.role === "primary");
  return cluster;
}

function fails(read: Promise<unknown>): Promise<boolean> {
  return read.then(
    () => false,
    () => true,
  );
}

afterEach(async () => {
  await cluster.close();
});

/** n1 is cut off without knowing it; n2 leads the rest and has acknowledged year 2. */
async function deposeFirst(): Promise<void> {
  await cluster.node("n1").put("b1", { year: 1 });
  cluster.isolate("n1");
  cluster.promote("a2");
  await until("new primary", () => cluster.node("n2").report()?.role === "primary");
  await cluster.node("n2").put("b1", { year: 2 });
}

test("a strong read shows what was acknowledged before it, and is for the primary alone", async () => {
  await startCluster();
  await cluster.node("n1").put("b1", { year: 1 });
  expect(await cluster.node("n1").getAt("b1", STRONG)).toEqual({ year: 1 });
  await expect(cluster.node("n2").getAt("b1", STRONG)).rejects.toMatchObject({
    error: { code: "noPrimary", primaryNode: "n1" },
  });
});

test("a primary that was deposed without knowing it gives no strong answer, and what it has to others", async () => {
  await startCluster();
  await deposeFirst();
  const old = cluster.node("n1");
  await expect(old.getAt("b1", STRONG, 300)).rejects.toMatchObject({
    error: { code: "consistencyNotMet", detail: expect.stringMatching(/strong: .* n2, n3/) },
  });
  expect(await old.get("b1")).toEqual({ year: 1 });
  expect(await cluster.node("n2").getAt("b1", STRONG)).toEqual({ year: 2 });
  cluster.heal("n1");
  const code = expect.stringMatching(/noPrimary|shardUnavailable/) as string;
  await expect(old.getAt("b1", STRONG)).rejects.toMatchObject({ error: { code } });
});

test("a write on the side that was cut off is not called a success, and is gone when it heals", async () => {
  await startCluster();
  await deposeFirst();
  const { outcomes } = await cluster.node("n1").write([{ id: "b1", document: { year: 3 } }], 300);
  expect(outcomes[0]!.error).toMatchObject({ code: "outcomeUnknown", executed: "unknown" });
  cluster.heal("n1");
  cluster.addRecovering("a4", "n1");
  await until("joined", () => cluster.shard.inSync.some((id) => id === "a4"));
  const healed = cluster.node("n1");
  await until("served", () =>
    healed.getAt("b1", within(1000)).then(
      (document) => document?.["year"] === 2,
      () => false,
    ),
  );
});

test("a bounded read is answered by any copy that hears of its primary, and by none that is cut off", async () => {
  await startCluster();
  await cluster.node("n1").put("b1", { year: 1 });
  for (const node of cluster.nodes.values()) expect(await node.getAt("b1", within(50))).toEqual({ year: 1 });
  cluster.answersRequests = false;
  cluster.isolate("n3");
  await until("news of the primary are old", () => fails(cluster.node("n3").getAt("b1", within(50), 300)));
  await expect(cluster.node("n3").getAt("b1", within(50), 300)).rejects.toMatchObject({
    error: { code: "consistencyNotMet", detail: expect.stringContaining("primary on n1") },
  });
  cluster.heal("n3");
  expect(await cluster.node("n3").getAt("b1", within(50))).toEqual({ year: 1 });
});

test("a bounded read shows what was acknowledged longer ago than its bound, on a copy that just heard it", async () => {
  await startCluster();
  for (let year = 1; year <= 20; year += 1) {
    await cluster.node("n1").put("b1", { year });
    // Bound 1: nothing that was heard before this write was acknowledged will do.
    const acknowledgedMs = performance.now();
    await until("2 ms later", () => performance.now() > acknowledgedMs + 2);
    expect(await cluster.node("n3").getAt("b1", within(1))).toEqual({ year });
  }
});

test("where stale reads are not allowed, a node that is cut off refuses them until it hears of the others", async () => {
  await startCluster({ allowStaleReads: false });
  const { seq } = await cluster.node("n1").put("b1", { year: 1 });
  const alone = cluster.node("n3");
  const hear = (controlPlaneSilenceMs: number): void =>
    alone.send({ kind: "ping", id: 1, controlPlaneSilenceMs });
  hear(0);
  expect(await alone.get("b1", seq)).toEqual({ year: 1 });
  hear(Number.POSITIVE_INFINITY);
  // Without the control plane, but not without the primary.
  expect(await alone.get("b1")).toEqual({ year: 1 });
  cluster.answersRequests = false;
  cluster.isolate("n3");
  const refusal = { error: { code: "staleRead", executed: "no" } };
  await until("news of the primary are old", () => fails(alone.get("b1")));
  await expect(alone.get("b1")).rejects.toMatchObject(refusal);
  await expect(alone.search({})).rejects.toMatchObject(refusal);
  await expect(alone.scan("", 10)).rejects.toMatchObject(refusal);
  cluster.heal("n3");
  expect(await alone.get("b1")).toEqual({ year: 1 });
});

test("where stale reads are allowed, a node that is cut off answers from what it has", async () => {
  await startCluster();
  await cluster.node("n1").put("b1", { year: 1 });
  await until("applied", async () => (await cluster.node("n3").get("b1")) !== undefined);
  cluster.node("n3").send({ kind: "ping", id: 1, controlPlaneSilenceMs: Number.POSITIVE_INFINITY });
  cluster.answersRequests = false;
  cluster.isolate("n3");
  expect(await cluster.node("n3").get("b1")).toEqual({ year: 1 });
});

test("reads that wait for a level end when the copy does", async () => {
  await startCluster();
  cluster.answersRequests = false;
  cluster.cut("n2");
  const waiting = cluster.node("n1").getAt("b1", STRONG, 60_000);
  const [ended] = await Promise.allSettled([waiting, cluster.stop("n1")]);
  expect(ended).toMatchObject({ reason: { error: { code: "shardUnavailable" } } });
});
