import { readdirSync } from "node:fs";
import { join } from "node:path";
import { encodeDocument } from "@prism/dataplane/adapters/lmdb/entry-codec";
import { ShardStore } from "@prism/dataplane/adapters/lmdb/shard-store";
import { numberKey } from "@prism/dataplane/adapters/lmdb/store-key";
import type { CollectionClient } from "@prism/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterUnderTest } from "./cluster-under-test.js";
import { PrismCommand } from "./prism-command.js";

const FIELDS = [
  { name: "title", type: "text" },
  { name: "embedding", type: "vector", dimensions: 4 },
] as const;
const DOCUMENTS = 3000;

let cluster: ClusterUnderTest;
let notes: CollectionClient;
beforeAll(async () => {
  cluster = await ClusterUnderTest.start();
  await cluster.createCollection("notes", { shards: 2, fields: FIELDS });
  notes = cluster.client().collection("notes");
  const lines = Array.from({ length: DOCUMENTS }, (_, i) => ({ id: `d${i}`, document: documentOf(i, 0) }));
  const { failed } = await notes.bulk(lines);
  if (failed > 0) throw new Error(`${failed} documents were not written`);
}, 120_000);
afterAll(async () => cluster?.close());

function documentOf(i: number, version: number): Record<string, unknown> {
  return { title: `speech ${i} of version ${version}`, embedding: [1, i % 7, i % 11, version] };
}

/** Puts, patches and deletes until told to stop; resolves with how many. */
function writeUntil(isOver: () => boolean): Promise<number> {
  const lane = async (from: number): Promise<number> => {
    let written = 0;
    for (let round = 1; !isOver(); round += 1) {
      const i = (from + round * 37) % DOCUMENTS;
      if (round % 5 === 0) await notes.delete(`d${i}`);
      else if (round % 3 === 0) await notes.put(`new${from}.${round}`, documentOf(i, round));
      else await notes.put(`d${i}`, documentOf(i, round));
      written += 1;
    }
    return written;
  };
  return Promise.all([0, 1, 2, 3].map(lane)).then((lanes) => lanes.reduce((sum, lane) => sum + lane, 0));
}

function allocationsOn(node: string): string {
  const copies = cluster.status().shards.flatMap((shard) => shard.copies);
  return copies
    .filter((copy) => copy.node === node)
    .map((copy) => copy.id)
    .toSorted()
    .join(" ");
}

/** Changes a document in a copy's store itself, as no program of the cluster would. */
async function plant(node: string, id: string): Promise<void> {
  const stores = join(cluster.nodeData(node), "stores");
  let planted = 0;
  for (const name of readdirSync(stores)) {
    const store = new ShardStore(join(stores, name), {
      sync: true,
      onDiskFull: () => undefined,
      onFailure: (error) => {
        throw error;
      },
    });
    for (const { slot } of store.records()) {
      const doc = store.docOfId(slot, id);
      const stored = doc === undefined ? undefined : store.document(slot, doc);
      if (doc === undefined || stored === undefined) continue;
      const record = Buffer.from(stored.record);
      record.write("Speech", record.indexOf("speech"));
      store.put("documents", numberKey(slot, doc), encodeDocument({ ...stored, record }));
      planted += 1;
    }
    await store.close();
  }
  expect(planted).toBe(1);
}

describe("a verification", () => {
  test("finds all copies equal at one sequence number while writes go on", async () => {
    let isOver = false;
    const writes = writeUntil(() => isOver);
    const seqs: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const shown: number[] = [];
      const answer = await notes.verify({ onShard: ({ shard }) => shown.push(shard) });
      expect(answer).toMatchObject({ collection: "notes", status: "equal" });
      expect(shown).toEqual([0, 1]);
      for (const shard of answer.shards) {
        expect(shard).toMatchObject({ operationsEqual: true, indexesComplete: true, differences: [] });
        expect(shard.copies).toHaveLength(3);
        expect(new Set(shard.copies.map((copy) => copy.digest)).size).toBe(1);
        for (const copy of shard.copies) expect(copy.documents).toBeGreaterThan(1000);
      }
      seqs.push(answer.shards[0]!.seq!);
    }
    isOver = true;
    expect(await writes).toBeGreaterThan(0);
    // Writes did go on.
    expect(seqs[2]! - seqs[0]!).toBeGreaterThan(2);
  });

  test("names the document that was changed in one copy's store, and the command ends with 6", async () => {
    await notes.put("planted", documentOf(1, 1));
    let allocated = "";
    // A copy that was slow to return is filled anew, and holds nothing planted then.
    for (let attempt = 0; attempt < 5 && allocated !== allocationsOn("node-b-0"); attempt += 1) {
      await cluster.settled();
      allocated = allocationsOn("node-b-0");
      await cluster.stop();
      await plant("node-b-0", "planted");
      await cluster.startAgain();
      await cluster.settled();
    }
    notes = cluster.client().collection("notes");
    const answer = await notes.verify();
    expect(answer.status).toBe("different");
    const wrong = answer.shards.filter((shard) => shard.status !== "equal");
    expect(wrong).toHaveLength(1);
    expect(wrong[0]?.differences.map(({ id }) => id)).toEqual(["planted"]);
    const held = wrong[0]!.differences[0]!.copies;
    const other = held.filter((copy) => copy.digest !== held.find(({ node }) => node === "node-b-0")?.digest);
    expect(other.map((copy) => copy.node).toSorted()).toEqual(["node-a-0", "node-c-0"]);
    expect(new Set(held.map((copy) => copy.version)).size).toBe(1);
    const command = new PrismCommand(cluster.dataDirectory);
    const endpoint = ["--endpoint", cluster.urls().join(",")];
    const shown = await command.run([...endpoint, "verify", "notes"]);
    expect(shown.code).toBe(6);
    expect(shown.stdout).toMatch(/shard \d: different at seq [\d,]+ {3}3 copies/);
    expect(shown.stdout).toMatch(/document "planted": .*node-b-0 \d+\.\d+ [0-9a-f]{8}/);
    // It is mended by being written again: what differs is the stored value, not the log.
    await notes.put("planted", documentOf(1, 2));
    const mended = await command.run([...endpoint, "--json", "verify", "notes"]);
    expect(mended.code).toBe(0);
    expect(JSON.parse(mended.stdout)).toMatchObject({ status: "equal" });
  });

  test("is unavailable, and says which copy is missing, while one does not answer", async () => {
    const pid = cluster.local.node("node-c-0").pid!;
    process.kill(pid, "SIGSTOP");
    try {
      const answer = await notes.verify({ shards: [0], timeoutMs: 20_000 });
      // Until the frozen copy has left the in-sync set it can't be compared; then the others can.
      const copies = answer.shards[0]!.copies.filter(({ node }) => node === "node-c-0");
      const isNamed = copies.every((copy) => copy.problem !== undefined);
      expect([answer.status, isNamed]).toEqual([copies.length === 0 ? "equal" : "unavailable", true]);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await cluster.settled();
    expect((await notes.verify()).status).toBe("equal");
  });

  test("of what is not there is refused", async () => {
    const missing = cluster.client().collection("nowhere").verify();
    await expect(missing).rejects.toMatchObject({ code: "collectionNotFound" });
    await expect(notes.verify({ shards: [7] })).rejects.toMatchObject({ code: "invalidRequest" });
  });
});
