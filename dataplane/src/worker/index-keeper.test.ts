import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import { afterEach, beforeEach, expect, test } from "vitest";
import { encodeDocument } from "../adapters/lmdb/entry-codec.js";
import { ShardStore } from "../adapters/lmdb/shard-store.js";
import { numberKey } from "../adapters/lmdb/store-key.js";
import { encodeRecord } from "../domain/document-record.js";
import { LocalShardIndex } from "../engine/shard-index.js";
import { IndexKeeper, type IndexedData, type MakeIndex } from "./index-keeper.js";
import { SPEC } from "./testing/worker-harness.js";

const DOCUMENTS = 20;
const makeIndex: MakeIndex = (...made) => new LocalShardIndex(...made);

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
  return new IndexKeeper(store, join(directory, "indexes"), SPEC.fields, DEFAULT_LIMITS, makeIndex, data, 0);
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

test("saved indexes of another history, or of more than the copy has, are not looked at", () => {
  const keeper = open();
  while (!keeper.isReady) keeper.work();
  keeper.save(data.appliedSeq, data.nextDoc, 0);
  keeper.close();
  const saved = data;
  for (const other of [{ historyId: "another" }, { appliedSeq: data.appliedSeq - 1 }]) {
    data = { ...saved, ...other };
    const again = open();
    expect(again.index.documents).toBe(0);
    expect(loaded(again)).toBe(DOCUMENTS);
  }
});

test("indexes that are kept when a new history starts are saved as of that history", () => {
  const keeper = open();
  while (!keeper.isReady) keeper.work();
  keeper.save(data.appliedSeq, data.nextDoc, 0);
  keeper.historyStarted("next");
  expect(keeper.hasUnsaved).toBe(true);
  keeper.save(data.appliedSeq, data.nextDoc, 0);
  keeper.close();
  data = { ...data, historyId: "next" };
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

const GENRE_FOUND = {
  queries: [],
  filter: { field: "genre", exists: true },
  aggregations: {},
  size: 100,
  explain: false,
};
const GREW = SPEC.fields.filter(({ name }) => name !== "genre");

function openWith(fields: typeof SPEC.fields): IndexKeeper {
  return new IndexKeeper(store, join(directory, "indexes"), fields, DEFAULT_LIMITS, makeIndex, data, 0);
}

function finish(keeper: IndexKeeper): void {
  while (!keeper.isReady || keeper.isRebuilding) keeper.work();
}

test("a field that joins is indexed for the documents of before, with what was added and removed meanwhile", async () => {
  const { slot } = data;
  const record = encodeRecord({ genre: "novel" }, new Set());
  const document = (doc: number) => ({ id: `b${doc}`, seq: doc, term: 1, record });
  for (let doc = 1; doc <= DOCUMENTS; doc += 1) {
    store.put("documents", numberKey(slot, doc), encodeDocument(document(doc)));
  }
  await store.durable();
  const keeper = openWith(GREW);
  finish(keeper);
  expect(keeper.index.search(GENRE_FOUND, undefined).total).toBe(0);
  keeper.setFields(SPEC.fields, data.nextDoc);
  expect(keeper.isRebuilding).toBe(true);
  keeper.apply({ removed: { ...document(3), doc: 3 }, added: undefined }, 1);
  const added = { ...document(DOCUMENTS + 1), doc: DOCUMENTS + 1 };
  keeper.apply({ removed: undefined, added }, 1);
  while (keeper.work());
  // The new document is not on disk yet: nothing takes over without it.
  expect(keeper.isRebuilding).toBe(true);
  store.remove("documents", numberKey(slot, 3));
  store.put("documents", numberKey(slot, added.doc), encodeDocument(added));
  await store.durable();
  finish(keeper);
  expect(keeper.index.search(GENRE_FOUND, undefined).total).toBe(DOCUMENTS);
  keeper.close();
});

test("indexes that lack a field for older documents are made anew after a restart, too", () => {
  const keeper = openWith(GREW);
  finish(keeper);
  keeper.setFields(SPEC.fields, data.nextDoc);
  keeper.save(data.appliedSeq, data.nextDoc, 0);
  keeper.close();
  const again = open();
  while (!again.isReady) again.work();
  expect(again.isRebuilding).toBe(true);
  finish(again);
  expect(again.index.documents).toBe(DOCUMENTS);
  again.close();
});
