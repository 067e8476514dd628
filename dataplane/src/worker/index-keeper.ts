/**
 * Keeps the indexes of a copy right: loads them from their files or makes them anew from the
 * documents, a bounded slice at a time; applies changes; saves them now and then. The files lie under
 * the slot of the data they were made from, so files of replaced data are never looked at.
 *
 * Fields may be added to a collection; documents indexed before lack them until indexes made anew
 * take over (index-rebuild.ts). Each field therefore has the first document number that is indexed
 * with it, so that a document leaves the indexes in the form in which it came.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { FieldSpec } from "@prism/api/collection";
import type { Limits } from "@prism/api/limits";
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import { toIndexedDocument, type IndexedDocument } from "../domain/indexed-document.js";
import { Bitmap } from "../engine/bitmap.js";
import type { ShardIndex } from "../engine/engine-port.js";
import type { DocumentChange, DocumentNumbers, NumberedDocument } from "./document-table.js";
import { IndexRebuild } from "./index-rebuild.js";

const SLICE_MS = 10;
const FIELDS_FILE = "fields.json";

/** The data that the indexes are of. */
export interface IndexedData {
  readonly slot: number;
  readonly historyId: string;
  readonly appliedSeq: number;
  readonly nextDoc: number;
}

export type MakeIndex = (fields: readonly FieldSpec[], limits: Limits) => ShardIndex;

interface FieldsFile {
  readonly seq: number;
  readonly firstDoc: Readonly<Record<string, number>>;
}

interface Loading {
  readonly data: IndexedData;
  nextDoc: number;
}

export class IndexKeeper implements DocumentNumbers {
  readonly #store: ShardStore;
  readonly #directory: string;
  readonly #limits: Limits;
  readonly #makeIndex: MakeIndex;
  #index: ShardIndex;
  #rebuild: IndexRebuild | undefined;
  #fields: readonly FieldSpec[];
  readonly #firstDoc = new Map<string, number>();
  #data: IndexedData;
  #loading: Loading | undefined;
  #unsavedOperations = 0;
  #savedMs: number;
  #changedMs: number;

  constructor(
    store: ShardStore,
    directory: string,
    fields: readonly FieldSpec[],
    limits: Limits,
    makeIndex: MakeIndex,
    data: IndexedData,
    nowMs: number,
  ) {
    this.#store = store;
    this.#directory = directory;
    this.#fields = fields;
    this.#data = data;
    this.#limits = limits;
    this.#makeIndex = makeIndex;
    this.#index = makeIndex(fields, limits);
    this.#savedMs = nowMs;
    this.#changedMs = nowMs;
    this.#load();
  }

  get isReady(): boolean {
    return this.#loading === undefined;
  }

  get index(): ShardIndex {
    return this.#index;
  }

  /** All applied documents are in the indexes, under the numbers that they have in the store. */
  get isWhole(): boolean {
    return this.isReady;
  }

  find(id: string): number | undefined {
    return this.#index.find(id);
  }

