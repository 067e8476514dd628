import { WriteAction } from "@prism/proto/frame-kind";
import type { WriteItem } from "@prism/proto/gen/node";
import { expect, test } from "vitest";
import { FakeCluster, fakeMap } from "../testing/fake-cluster.js";
import { BulkLane } from "./bulk-lane.js";
import { ClusterDirectory, type CollectionEntry } from "./cluster-directory.js";
import { NodeTraffic } from "./node-traffic.js";
import { ShardWriter, type WriteOutcome } from "./shard-writer.js";

const BATCH = 500;

/** Answers a batch when it is told to. */
class HeldWriter extends ShardWriter {
  readonly batches: (readonly WriteItem[])[] = [];
  readonly #answers: (() => void)[] = [];

  override write(
    _collection: CollectionEntry,
    _number: number,
    items: readonly WriteItem[],
  ): Promise<WriteOutcome[]> {
    this.batches.push(items);
    const written = {
      kind: "written",
      result: "updated",
      term: 1,
      historyId: "h",
      copies: 1,
      zones: 1,
    } as const;
    return new Promise((resolve) => {
      this.#answers.push(() => resolve(items.map((_, i) => ({ ...written, seq: i }))));
    });
  }

  async answer(batch: number): Promise<void> {
    this.#answers[batch]!();
    await new Promise(setImmediate);
  }
}

function setup(): { lane: BulkLane; writer: HeldWriter; add: (...ids: string[]) => void; settled: string[] } {
  const cluster = new FakeCluster(
    "n1",
    fakeMap({ nodes: ["n1"], factor: 1, collections: [{ name: "c", shards: 1 }] }),
  );
  const directory = new ClusterDirectory(cluster.view);
  const writer = new HeldWriter(cluster, directory, new NodeTraffic(cluster, 50));
  const lane = new BulkLane(directory.collection("c"), 0, writer, 1000, undefined);
  const settled: string[] = [];
  const add = (...ids: string[]): void => {
    for (const id of ids) {
      const item = { operationId: id, action: WriteAction.put, id, document: new Uint8Array(2) };
      lane.add({ ...item, ifMatch: "", ifNoneMatch: false }, () => settled.push(id));
    }
  };
  return { lane, writer, add, settled };
}

const ids = (prefix: string, count = BATCH): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

test("full batches go side by side, others wait until nothing is under way", async () => {
  const { lane, writer, add } = setup();
  add(...ids("a"), ...ids("b"), "c");
  expect(writer.batches).toHaveLength(2);
  lane.sendIfIdle();
  expect(writer.batches).toHaveLength(2);
  await writer.answer(0);
  expect(writer.batches).toHaveLength(2);
  await writer.answer(1);
  expect(writer.batches.map((batch) => batch.length)).toEqual([BATCH, BATCH, 1]);
});

test("two operations on one document are never under way at once, and none overtakes them", async () => {
  const { writer, add, settled } = setup();
  add(...ids("a"), "a7", ...ids("b", BATCH - 1), ...ids("c"));
  expect(writer.batches).toHaveLength(1);
  await writer.answer(0);
  expect(writer.batches.map((batch) => batch[0]!.id)).toEqual(["a0", "a7", "c0"]);
  expect(settled).toHaveLength(BATCH);
});

test("at the end a batch goes as it is", () => {
  const { lane, writer, add } = setup();
  add(...ids("a"), "b");
  lane.end();
  expect(writer.batches.map((batch) => batch.length)).toEqual([BATCH, 1]);
});
