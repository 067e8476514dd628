/**
 * Numbers by document number, in chunks of 4,096 documents. Every update of a document takes a new
 * number, so old chunks empty out slowly and the numbers in use spread far wider than the documents:
 * a chunk that is mostly empty is packed into (offset, value) pairs, and one that is empty is freed.
 *
 * A document's values are ascending. The first stands in the chunk's own array, the rest side by side
 * in the chunk's `rest`, so that columns of one value per document, the usual case, pay nothing for
 * the others. `empty` marks a place without a value and is never one: NaN, or ordinal 0.
 */
import { Bitmap } from "../bitmap.js";
import type { BinaryReader, BinaryWriter } from "../binary-file.js";
import {
  CHUNK_BITS,
  CHUNK_SIZE,
  CHUNK_WORDS,
  flagsOfDense,
  placeOf,
  rangeOfDense,
  visitDense,
  type ColumnArray,
} from "./column-chunk.js";

/** Below a quarter full a dense chunk is larger than its pairs are, for the narrowest values too. */
const SPARSE_BELOW = CHUNK_SIZE >>> 2;

interface Pairs<V extends ColumnArray> {
  offsets: Uint16Array;
  values: V;
  length: number;
}

interface Chunk<V extends ColumnArray> {
  /** By offset; or, when `offsets` is set, beside it. */
  values: V;
  /** Ascending, of a packed chunk. */
  offsets: Uint16Array | undefined;
  /** Documents that have a value. */
  live: number;
  /** Second and later values; those of one document are neighbours. */
  rest: Pairs<V> | undefined;
}

export class ChunkedColumn<V extends ColumnArray> {
  readonly #make: (length: number) => V;
  readonly #empty: number;
  readonly #chunks = new Map<number, Chunk<V>>();
  #highest = -1;

  constructor(make: (length: number) => V, empty: number) {
    this.#make = make;
    this.#empty = empty;
  }

  /** `values`: ascending, at least one, none of them the empty mark; the document has none yet. */
  set(doc: number, values: readonly number[]): void {
    const number = doc >>> CHUNK_BITS;
    const offset = doc & (CHUNK_SIZE - 1);
    const chunk = this.#chunks.get(number) ?? this.#open(number);
    if (chunk.offsets !== undefined) this.#unpack(chunk);
    chunk.values[offset] = values[0]!;
    chunk.live += 1;
    if (values.length > 1) this.#append(chunk, offset, values);
  }