  setFields(fields: readonly FieldSpec[], nextDoc: number): void {
    if (JSON.stringify(fields) === JSON.stringify(this.#fields)) return;
    this.#fields = fields;
    for (const { name } of fields) {
      const firstDoc = this.#loading?.nextDoc ?? nextDoc;
      if (!this.#firstDoc.has(name)) this.#firstDoc.set(name, firstDoc);
    }
    this.#index.setFields(fields);
    this.#endRebuild();
    this.#rebuildIfNeeded();
  }

  /** The same data is of another history now: what is saved from now on says so. */
  historyStarted(historyId: string): void {
    this.#data = { ...this.#data, historyId };
    this.#unsavedOperations += 1;
  }

  /** The data was replaced whole. */
  reset(data: IndexedData): void {
    rmSync(this.#path(this.#data.slot), { recursive: true, force: true });
    this.#endRebuild();
    this.#index.close();
    this.#data = data;
    this.#load();
  }

  apply({ removed, added }: DocumentChange, nowMs: number): void {
    if (removed !== undefined) {
      this.#index.remove(removed.doc, this.#parse(removed));
      this.#rebuild?.removed(removed);
    }
    if (added !== undefined) this.#index.add(added.doc, this.#parse(added));
    this.#unsavedOperations += 1;
    this.#changedMs = nowMs;
  }

  /** One bounded slice of loading, sealing, merging or graph building; false when there is nothing to do. */
  work(): boolean {
    if (this.#loading !== undefined) {
      this.#loadSlice(this.#loading);
      return true;
    }
    const more = this.#index.work();
    return this.#rebuild === undefined ? more : this.#rebuildSlice(this.#rebuild) || more;
  }

  /** Indexes are being made anew, and may wait for documents that are not on disk yet. */
  get isRebuilding(): boolean {
    return this.#rebuild !== undefined;
  }

  /** After a burst of writes, after much has changed, or when little has lain unsaved for long. */
  isSaveDue(nowMs: number): boolean {
    if (this.#unsavedOperations === 0 || this.#loading !== undefined) return false;
    if (this.#unsavedOperations >= Math.max(10_000, this.#index.documents / 4)) return true;
    const idle = nowMs - this.#changedMs >= 5000;
    return idle && (this.#unsavedOperations >= 1000 || nowMs - this.#savedMs >= 60_000);
  }

  get hasUnsaved(): boolean {
    return this.#unsavedOperations > 0 && this.#loading === undefined;
  }

  /**
   * AppliedBelowCheckpoint: only when `seq` and all that it made of the documents are on disk. While
   * they are being made, indexes are not saved: the files would pass for all of the documents.
   */
  save(seq: number, nextDoc: number, nowMs: number): void {
    if (!this.isReady) return;

    const path = this.#path(this.#data.slot);
    mkdirSync(path, { recursive: true });
    const file: FieldsFile = { seq, firstDoc: Object.fromEntries(this.#firstDoc) };
    writeSynced(join(path, FIELDS_FILE), JSON.stringify(file));
    this.#index.save(path, { historyId: this.#data.historyId, lastDoc: nextDoc - 1, seq });
    this.#unsavedOperations = 0;
    this.#savedMs = nowMs;
  }

  close(): void {
    this.#endRebuild();
    this.#index.close();
  }

  #path(slot: number): string {
    return join(this.#directory, String(slot));
  }

  #parse(document: NumberedDocument): IndexedDocument {
    const { doc } = document;
    const late = this.#fields.some(({ name }) => (this.#firstDoc.get(name) ?? 0) > doc);
    const fields = late
      ? this.#fields.filter(({ name }) => (this.#firstDoc.get(name) ?? 0) <= doc)
      : this.#fields;
    return toIndexedDocument(document.id, document.record, fields);
  }

  #load(): void {
    const { slot, historyId, appliedSeq, nextDoc } = this.#data;
    const path = this.#path(slot);
    this.#unsavedOperations = 0;
    this.#firstDoc.clear();
    const stamp = this.#index.load(path);
    const file = readFieldsFile(join(path, FIELDS_FILE));
    const isUsable =
      stamp?.historyId === historyId &&
      stamp.seq <= appliedSeq &&
      stamp.lastDoc < nextDoc &&
      file?.seq === stamp.seq;
    if (!isUsable) {
      this.#index.close();
      for (const { name } of this.#fields) this.#firstDoc.set(name, 0);
      this.#loading = { data: this.#data, nextDoc: 0 };
      return;
    }
    for (const { name } of this.#fields) this.#firstDoc.set(name, file.firstDoc[name] ?? stamp.lastDoc + 1);
    const live = new Bitmap(nextDoc);
    for (const doc of this.#store.documentNumbers(slot)) live.add(doc);
    this.#index.retain(live);
    this.#loading = { data: this.#data, nextDoc: stamp.lastDoc + 1 };
  }

  #loadSlice(loading: Loading): void {
    const end = performance.now() + SLICE_MS;
    for (const { doc, document } of this.#store.documents(loading.data.slot, loading.nextDoc)) {
      this.#index.add(doc, this.#parse({ ...document, doc }));
      this.#unsavedOperations += 1;
      loading.nextDoc = doc + 1;
      if (performance.now() > end) return;
    }
    this.#loading = undefined;
    this.#rebuildIfNeeded();
  }

  #rebuildIfNeeded(): void {
    const isPartial = this.#fields.some(({ name }) => (this.#firstDoc.get(name) ?? 0) > 0);
    if (!isPartial || this.#loading !== undefined || this.#index.documents === 0) return;
    const fields = this.#fields;
    const index = this.#makeIndex(fields, this.#limits);
    this.#rebuild = new IndexRebuild(index, this.#store, this.#data.slot, ({ id, record }) =>
      toIndexedDocument(id, record, fields),
    );
  }

  /** False when there is nothing to do for now. */
  #rebuildSlice(rebuild: IndexRebuild): boolean {
    if (rebuild.work(this.#index)) return true;
    if (!rebuild.isComplete(this.#index)) return false;
    this.#index.close();
    this.#index = rebuild.index;
    this.#rebuild = undefined;
    for (const { name } of this.#fields) this.#firstDoc.set(name, 0);
    this.#unsavedOperations += this.#index.documents;
    return true;
  }

  #endRebuild(): void {
    this.#rebuild?.index.close();
    this.#rebuild = undefined;
  }
}

function readFieldsFile(path: string): FieldsFile | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as FieldsFile;
  } catch {
    // Missing or damaged: the indexes are made anew, which needs nothing of it.
    return undefined;
  }
}

function writeSynced(path: string, text: string): void {
  const file = openSync(path, "w");
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
