/**
 * The indexes of one copy: made once its collection is known, saved now and then, gone with its data.
 * While they are being saved nothing is applied, so that what is saved is what the disk has
 * (AppliedBelowCheckpoint).
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { FieldSpec } from "@prism/api/collection";
import type { ShardIndex } from "../engine/engine-port.js";
import type { CopyData } from "./copy-data.js";
import type { DocumentChange } from "./document-table.js";
import { IndexKeeper } from "./index-keeper.js";
import type { WorkerContext } from "./worker-context.js";

export class CopyIndexes {
  readonly #context: WorkerContext;
  readonly #data: CopyData;
  readonly #directory: string;
  #keeper: IndexKeeper | undefined;
  #isSaving = false;

  constructor(context: WorkerContext, data: CopyData) {
    this.#context = context;
    this.#data = data;
    this.#directory = join(context.dataDirectory, "indexes", data.record.shardUid);
  }

  /** They are loaded, and hold all that is applied. */
  get isReady(): boolean {
    return this.#keeper?.isReady === true;
  }

  get isSaving(): boolean {
    return this.#isSaving;
  }

  /** Undefined before the collection is known. */
  get index(): ShardIndex | undefined {
    return this.#keeper?.index;
  }

  /** Vectors that no graph has yet are as many as may be. */
  get hasLongTail(): boolean {
    return (this.#keeper?.index.tail ?? 0) >= this.#context.limits.unindexedTail;
  }

  /** @throws {DamagedValueError} when documents can't be read. */
  setFields(fields: readonly FieldSpec[], nowMs: number): void {
    const { store, documents } = this.#data;
    if (this.#keeper === undefined) {
      const { limits, makeIndex } = this.#context;
      const data = this.#data.indexed();
      this.#keeper = new IndexKeeper(store, this.#directory, fields, limits, makeIndex, data, nowMs);
      documents.useNumbers(this.#keeper);
    } else this.#keeper.setFields(fields, documents.nextDoc);
    this.#context.kickBackground();
  }

  /** The data was replaced by a snapshot. */
  reset(): void {
    this.#keeper?.reset(this.#data.indexed());
    this.#context.kickBackground();
  }

  historyStarted(historyId: string): void {
    this.#keeper?.historyStarted(historyId);
  }

  apply(change: DocumentChange, nowMs: number): void {
    this.#keeper!.apply(change, nowMs);
  }

  /** One bounded slice; false when there is nothing to do. */
  work(): boolean {
    const keeper = this.#keeper;
    if (keeper === undefined) return false;
    const wasReady = keeper.isReady;
    const more = keeper.work();
    if (!wasReady && keeper.isReady) this.#context.reportSoon();
    return more;
  }

  /** Saves when it is due; `whenSaved` is called then, unless `isEnded` says that nobody is interested. */
  tick(nowMs: number, isEnded: () => boolean, whenSaved: () => void): void {
    const keeper = this.#keeper;
    if (keeper?.isRebuilding === true) this.#context.kickBackground();
    if (this.#isSaving || keeper?.isSaveDue(nowMs) !== true) return;
    this.#isSaving = true;
    this.#data.flush();
    this.#data.store.onDurable(() => {
      if (isEnded()) return;
      this.#save(keeper);
      this.#isSaving = false;
      whenSaved();
    });
  }

  /** Nothing is applied from here on. */
  async saveForGood(): Promise<void> {
    this.#isSaving = true;
    const keeper = this.#keeper;
    this.#data.flush();
    if (keeper?.hasUnsaved !== true) return;
    await this.#data.store.durable();
    this.#save(keeper);
  }

  close(): void {
    this.#keeper?.close();
  }

  /** Closes them and deletes their files. */
  remove(): void {
    this.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #save(keeper: IndexKeeper): void {
    const { record, documents } = this.#data;
    const { shardUid: shard, appliedSeq: seq } = record;
    const startMs = performance.now();
    try {
      keeper.save(seq, documents.nextDoc, this.#context.nowMs());
      const tookMs = Math.round(performance.now() - startMs);
      this.#context.log("info", "indexes saved", { shard, seq, tookMs });
    } catch (error) {
      // The documents are in the store: at worst the indexes are made anew at the next start.
      this.#context.log("warn", "indexes not saved", { shard, detail: (error as Error).message });
    }
  }
}
