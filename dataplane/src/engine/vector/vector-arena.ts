import { Bitmap } from "../bitmap.js";
import { DocumentSlots } from "./document-slots.js";

const BLOCK_BYTES = 1 << 20;

/**
 * The vectors of one field, in memory, in the form they are compared in. A vector keeps its slot for
 * life; a slot of a removed vector is given to a later one. Slots lie in blocks, so that growing copies
 * nothing.
 */
export class VectorArena {
  readonly dimensions: number;
  /** Documents that have the field. */
  readonly documents = new Bitmap();
  readonly #blocks: Float32Array[] = [];
  readonly #blockBits: number;
  readonly #slots = new DocumentSlots();
  #docs = new Uint32Array(64);
  #live = new Uint8Array(64);
  readonly #free: number[] = [];
  #slotCount = 0;
  #size = 0;

  constructor(dimensions: number) {
    this.dimensions = dimensions;
    this.#blockBits = Math.max(0, Math.floor(Math.log2(BLOCK_BYTES / (dimensions * 4))));
  }

  get size(): number {
    return this.#size;
  }

  /** All slots ever in use at once: live ones are below. */
  get slotCount(): number {
    return this.#slotCount;
  }

  get memoryBytes(): number {
    const blockBytes = (this.dimensions * 4) << this.#blockBits;
    return (
      this.#blocks.length * blockBytes +
      this.#docs.byteLength +
      this.#live.byteLength +
      this.documents.words.byteLength +
      this.#slots.memoryBytes
    );
  }

  /** Returns the slot. Document numbers are never used twice: throws if the document is here. */
  add(doc: number, vector: Float32Array): number {
    if (this.#slots.get(doc) >= 0) throw new Error(`Document ${doc} already has a vector.`);
    const slot = this.#free.pop() ?? this.#slotCount;
    this.reserve(slot + 1);
    this.#blocks[slot >>> this.#blockBits]!.set(vector, this.offsetOf(slot));
    this.#occupy(slot, doc);
    return slot;
  }

  /** The slot that became free, or -1 when the document has no vector. */
  remove(doc: number): number {
    const slot = this.#slots.get(doc);
    if (slot < 0) return -1;
    this.#slots.delete(doc);
    this.documents.remove(doc);
    this.#live[slot] = 0;
    this.#free.push(slot);
    this.#size -= 1;
    return slot;
  }

  slotOf(doc: number): number {
    return this.#slots.get(doc);
  }

  docOf(slot: number): number {
    return this.#docs[slot]!;
  }

  isLive(slot: number): boolean {
    return this.#live[slot] === 1;
  }

  blockOf(slot: number): Float32Array {
    return this.#blocks[slot >>> this.#blockBits]!;
  }

  offsetOf(slot: number): number {
    return (slot & ((1 << this.#blockBits) - 1)) * this.dimensions;
  }

  /** A view, right as long as the slot is. */
  vectorAt(slot: number): Float32Array {
    const offset = this.offsetOf(slot);
    return this.blockOf(slot).subarray(offset, offset + this.dimensions);
  }

  /** The same as bits. */
  wordsAt(slot: number): Int32Array {
    const { buffer, byteOffset, length } = this.vectorAt(slot);
    return new Int32Array(buffer, byteOffset, length);
  }

  /** The used part of each block, in the order of slots: what a file keeps. */
  *usedBlocks(): Generator<Float32Array> {
    const rows = 1 << this.#blockBits;
    for (let first = 0; first < this.#slotCount; first += rows) {
      const used = Math.min(rows, this.#slotCount - first);
      yield this.#blocks[first >>> this.#blockBits]!.subarray(0, used * this.dimensions);
    }
  }

  /** Makes room for slots below `slotCount`. */
  reserve(slotCount: number): void {
    if (slotCount <= this.#slotCount) return;
    if (slotCount > this.#docs.length) {
      const length = Math.max(slotCount, this.#docs.length * 2);
      const docs = new Uint32Array(length);
      docs.set(this.#docs);
      this.#docs = docs;
      const live = new Uint8Array(length);
      live.set(this.#live);
      this.#live = live;
    }
    const rows = 1 << this.#blockBits;
    while (this.#blocks.length * rows < slotCount) {
      this.#blocks.push(new Float32Array(rows * this.dimensions));
    }
    this.#slotCount = slotCount;
  }

  /** After `reserve` and the filling of the blocks: says which slots hold which documents. */
  restore(docs: Uint32Array, isLive: (slot: number) => boolean): void {
    for (let slot = this.#slotCount - 1; slot >= 0; slot -= 1) {
      if (isLive(slot)) this.#occupy(slot, docs[slot]!);
      else this.#free.push(slot);
    }
  }

  #occupy(slot: number, doc: number): void {
    this.#docs[slot] = doc;
    this.#live[slot] = 1;
    this.#slots.set(doc, slot);
    this.documents.add(doc);
    this.#size += 1;
  }
}