  /** The document's values, in no order; empty when it has none. */
  get(doc: number): number[] {
    const chunk = this.#chunks.get(doc >>> CHUNK_BITS);
    const offset = doc & (CHUNK_SIZE - 1);
    const first = chunk === undefined ? this.#empty : this.#first(chunk, offset);
    if (chunk === undefined || this.#isEmpty(first)) return [];
    const values = [first];
    const rest = chunk.rest;
    if (rest === undefined) return values;
    for (
      let i = rest.offsets.indexOf(offset);
      i >= 0 && i < rest.length && rest.offsets[i] === offset;
      i += 1
    ) {
      if (!this.#isEmpty(rest.values[i]!)) values.push(rest.values[i]!);
    }
    return values;
  }

  delete(doc: number): void {
    const number = doc >>> CHUNK_BITS;
    const offset = doc & (CHUNK_SIZE - 1);
    const chunk = this.#chunks.get(number);
    if (chunk === undefined) return;
    const place = chunk.offsets === undefined ? offset : placeOf(chunk.offsets, offset);
    if (place < 0 || this.#isEmpty(chunk.values[place]!)) return;
    chunk.values[place] = this.#empty;
    chunk.live -= 1;
    const rest = chunk.rest;
    if (rest !== undefined) {
      for (
        let i = rest.offsets.indexOf(offset);
        i >= 0 && i < rest.length && rest.offsets[i] === offset;
        i += 1
      ) {
        rest.values[i] = this.#empty;
      }
    }
    if (chunk.live === 0) this.#chunks.delete(number);
    else this.#packIfSparse(chunk, number);
  }

  /** Documents with a value in [low, high]. */
  matchRange(low: number, high: number): Bitmap {
    const out = this.#newBitmap();
    for (const [number, chunk] of this.#chunks) {
      if (chunk.offsets === undefined) rangeOfDense(chunk.values, low, high, out.words, number * CHUNK_WORDS);
      else this.#matchPairs(chunk.offsets, chunk.values, chunk.offsets.length, number, out, inRange);
      const rest = chunk.rest;
      if (rest !== undefined) this.#matchPairs(rest.offsets, rest.values, rest.length, number, out, inRange);
    }
    return out;

    function inRange(value: number): boolean {
      return value >= low && value <= high;
    }
  }

  /** Documents with a value `v` where `flags[v]` is 1. For ordinals; flags[0] must be 0. */
  matchFlags(flags: Uint8Array): Bitmap {
    const out = this.#newBitmap();
    for (const [number, chunk] of this.#chunks) {
      if (chunk.offsets === undefined) flagsOfDense(chunk.values, flags, out.words, number * CHUNK_WORDS);
      else this.#matchPairs(chunk.offsets, chunk.values, chunk.offsets.length, number, out, isFlagged);
      const rest = chunk.rest;
      if (rest !== undefined)
        this.#matchPairs(rest.offsets, rest.values, rest.length, number, out, isFlagged);
    }
    return out;

    function isFlagged(value: number): boolean {
      return flags[value] === 1;
    }
  }

  /** Documents with a value in the set, which lacks the empty mark. */
  matchSet(wanted: ReadonlySet<number>): Bitmap {
    const out = this.#newBitmap();
    const isWanted = (value: number): boolean => wanted.has(value);
    for (const [number, chunk] of this.#chunks) {
      this.#matchPairs(chunk.offsets, chunk.values, chunk.values.length, number, out, isWanted);
      const rest = chunk.rest;
      if (rest !== undefined) this.#matchPairs(rest.offsets, rest.values, rest.length, number, out, isWanted);
    }
    return out;
  }

  /**
   * Calls `visit` with every value of the documents in `docs`, and with the same document's next
   * smaller value before it, or the empty mark: that is how equal values of one document are told.
   */
  forEachValue(docs: Bitmap, visit: (value: number, previous: number) => void): void {
    for (const [number, chunk] of this.#chunks) {
      if (chunk.offsets === undefined)
        visitDense(chunk.values, docs.words, number * CHUNK_WORDS, this.#empty, visit);
      else this.#visitPacked(chunk.offsets, chunk.values, number, docs, visit);
      if (chunk.rest !== undefined) this.#visitRest(chunk, chunk.rest, number, docs, visit);
    }
  }

  get memoryBytes(): number {
    let bytes = 0;
    for (const { values, offsets, rest } of this.#chunks.values()) {
      bytes += 200 + values.byteLength + (offsets?.byteLength ?? 0);
      bytes += (rest?.offsets.byteLength ?? 0) + (rest?.values.byteLength ?? 0);
    }
    return bytes;
  }

  write(writer: BinaryWriter): void {
    writer.uint32(this.#chunks.size);
    for (const [number, chunk] of this.#chunks) {
      writer.uint32(number);
      writer.uint32(chunk.live);
      writer.array(chunk.offsets ?? new Uint16Array(0));
      writer.array(chunk.values);
      writer.array(chunk.rest?.offsets.subarray(0, chunk.rest.length) ?? new Uint16Array(0));
      writer.array(chunk.rest?.values.subarray(0, chunk.rest.length) ?? this.#make(0));
    }
  }

  /** Into an empty column. */
  read(reader: BinaryReader): void {
    for (let left = reader.uint32(); left > 0; left -= 1) {
      const number = reader.uint32();
      const live = reader.uint32();
      const offsets = reader.uint16Array();
      const values = this.#readValues(reader);
      const restOffsets = reader.uint16Array();
      const restValues = this.#readValues(reader);
      this.#chunks.set(number, {
        values,
        offsets: offsets.length === 0 ? undefined : offsets,
        live,
        rest:
          restOffsets.length === 0
            ? undefined
            : { offsets: restOffsets, values: restValues, length: restOffsets.length },
      });
      this.#highest = Math.max(this.#highest, number);
    }
  }

  #readValues(reader: BinaryReader): V {
    const like = this.#make(0);
    return (like instanceof Float64Array ? reader.float64Array() : reader.uint32Array()) as V;
  }

  #isEmpty(value: number): boolean {
    return value === this.#empty || value !== value;
  }

  #open(number: number): Chunk<V> {
    // Numbers ascend, so the chunk before is complete: a field that few documents have is packed here.
    const last = this.#chunks.get(this.#highest);
    if (number > this.#highest) {
      if (last !== undefined) this.#packIfSparse(last, this.#highest);
      this.#highest = number;
    }
    const chunk: Chunk<V> = { values: this.#blank(), offsets: undefined, live: 0, rest: undefined };
    this.#chunks.set(number, chunk);
    return chunk;
  }

  #blank(): V {
    const values = this.#make(CHUNK_SIZE);
    if (this.#empty !== 0) values.fill(this.#empty);
    return values;
  }

  #append(chunk: Chunk<V>, offset: number, values: readonly number[]): void {
    const more = values.length - 1;
    let rest = chunk.rest;
    if (rest === undefined) {
      rest = { offsets: new Uint16Array(more + 8), values: this.#make(more + 8), length: 0 };
      chunk.rest = rest;
    } else if (rest.length + more > rest.offsets.length) {
      this.#resize(rest, Math.max(rest.length + more, rest.length * 2));
    }
    for (let i = 1; i < values.length; i += 1) {
      rest.offsets[rest.length] = offset;
      rest.values[rest.length] = values[i]!;
      rest.length += 1;
    }
  }

  #resize(pairs: Pairs<V>, capacity: number): void {
    const offsets = new Uint16Array(capacity);
    const values = this.#make(capacity);
    offsets.set(pairs.offsets.subarray(0, pairs.length));
    values.set(pairs.values.subarray(0, pairs.length));
    pairs.offsets = offsets;
    pairs.values = values;
  }

  /** The newest chunk stays dense: its documents are still coming. */
  #packIfSparse(chunk: Chunk<V>, number: number): void {
    if (chunk.offsets === undefined) {
      if (chunk.live < SPARSE_BELOW && number !== this.#highest) this.#pack(chunk);
    } else if (chunk.live < chunk.offsets.length >>> 1) {
      this.#pack(chunk);
    }
  }

  #pack(chunk: Chunk<V>): void {
    const offsets = new Uint16Array(chunk.live);
    const values = this.#make(chunk.live);
    let length = 0;
    for (let place = 0; place < chunk.values.length; place += 1) {
      if (this.#isEmpty(chunk.values[place]!)) continue;
      offsets[length] = chunk.offsets?.[place] ?? place;
      values[length] = chunk.values[place]!;
      length += 1;
    }
    chunk.offsets = offsets;
    chunk.values = values;
    if (chunk.rest !== undefined) chunk.rest = this.#packRest(chunk.rest);
  }

  #packRest(rest: Pairs<V>): Pairs<V> | undefined {
    let length = 0;
    for (let i = 0; i < rest.length; i += 1) {
      if (this.#isEmpty(rest.values[i]!)) continue;
      rest.offsets[length] = rest.offsets[i]!;
      rest.values[length] = rest.values[i]!;
      length += 1;
    }
    if (length === 0) return undefined;
    rest.length = length;
    this.#resize(rest, length);
    return rest;
  }

  #unpack(chunk: Chunk<V>): void {
    const values = this.#blank();
    for (let i = 0; i < chunk.offsets!.length; i += 1) values[chunk.offsets![i]!] = chunk.values[i]!;
    chunk.values = values;
    chunk.offsets = undefined;
  }

