import { WriteAction } from "@prism/proto/frame-kind";
import type { WriteItem } from "@prism/proto/gen/node";
import { describe, expect, it } from "vitest";
import { FakeCluster, fakeMap } from "../testing/fake-cluster.js";
import { ClusterDirectory, type CollectionEntry } from "./cluster-directory.js";
import { Deadline } from "./deadline.js";
import { NodeTraffic } from "./node-traffic.js";
import { ShardProblem } from "./shard-calls.js";
import { ShardWriter, type WriteOutcome } from "./shard-writer.js";

interface Setup {
  readonly cluster: FakeCluster;
  readonly collection: CollectionEntry;
  readonly write: (
    items: readonly WriteItem[],
    options?: { timeoutMs?: number; waitsForQueue?: boolean },
  ) => Promise<WriteOutcome[]>;
}

/** One shard with copies on n1 (primary), n2 and n3, written to from n3. */
function setup(): Setup {
  const map = fakeMap({ nodes: ["n1", "n2", "n3"], factor: 3, collections: [{ name: "c", shards: 1 }] });
  const cluster = new FakeCluster("n3", map);
  const directory = new ClusterDirectory(cluster.view);
  const writer = new ShardWriter(cluster, directory, new NodeTraffic(cluster, 50));
  const collection = directory.collection("c");
  return {
    cluster,
    collection,
    write: (items, { timeoutMs = 5000, waitsForQueue = false } = {}) =>
      writer.write(collection, 0, items, { deadline: Deadline.in(timeoutMs), waitsForQueue }),
  };
}

function put(id: string, operationId = `op-${id}`, action: keyof typeof WriteAction = "put"): WriteItem {
  return {
    operationId,
    action: WriteAction[action],
    id,
    document: new TextEncoder().encode('{"title":"x"}'),
    ifMatch: "",
    ifNoneMatch: false,
  };
}

const refusalOf = (outcome: WriteOutcome | undefined): unknown =>
  outcome?.kind === "refused" ? [outcome.problem.code, outcome.problem.executed] : outcome;

/** Runs `step` once the fake has been called this often. */
async function whenCalled(cluster: FakeCluster, times: number, step: () => void): Promise<void> {
  const deadline = Deadline.in(2000);
  while (cluster.made.length < times && !deadline.hasPassed) await new Promise(setImmediate);
  expect(cluster.made.length).toBeGreaterThanOrEqual(times);
  step();
}

