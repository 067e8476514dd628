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
  /** The entry that wrote it, as the log has it; only until it is put. */
  readonly written?: Uint8Array;
}

/** What an entry did to the set of documents. */
export interface DocumentChange {
  readonly removed: NumberedDocument | undefined;
  readonly added: NumberedDocument | undefined;
}

interface Change {
  /** Undefined: deleted. */
  document: NumberedDocument | undefined;
  /** Number of the version that the store has, or will have, before this change. */
  readonly before: number | undefined;
}

/** What one `put` made of the documents; the store shows it once everything up to `seq` is on disk. */
interface PutChanges {
  readonly seq: number;
  readonly changes: ReadonlyMap<string, Change>;
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
  /** Since the last `put`, by id. */
  #changes = new Map<string, Change>();
  #changedBytes = 0;
  /** On their way to disk, oldest first. */
  #put: PutChanges[] = [];
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
    this.#changes = new Map();
    this.#changedBytes = 0;
    this.#put = [];
  }

  /** From now on the number of an id need not be looked up in the store. */
  useNumbers(numbers: DocumentNumbers): void {
    this.#numbers = numbers;
  }

  /** @throws {DamagedValueError} */
  get(id: string): NumberedDocument | undefined {
    const change = this.#changeOf(id);
    if (change !== undefined) return change.document;
    const known = this.#numbers.isWhole ? this.#numbers.find(id) : undefined;
    if (this.#numbers.isWhole && known === undefined) return undefined;
    const doc = known ?? this.#store.docOfId(this.#slot, id);
    if (doc === undefined) return undefined;
    const document = this.#store.document(this.#slot, doc);
    // No checksum covers the B-tree itself: a key that was damaged shows as a document that is not there.
    if (document?.id !== id) throw new DamagedValueError(`document ${doc}`);
    return { ...document, doc };
  }

  /** Applies a committed entry, in seq order; `written` is what the log has of it. @throws {DamagedValueError} */
  apply(entry: LogEntry, written: Uint8Array): DocumentChange {
    const { body, seq, term } = entry;
    if (body.kind === "noop" || body.kind === "unchanged") return { removed: undefined, added: undefined };
    const { id } = body;
    const removed = this.get(id);
    this.#changedBytes += CHANGE_BYTES;
    if (body.kind === "delete") {
      this.#change(id, removed, undefined);
      return { removed, added: undefined };
    }
    const added = { id, seq, term, record: body.record, doc: this.#nextDoc, written };
    this.#nextDoc += 1;
    this.#changedBytes += body.record.length;
    this.#change(id, removed, added);
    return { removed, added };
  }

  /** Puts what was applied since the last time, up to `seq`, into the store's next transaction. */
  put(seq: number): void {
    for (const [id, { document, before }] of this.#changes) {
      if (before !== undefined) this.#store.remove("documents", numberKey(this.#slot, before));
      if (document !== undefined) {
        this.#store.put("documents", numberKey(this.#slot, document.doc), bytesOf(document));
        this.#store.put("ids", idKey(this.#slot, id), docValue(document.doc));
      } else if (before !== undefined) this.#store.remove("ids", idKey(this.#slot, id));
    }
    this.#put.push({ seq, changes: this.#changes });
    this.#changes = new Map();
    this.#changedBytes = 0;
  }

  /** The store shows everything up to `seq`. */
  durable(seq: number): void {
    while (this.#put.length > 0 && this.#put[0]!.seq <= seq) this.#put.shift();
  }

  #change(id: string, before: NumberedDocument | undefined, document: NumberedDocument | undefined): void {
    const change = this.#changes.get(id);
    if (change === undefined) this.#changes.set(id, { document, before: before?.doc });
    else change.document = document;
  }

  #changeOf(id: string): Change | undefined {
    const change = this.#changes.get(id);
    if (change !== undefined) return change;
    return this.#put.findLast(({ changes }) => changes.has(id))?.changes.get(id);
  }
}

function bytesOf(document: NumberedDocument): Buffer {
  const { written } = document;
  if (written === undefined) return encodeDocument(document);
  return Buffer.from(written.buffer, written.byteOffset, written.byteLength);
}

export function docValue(doc: number): Buffer {
  const value = Buffer.allocUnsafe(4);
  value.writeUInt32LE(doc, 0);
  return value;
}
