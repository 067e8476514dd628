/** Somebody loses the record of a shard in the control plane's store; the nodes' disks say what it was. */
import { join } from "node:path";
import { LmdbStore } from "@prism/operator/adapters/local/lmdb-store";
import type { ApiObject } from "@prism/operator/ports/store";
import { afterEach, describe, expect, test } from "vitest";
import { ClusterUnderTest } from "../cluster-under-test.js";

const DOCUMENTS = 60;

let cluster: ClusterUnderTest | undefined;
afterEach(async () => {
  await cluster?.close();
});

async function loaded(): Promise<ClusterUnderTest> {
  cluster = await ClusterUnderTest.start({ workersPerNode: 1 });
  await cluster.createCollection("notes", { shards: 2, fields: [{ name: "n", type: "integer" }] });
  const notes = cluster.client().collection("notes");
  for (let n = 0; n < DOCUMENTS; n += 1) await notes.put(`d${n}`, { n });
  await cluster.settled();
  return cluster;
}

type Shard = ApiObject<"PrismShard">;

/** While no control plane runs. */
async function changeStore(
  { dataDirectory }: ClusterUnderTest,
  change: (store: LmdbStore, shard: Shard) => Promise<unknown>,
): Promise<Shard> {
  const store = new LmdbStore(join(dataDirectory, "objects.lmdb"));
  try {
    const [shard] = (await store.list("PrismShard")).items;
    await change(store, shard!);
    return shard!;
  } finally {
    await store.close();
  }
}

describe("a shard's record that is lost while everything is down", () => {
  test.each([
    [
      "deleted",
      (store: LmdbStore, { metadata }: Shard) =>
        store.delete("PrismShard", metadata.name, { uid: metadata.uid }),
    ],
    ["emptied", (store: LmdbStore, shard: Shard) => store.update({ ...shard, status: {} as never })],
    [
      "put back to how it was made",
      (store: LmdbStore, shard: Shard) => {
        const { inSync } = shard.status;
        const status = { ...shard.status, version: 1, term: 1, primary: inSync[0]!, inSync: [inSync[0]!] };
        const spec = { ...shard.spec, bootstrap: "nonce" };
        return store.update({ ...shard, spec, status: { ...status, recovering: inSync.slice(1) } });
      },
    ],
  ])("and %s is made again, and no document is missing", async (_how, change) => {
    const started = await loaded();
    await started.stop();
    const before = await changeStore(started, change);
    await started.startAgain();
    await started.settled();
    const notes = started.client().collection("notes");
    for (let n = 0; n < DOCUMENTS; n += 1) expect((await notes.get(`d${n}`))?.fields).toEqual({ n });
    await notes.put("after", { n: 0 });
    expect((await notes.count({})).count).toBe(DOCUMENTS + 1);
    const events = started.local.events().map(({ reason }) => reason);
    expect(events).toContain("ShardRecordRebuilt");
    await started.stop();
    const after = await changeStore(started, async () => undefined);
    expect(after.spec.shardUid).toBe(before.spec.shardUid);
    expect([...after.status.inSync].sort()).toEqual([...before.status.inSync].sort());
    expect(after.status.term).toBeGreaterThan(before.status.term);
  });
});
