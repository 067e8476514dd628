import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import { afterEach, beforeEach, expect, test } from "vitest";
import { encodeDocument } from "../adapters/lmdb/entry-codec.js";
import { ShardStore } from "../adapters/lmdb/shard-store.js";
import { numberKey } from "../adapters/lmdb/store-key.js";
import { encodeRecord } from "../domain/document-record.js";
import { IndexKeeper, type IndexedData } from "./index-keeper.js";
import { SPEC } from "./testing/worker-harness.js";

const DOCUMENTS = 20;

let directory: string;
let store: ShardStore;
let data: IndexedData;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "prism-keeper-"));
  store = new ShardStore(join(directory, "store"), {
    sync: false,
    onDiskFull: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
  const slot = store.newSlot();
  store.claimSlot(slot);
  for (let doc = 1; doc <= DOCUMENTS; doc += 1) {
    const record = encodeRecord({ title: `book ${doc}` }, new Set());
    store.put(
      "documents",
      numberKey(slot, doc),
      encodeDocument({ id: `b${doc}`, seq: doc, term: 1, record }),
    );
  }
  await store.durable();
  data = { slot, historyId: "h", appliedSeq: DOCUMENTS, nextDoc: DOCUMENTS + 1 };
});

afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

function open(): IndexKeeper {
  return new IndexKeeper(store, join(directory, "indexes"), SPEC.fields, DEFAULT_LIMITS, data, 0);
}

function loaded(keeper: IndexKeeper): number {
  while (!keeper.isReady) keeper.work();
  const { documents } = keeper.index;
  keeper.close();
  return documents;
}

test("indexes are saved whole and loaded again", () => {
  const keeper = open();
  while (!keeper.isReady) keeper.work();
  keeper.save(data.appliedSeq, data.nextDoc, 0);
  keeper.close();
  const again = open();
  expect(again.index.documents).toBe(DOCUMENTS);
  expect(loaded(again)).toBe(DOCUMENTS);
});

test("indexes that are still being made are not saved, since the files would pass for all documents", () => {
  const keeper = open();
  expect(keeper.isReady).toBe(false);
  keeper.save(data.appliedSeq, data.nextDoc, 0);
  keeper.close();
  expect(loaded(open())).toBe(DOCUMENTS);
});
