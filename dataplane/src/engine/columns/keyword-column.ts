/** The values of one keyword field: ordinals of a dictionary by document number. */
import { compareByteOrder } from "../../domain/byte-order.js";
import type { FilterValue } from "../../domain/shard-query.js";
import type { BinaryReader, BinaryWriter } from "../binary-file.js";
import { Bitmap } from "../bitmap.js";
import { ChunkedColumn } from "./chunked-column.js";
import type { RangeBounds } from "./column-filter.js";
import { KeywordDictionary } from "./keyword-dictionary.js";

export class KeywordColumn {
  readonly dictionary = new KeywordDictionary();
  readonly #ordinals = new ChunkedColumn((length) => new Uint32Array(length), 0);

  /** A value that a document has twice counts once. */
  add(doc: number, values: readonly string[]): void {
    if (values.length === 0) return;
    const distinct = values.length === 1 ? values : new Set(values);
    const ordinals = Array.from(distinct, (value) => this.dictionary.use(value));
    this.#ordinals.set(doc, ordinals.length === 1 ? ordinals : ordinals.sort((a, b) => a - b));
  }

  remove(doc: number): void {
    for (const ordinal of this.#ordinals.get(doc)) this.dictionary.release(ordinal);
    this.#ordinals.delete(doc);
  }

  exists(): Bitmap {
    return this.#ordinals.matchRange(1, Infinity);
  }

  equals(value: FilterValue): Bitmap {
    const ordinal = typeof value === "string" ? this.dictionary.find(value) : undefined;
    return ordinal === undefined ? new Bitmap() : this.#ordinals.matchRange(ordinal, ordinal);
  }

  in(values: readonly FilterValue[]): Bitmap {
    const flags = new Uint8Array(this.dictionary.size);
    for (const value of values) {
      const ordinal = typeof value === "string" ? this.dictionary.find(value) : undefined;
      if (ordinal !== undefined) flags[ordinal] = 1;
    }
    return this.#ordinals.matchFlags(flags);
  }

  /** In byte order. */
  range({ gt, gte, lt, lte }: RangeBounds): Bitmap {
    const checks: ((value: string) => boolean)[] = [];
    if (gt !== undefined) checks.push((value) => compareByteOrder(value, String(gt)) > 0);
    if (gte !== undefined) checks.push((value) => compareByteOrder(value, String(gte)) >= 0);
    if (lt !== undefined) checks.push((value) => compareByteOrder(value, String(lt)) < 0);
    if (lte !== undefined) checks.push((value) => compareByteOrder(value, String(lte)) <= 0);
    return this.#ordinals.matchFlags(this.dictionary.flag((value) => checks.every((check) => check(value))));
  }

  /** How many of the documents have each value, by ordinal. */
  countOrdinals(docs: Bitmap): Uint32Array {
    const counts = new Uint32Array(this.dictionary.size);
    this.#ordinals.forEachValue(docs, (ordinal) => {
      counts[ordinal]! += 1;
    });
    return counts;
  }

  get memoryBytes(): number {
    return this.dictionary.memoryBytes + this.#ordinals.memoryBytes;
  }

  write(writer: BinaryWriter): void {
    this.dictionary.write(writer);
    this.#ordinals.write(writer);
  }

  read(reader: BinaryReader): void {
    this.dictionary.read(reader);
    this.#ordinals.read(reader);
  }
}
