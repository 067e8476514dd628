/**
 * The ids of live documents, both ways: id to document number by an open-addressing hash table, number
 * to id by chunks of 4,096 numbers that hold the ids' UTF-8 bytes. Kept as bytes outside the heap, an id
 * costs its length and about 20 bytes, and two ids are compared in byte order where they lie. As in the
 * columns, a chunk of which most documents are dead is packed, and an empty one is freed.
 */
import { Buffer } from "node:buffer";
import type { BinaryReader, BinaryWriter } from "./binary-file.js";
import { Bitmap } from "./bitmap.js";
import { CHUNK_BITS, CHUNK_SIZE, placeOf } from "./columns/column-chunk.js";

/** Below a quarter full, binary search in fewer entries is worth the memory it saves. */
const SPARSE_BELOW = CHUNK_SIZE >>> 2;
const FREE = 0;
const DELETED = 0xffffffff;
const CAPACITY_MIN = 64;
const ID_BYTES_MAX = 0xffff;

interface Chunk {
  /** Where an id begins in `bytes`: by offset; or, when `offsets` is set, beside it. */
  starts: Uint32Array;
  /** 0: no id, as an id has at least one byte. */
  lengths: Uint16Array;
  /** Ascending, of a packed chunk. */
  offsets: Uint16Array | undefined;
  bytes: Buffer;
  used: number;
  live: number;
}

export class IdTable {
  readonly #chunks = new Map<number, Chunk>();
  #highest = -1;
  /** By slot: the id's hash, and its document number plus 1, or FREE, or DELETED. */
  #hashes = new Uint32Array(CAPACITY_MIN);
  #docs = new Uint32Array(CAPACITY_MIN);
  /** Slots that are not FREE. */
  #taken = 0;
  #size = 0;

  /** How many ids can be found. */
  get size(): number {
    return this.#size;
  }

  get memoryBytes(): number {
    let bytes = this.#hashes.byteLength + this.#docs.byteLength;
    for (const chunk of this.#chunks.values()) {
      bytes += 300 + chunk.starts.byteLength + chunk.lengths.byteLength + chunk.bytes.byteLength;
      bytes += chunk.offsets?.byteLength ?? 0;
    }
    return bytes;
  }

  find(id: string): number | undefined {
    const bytes = Buffer.from(id);
    const slot = this.#slotOf(bytes, 0, bytes.length, hashOf(bytes, 0, bytes.length));
    return slot < 0 ? undefined : this.#docs[slot]! - 1;
  }

  /** The id is found under this number from now on, also while an older version has not been removed yet. */
  add(doc: number, id: string): void {
    const bytes = Buffer.from(id);
    if (bytes.length === 0 || bytes.length > ID_BYTES_MAX) throw new Error(`an id of ${bytes.length} bytes`);
    const hash = hashOf(bytes, 0, bytes.length);
    const slot = this.#slotOf(bytes, 0, bytes.length, hash);
    this.#store(doc, bytes);
    if (slot >= 0) this.#docs[slot] = doc + 1;
    else this.#insert(hash, doc);
  }

