/**
 * The committed documents of a copy. The store has them by document number and by id; what was applied
 * and is not on disk yet lies over it, so that a reader sees an acknowledged write at once.
 *
 * Changes are put into the store many at a time: the log has them on disk already, and a thousand keys in one
 * transaction cost a fraction of what they cost in ten. Of several versions of a document only the last is put.
 */
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import { DamagedValueError, encodeDocument, type StoredDocument } from "../adapters/lmdb/entry-codec.js";
import { idKey, numberKey } from "../adapters/lmdb/store-key.js";
import type { LogEntry } from "../domain/replication/log-entry.js";

export interface NumberedDocument extends StoredDocument {
  readonly doc: number;
}

/** What an entry did to the set of documents. */
export interface DocumentChange {
  readonly removed: NumberedDocument | undefined;
  readonly added: NumberedDocument | undefined;
}

interface Overlaid {
  /** Seq of the entry that made it so. */
  readonly seq: number;
  /** Undefined: deleted. */
  readonly document: NumberedDocument | undefined;
}

/** Of a change, apart from the document's record. */
const CHANGE_BYTES = 64;

/** The indexes, as the table sees them. */
export interface DocumentNumbers {
  /** What is not found is not there. */
  readonly isWhole: boolean;
  find(id: string): number | undefined;
}

export class DocumentTable {
  readonly #store: ShardStore;
  #slot: number;
  #nextDoc: number;
  readonly #overlay = new Map<string, Overlaid>();
  /** Documents that were changed since the last `put`, with the number of the version that was put before. */
  readonly #changed = new Map<string, number | undefined>();
  #changedBytes = 0;
  /** Numbers of all applied documents by id, while something holds them in memory. */
  #numbers: DocumentNumbers = { isWhole: false, find: () => undefined };

  constructor(store: ShardStore, slot: number, nextDoc: number) {
    this.#store = store;
    this.#slot = slot;
    this.#nextDoc = nextDoc;
  }

  get nextDoc(): number {
    return this.#nextDoc;
  }

  /** Held in memory until the next `put`. */
  get changedBytes(): number {
    return this.#changedBytes;
  }

  reset(slot: number, nextDoc: number): void {
    this.#slot = slot;
    this.#nextDoc = nextDoc;
    this.#overlay.clear();
    this.#changed.clear();
    this.#changedBytes = 0;
  }

  /** From now on the number of an id need not be looked up in the store. */
  useNumbers(numbers: DocumentNumbers): void {
    this.#numbers = numbers;
  }

  /** @throws {DamagedValueError} */
  get(id: string): NumberedDocument | undefined {
    const overlaid = this.#overlay.get(id);
    if (overlaid !== undefined) return overlaid.document;
    const known = this.#numbers.isWhole ? this.#numbers.find(id) : undefined;
    if (this.#numbers.isWhole && known === undefined) return undefined;
    const doc = known ?? this.#store.docOfId(this.#slot, id);
    if (doc === undefined) return undefined;
    const document = this.#store.document(this.#slot, doc);
    // No checksum covers the B-tree itself: a key that was damaged shows as a document that is not there.
    if (document?.id !== id) throw new DamagedValueError(`document ${doc}`);
    return { ...document, doc };
  }

  /** Applies a committed entry, in seq order. @throws {DamagedValueError} */
  apply(entry: LogEntry): DocumentChange {
    const { body, seq, term } = entry;
    if (body.kind === "noop" || body.kind === "unchanged") return { removed: undefined, added: undefined };
    const { id } = body;
    const removed = this.get(id);
    if (!this.#changed.has(id)) this.#changed.set(id, removed?.doc);
    this.#changedBytes += CHANGE_BYTES;
    if (body.kind === "delete") {
      this.#overlay.set(id, { seq, document: undefined });
      return { removed, added: undefined };
    }
    const added = { id, seq, term, record: body.record, doc: this.#nextDoc };
    this.#nextDoc += 1;
    this.#changedBytes += body.record.length;
    this.#overlay.set(id, { seq, document: added });
    return { removed, added };
  }

  /** Puts what was applied since the last time into the store's next transaction. */
  put(): void {
    for (const [id, before] of this.#changed) {
      const document = this.#overlay.get(id)!.document;
      if (before !== undefined) this.#store.remove("documents", numberKey(this.#slot, before));
      if (document !== undefined) {
        this.#store.put("documents", numberKey(this.#slot, document.doc), encodeDocument(document));
        this.#store.put("ids", idKey(this.#slot, id), docValue(document.doc));
      } else if (before !== undefined) this.#store.remove("ids", idKey(this.#slot, id));
    }
    this.#changed.clear();
    this.#changedBytes = 0;
  }

  /** The store shows everything up to `seq`. */
  durable(seq: number): void {
    for (const [id, overlaid] of this.#overlay) if (overlaid.seq <= seq) this.#overlay.delete(id);
  }
}

export function docValue(doc: number): Buffer {
  const value = Buffer.allocUnsafe(4);
  value.writeUInt32LE(doc, 0);
  return value;
}