describe("writing to a shard", () => {
  it("answers each operation by itself, in order", async () => {
    const { write } = setup();
    const outcomes = await write([put("a"), put("a", "op-2", "create"), put("b")]);
    expect(outcomes.map((one) => (one.kind === "written" ? one.result : one.problem.code))).toEqual([
      "created",
      "documentExists",
      "created",
    ]);
  });

  it("makes a failover of a frozen primary look like latency", async () => {
    const { cluster, write } = setup();
    cluster.conduct("n1", { kind: "frozen" });
    const writing = write([put("a")]);
    await whenCalled(cluster, 1, () => cluster.promote("n2"));
    const [outcome] = await writing;
    expect(outcome).toMatchObject({ kind: "written", result: "created", term: 2 });
    expect(cluster.made.map((call) => call.node)).toEqual(["n1", "n2"]);
  });

  it("retries an operation whose answer was lost under the same id, and gets the first answer", async () => {
    const { cluster, collection, write } = setup();
    cluster.conduct("n1", { kind: "losesAnswers" });
    const writing = write([put("a"), put("b")]);
    await whenCalled(cluster, 1, () => cluster.conduct("n1", { kind: "ok" }));
    expect(await writing).toMatchObject([
      { kind: "written", result: "created", seq: 1 },
      { kind: "written", result: "created", seq: 2 },
    ]);
    expect(cluster.store(collection.shards[0]!.uid).seq).toBe(2);
  });

  it("says outcomeUnknown, never failed, when no answer came in time", async () => {
    const { cluster, write } = setup();
    cluster.conduct("n1", { kind: "frozen" });
    const [outcome] = await write([put("a")], { timeoutMs: 80 });
    expect(refusalOf(outcome)).toEqual(["outcomeUnknown", "unknown"]);
  });

  it("says outcomeUnknown when the primary that was asked moved, and the new one gives no answer either", async () => {
    const { cluster, write } = setup();
    cluster.conduct("n1", { kind: "frozen" });
    cluster.conduct("n2", { kind: "unreachable" });
    const writing = write([put("a")], { timeoutMs: 300 });
    await whenCalled(cluster, 1, () => cluster.promote("n2"));
    expect(refusalOf((await writing)[0])).toEqual(["outcomeUnknown", "unknown"]);
  });

  it("keeps saying outcomeUnknown when a later try is refused without being executed", async () => {
    const { cluster, write } = setup();
    cluster.conduct("n1", { kind: "losesAnswers" });
    const writing = write([put("a")], { timeoutMs: 300 });
    const problem = new ShardProblem("notEnoughCopies", "1 of 2", { executed: "no" });
    await whenCalled(cluster, 1, () => cluster.conduct("n1", { kind: "refuses", problem }));
    expect(refusalOf((await writing)[0])).toEqual(["outcomeUnknown", "unknown"]);
  });

  it("does not say that nothing was executed when a later try is refused for good", async () => {
    const { cluster, write } = setup();
    cluster.conduct("n1", { kind: "losesAnswers" });
    const writing = write([put("a")], { timeoutMs: 300 });
    const problem = new ShardProblem("documentExists", "a exists", { executed: "no" });
    await whenCalled(cluster, 1, () => cluster.conduct("n1", { kind: "refuses", problem }));
    expect(refusalOf((await writing)[0])).toEqual(["documentExists", "unknown"]);
  });

  it("waits for a primary until the deadline, then says that nothing was executed", async () => {
    const { cluster, write } = setup();
    cluster.conduct("n1", { kind: "unreachable" });
    const [outcome] = await write([put("a")], { timeoutMs: 150 });
    expect(refusalOf(outcome)).toEqual(["shardUnavailable", "no"]);
    expect(cluster.made.length).toBeGreaterThan(1);
  });

  it("follows the hint of a copy that knows a newer primary than the map", async () => {
    const { cluster, write } = setup();
    const problem = new ShardProblem("noPrimary", "moved", {
      executed: "no",
      primaryNode: cluster.map.nodes[1]!.id,
    });
    cluster.conduct("n1", { kind: "refuses", problem });
    const writing = write([put("a")]);
    await whenCalled(cluster, 2, () => cluster.promote("n2"));
    expect(await writing).toMatchObject([{ kind: "written" }]);
    expect(cluster.made.slice(0, 2).map((call) => call.node)).toEqual(["n1", "n2"]);
  });

  it("hands too few copies on at once, and a full queue unless it is told to wait", async () => {
    const { cluster, write } = setup();
    const tooFew = new ShardProblem("notEnoughCopies", "1 of 2", { executed: "no" });
    cluster.conduct("n1", { kind: "refuses", problem: tooFew });
    expect(refusalOf((await write([put("a")]))[0])).toEqual(["notEnoughCopies", "no"]);
    const full = new ShardProblem("tooManyRequests", "10,000 wait", { executed: "no" });
    cluster.conduct("n1", { kind: "refuses", problem: full });
    expect(refusalOf((await write([put("a")]))[0])).toEqual(["tooManyRequests", "no"]);
    expect(cluster.made).toHaveLength(2);
    const patient = write([put("a")], { waitsForQueue: true });
    await whenCalled(cluster, 3, () => cluster.conduct("n1", { kind: "ok" }));
    expect(await patient).toMatchObject([{ kind: "written" }]);
  });

  it("ends when the collection is deleted meanwhile", async () => {
    const { cluster, write } = setup();
    cluster.conduct("n1", { kind: "unreachable" });
    const writing = write([put("a")], { timeoutMs: 60_000 });
    await whenCalled(cluster, 1, () => cluster.change(() => ({ collections: [], shards: [] })));
    expect(refusalOf((await writing)[0])).toEqual(["collectionNotFound", "no"]);
  });
});