  remove(doc: number): void {
    const number = doc >>> CHUNK_BITS;
    const chunk = this.#chunks.get(number);
    const place = chunk === undefined ? -1 : placeIn(chunk, doc);
    if (chunk === undefined || place < 0) return;
    const start = chunk.starts[place]!;
    const length = chunk.lengths[place]!;
    const slot = this.#slotOf(chunk.bytes, start, length, hashOf(chunk.bytes, start, length));
    if (slot >= 0 && this.#docs[slot] === doc + 1) {
      this.#docs[slot] = DELETED;
      this.#size -= 1;
      if (this.#docs.length > CAPACITY_MIN && this.#size * 8 < this.#docs.length) this.#rehash();
    }
    chunk.lengths[place] = 0;
    chunk.live -= 1;
    if (chunk.live === 0) this.#chunks.delete(number);
    else this.#packIfSparse(chunk, number);
  }

  idOf(doc: number): string {
    const [chunk, place] = this.#entryOf(doc);
    const start = chunk.starts[place]!;
    return chunk.bytes.toString("utf8", start, start + chunk.lengths[place]!);
  }

  /** Orders two documents by their ids' bytes. */
  compare(a: number, b: number): number {
    const [chunkA, placeA] = this.#entryOf(a);
    const [chunkB, placeB] = this.#entryOf(b);
    const startA = chunkA.starts[placeA]!;
    const startB = chunkB.starts[placeB]!;
    const lengthA = chunkA.lengths[placeA]!;
    const lengthB = chunkB.lengths[placeB]!;
    const shared = Math.min(lengthA, lengthB);
    for (let i = 0; i < shared; i += 1) {
      const difference = chunkA.bytes[startA + i]! - chunkB.bytes[startB + i]!;
      if (difference !== 0) return difference;
    }
    return lengthA - lengthB;
  }

  /** All documents that have an id. */
  toBitmap(): Bitmap {
    const docs = new Bitmap((this.#highest + 1) * CHUNK_SIZE);
    for (const [number, chunk] of this.#chunks) {
      for (let place = 0; place < chunk.lengths.length; place += 1) {
        if (chunk.lengths[place] !== 0) docs.add(number * CHUNK_SIZE + (chunk.offsets?.[place] ?? place));
      }
    }
    return docs;
  }

  write(writer: BinaryWriter): void {
    writer.uint32(this.#chunks.size);
    for (const [number, chunk] of this.#chunks) {
      writer.uint32(number);
      writer.uint32(chunk.live);
      writer.array(chunk.offsets ?? new Uint16Array(0));
      writer.array(chunk.starts);
      writer.array(chunk.lengths);
      writer.array(chunk.bytes.subarray(0, chunk.used));
    }
  }

  /** Into an empty table. */
  read(reader: BinaryReader): void {
    for (let left = reader.uint32(); left > 0; left -= 1) {
      const number = reader.uint32();
      const live = reader.uint32();
      const offsets = reader.uint16Array();
      const starts = reader.uint32Array();
      const lengths = reader.uint16Array();
      const bytes = reader.uint8Array();
      this.#chunks.set(number, {
        starts,
        lengths,
        offsets: offsets.length === 0 ? undefined : offsets,
        bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
        used: bytes.length,
        live,
      });
      this.#highest = Math.max(this.#highest, number);
    }
    this.toBitmap().forEach((doc) => {
      const [chunk, place] = this.#entryOf(doc);
      this.#insert(hashOf(chunk.bytes, chunk.starts[place]!, chunk.lengths[place]!), doc);
    });
  }

  #entryOf(doc: number): [Chunk, number] {
    const chunk = this.#chunks.get(doc >>> CHUNK_BITS);
    const place = chunk === undefined ? -1 : placeIn(chunk, doc);
    if (chunk === undefined || place < 0) throw new Error(`document ${doc} has no id`);
    return [chunk, place];
  }

  #slotOf(bytes: Uint8Array, start: number, length: number, hash: number): number {
    const mask = this.#docs.length - 1;
    for (let slot = hash & mask; this.#docs[slot] !== FREE; slot = (slot + 1) & mask) {
      if (this.#docs[slot] === DELETED || this.#hashes[slot] !== hash) continue;
      const [chunk, place] = this.#entryOf(this.#docs[slot]! - 1);
      if (
        chunk.lengths[place] === length &&
        isEqual(chunk.bytes, chunk.starts[place]!, bytes, start, length)
      ) {
        return slot;
      }
    }
    return -1;
  }

  #insert(hash: number, doc: number): void {
    // Kept under 70 % full, or probing for what is absent would walk long runs.
    if ((this.#taken + 1) * 10 > this.#docs.length * 7) this.#rehash();
    const mask = this.#docs.length - 1;
    let slot = hash & mask;
    while (this.#docs[slot] !== FREE) slot = (slot + 1) & mask;
    this.#hashes[slot] = hash;
    this.#docs[slot] = doc + 1;
    this.#taken += 1;
    this.#size += 1;
  }

  /** Leaves deleted slots out; the new table is between a quarter and half full. */
  #rehash(): void {
    const hashes = this.#hashes;
    const docs = this.#docs;
    let capacity = CAPACITY_MIN;
    while (capacity < (this.#size + 1) * 2) capacity *= 2;
    this.#hashes = new Uint32Array(capacity);
    this.#docs = new Uint32Array(capacity);
    this.#taken = this.#size;
    for (let i = 0; i < docs.length; i += 1) {
      if (docs[i] === FREE || docs[i] === DELETED) continue;
      let slot = hashes[i]! & (capacity - 1);
      while (this.#docs[slot] !== FREE) slot = (slot + 1) & (capacity - 1);
      this.#hashes[slot] = hashes[i]!;
      this.#docs[slot] = docs[i]!;
    }
  }

  #store(doc: number, bytes: Uint8Array): void {
    const number = doc >>> CHUNK_BITS;
    const chunk = this.#chunks.get(number) ?? this.#open(number);
    if (chunk.offsets !== undefined) unpack(chunk);
    if (chunk.used + bytes.length > chunk.bytes.length) {
      const grown = Buffer.alloc(Math.max(chunk.used + bytes.length, chunk.bytes.length * 2, 1024));
      grown.set(chunk.bytes.subarray(0, chunk.used));
      chunk.bytes = grown;
    }
    chunk.bytes.set(bytes, chunk.used);
    const offset = doc & (CHUNK_SIZE - 1);
    chunk.starts[offset] = chunk.used;
    chunk.lengths[offset] = bytes.length;
    chunk.used += bytes.length;
    chunk.live += 1;
  }

  #open(number: number): Chunk {
    if (number > this.#highest) {
      const complete = this.#highest;
      this.#highest = number;
      const chunk = this.#chunks.get(complete);
      if (chunk !== undefined) this.#packIfSparse(chunk, complete);
    }
    const chunk: Chunk = {
      starts: new Uint32Array(CHUNK_SIZE),
      lengths: new Uint16Array(CHUNK_SIZE),
      offsets: undefined,
      bytes: Buffer.alloc(0),
      used: 0,
      live: 0,
    };
    this.#chunks.set(number, chunk);
    return chunk;
  }

  /** The newest chunk stays open: its documents are still coming. */
  #packIfSparse(chunk: Chunk, number: number): void {
    if (number === this.#highest) return;
    if (chunk.live < (chunk.offsets === undefined ? SPARSE_BELOW : chunk.offsets.length >>> 1)) pack(chunk);
  }
}

/** FNV-1a, then the last steps of MurmurHash3: FNV alone leaves the low bits, which choose the slot, weak. */
function hashOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < start + length; i += 1) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function isEqual(a: Uint8Array, startA: number, b: Uint8Array, startB: number, length: number): boolean {
  for (let i = 0; i < length; i += 1) if (a[startA + i] !== b[startB + i]) return false;
  return true;
}

/** The place of the document's entry, or -1 when it has none. */
function placeIn(chunk: Chunk, doc: number): number {
  const offset = doc & (CHUNK_SIZE - 1);
  const place = chunk.offsets === undefined ? offset : placeOf(chunk.offsets, offset);
  return place >= 0 && chunk.lengths[place] !== 0 ? place : -1;
}

function pack(chunk: Chunk): void {
  const offsets = new Uint16Array(chunk.live);
  const starts = new Uint32Array(chunk.live);
  const lengths = new Uint16Array(chunk.live);
  const total = chunk.lengths.reduce((sum, length) => sum + length, 0);
  const bytes = Buffer.alloc(total);
  let entries = 0;
  let used = 0;
  for (let place = 0; place < chunk.lengths.length; place += 1) {
    const length = chunk.lengths[place]!;
    if (length === 0) continue;
    offsets[entries] = chunk.offsets?.[place] ?? place;
    starts[entries] = used;
    lengths[entries] = length;
    bytes.set(chunk.bytes.subarray(chunk.starts[place], chunk.starts[place]! + length), used);
    used += length;
    entries += 1;
  }
  Object.assign(chunk, { offsets, starts, lengths, bytes, used });
}

function unpack(chunk: Chunk): void {
  const starts = new Uint32Array(CHUNK_SIZE);
  const lengths = new Uint16Array(CHUNK_SIZE);
  chunk.offsets?.forEach((offset, place) => {
    starts[offset] = chunk.starts[place]!;
    lengths[offset] = chunk.lengths[place]!;
  });
  Object.assign(chunk, { starts, lengths, offsets: undefined });
}