  #first(chunk: Chunk<V>, offset: number): number {
    if (chunk.offsets === undefined) return chunk.values[offset]!;
    const place = placeOf(chunk.offsets, offset);
    return place < 0 ? this.#empty : chunk.values[place]!;
  }

  #newBitmap(): Bitmap {
    let highest = -1;
    for (const number of this.#chunks.keys()) highest = Math.max(highest, number);
    return new Bitmap((highest + 1) * CHUNK_SIZE);
  }

  #matchPairs(
    offsets: Uint16Array | undefined,
    values: V,
    length: number,
    number: number,
    out: Bitmap,
    isMatch: (value: number) => boolean,
  ): void {
    for (let i = 0; i < length; i += 1) {
      const value = values[i]!;
      if (!isMatch(value)) continue;
      const offset = offsets === undefined ? i : offsets[i]!;
      out.words[number * CHUNK_WORDS + (offset >>> 5)]! |= 1 << (offset & 31);
    }
  }

  #visitPacked(
    offsets: Uint16Array,
    values: V,
    number: number,
    docs: Bitmap,
    visit: (value: number, previous: number) => void,
  ): void {
    for (let i = 0; i < offsets.length; i += 1) {
      const value = values[i]!;
      if (!this.#isEmpty(value) && docs.has(number * CHUNK_SIZE + offsets[i]!)) visit(value, this.#empty);
    }
  }

  #visitRest(
    chunk: Chunk<V>,
    rest: Pairs<V>,
    number: number,
    docs: Bitmap,
    visit: (value: number, previous: number) => void,
  ): void {
    for (let i = 0; i < rest.length; i += 1) {
      const offset = rest.offsets[i]!;
      const value = rest.values[i]!;
      if (this.#isEmpty(value) || !docs.has(number * CHUNK_SIZE + offset)) continue;
      const isSecond = i === 0 || rest.offsets[i - 1] !== offset || this.#isEmpty(rest.values[i - 1]!);
      visit(value, isSecond ? this.#first(chunk, offset) : rest.values[i - 1]!);
    }
  }
}
