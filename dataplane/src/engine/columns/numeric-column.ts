/** The values of one field of numbers: integer, long, float, boolean (0, 1) or date (milliseconds). */
import type { FilterValue } from "../../domain/shard-query.js";
import type { BinaryReader, BinaryWriter } from "../binary-file.js";
import type { Bitmap } from "../bitmap.js";
import { ChunkedColumn } from "./chunked-column.js";
import type { RangeBounds } from "./column-filter.js";

export class NumericColumn {
  readonly #values = new ChunkedColumn((length) => new Float64Array(length), NaN);

  add(doc: number, values: readonly number[]): void {
    if (values.length === 0) return;
    // Adding 0 makes -0 to 0, so that both are one key.
    const plain = values.map((value) => value + 0);
    this.#values.set(doc, plain.length === 1 ? plain : plain.sort((a, b) => a - b));
  }

  remove(doc: number): void {
    this.#values.delete(doc);
  }

  exists(): Bitmap {
    return this.#values.matchRange(-Infinity, Infinity);
  }

  equals(value: FilterValue): Bitmap {
    const number = toNumber(value);
    return this.#values.matchRange(number, number);
  }

  in(values: readonly FilterValue[]): Bitmap {
    if (values.length === 1) return this.equals(values[0]!);
    return this.#values.matchSet(new Set(values.map(toNumber).filter((value) => !Number.isNaN(value))));
  }

  range({ gt, gte, lt, lte }: RangeBounds): Bitmap {
    const low = Math.max(
      gt === undefined ? -Infinity : nextAbove(toNumber(gt)),
      gte === undefined ? -Infinity : toNumber(gte),
    );
    const high = Math.min(
      lt === undefined ? Infinity : -nextAbove(-toNumber(lt)),
      lte === undefined ? Infinity : toNumber(lte),
    );
    return this.#values.matchRange(low, high);
  }

  /** See ChunkedColumn.forEachValue; `previous` is NaN for a document's smallest value. */
  forEachValue(docs: Bitmap, visit: (value: number, previous: number) => void): void {
    this.#values.forEachValue(docs, visit);
  }

  get memoryBytes(): number {
    return this.#values.memoryBytes;
  }

  write(writer: BinaryWriter): void {
    this.#values.write(writer);
  }

  read(reader: BinaryReader): void {
    this.#values.read(reader);
  }
}

/** NaN, which equals nothing and is in no range, for what is no number. */
function toNumber(value: FilterValue): number {
  return typeof value === "string" ? NaN : Number(value);
}

const bits = new BigInt64Array(1);
const float = new Float64Array(bits.buffer);

/** The smallest double above a finite number (IEEE 754 nextUp): makes an open bound a closed one. */
function nextAbove(value: number): number {
  if (Number.isNaN(value)) return NaN;
  if (value === 0) return Number.MIN_VALUE;
  float[0] = value;
  bits[0]! += value > 0 ? 1n : -1n;
  return float[0];
}
