/**
 * Indexes made anew beside the ones in use, because a field joined the collection after documents had
 * been written: until they take over, older documents lack the field. Every copy ends with the same
 * indexes, whether it lived through the change or was filled after it.
 *
 * Documents come from the store in the order of their numbers. What is applied meanwhile has higher
 * numbers and is met later; what is removed meanwhile is taken out when it is in already, and passed
 * over when it is not, as the indexes in use do not have it any more.
 */
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import type { ShardIndex } from "../engine/engine-port.js";
import type { ParsedDocument } from "../engine/parsed-document.js";
import type { NumberedDocument } from "./document-table.js";

const SLICE_MS = 10;

export class IndexRebuild {
  readonly index: ShardIndex;
  readonly #store: ShardStore;
  readonly #slot: number;
  readonly #parse: (document: NumberedDocument) => ParsedDocument;
  #nextDoc = 0;

  constructor(
    index: ShardIndex,
    store: ShardStore,
    slot: number,
    parse: (document: NumberedDocument) => ParsedDocument,
  ) {
    this.index = index;
    this.#store = store;
    this.#slot = slot;
    this.#parse = parse;
  }

  /** The document left the indexes in use. */
  removed(document: NumberedDocument): void {
    if (document.doc < this.#nextDoc) this.index.remove(document.doc, this.#parse(document));
  }

  /** One bounded slice; false when nothing more is in the store for now. */
  work(inUse: ShardIndex): boolean {
    const end = performance.now() + SLICE_MS;
    for (const { doc, document } of this.#store.documents(this.#slot, this.#nextDoc)) {
      if (inUse.find(document.id) === doc) this.index.add(doc, this.#parse({ ...document, doc }));
      this.#nextDoc = doc + 1;
      if (performance.now() > end) return true;
    }
    return this.index.work();
  }

  /** It holds what the indexes in use hold: what the store did not have yet is in it, too. */
  isComplete(inUse: ShardIndex): boolean {
    return this.index.documents === inUse.documents;
  }
}
