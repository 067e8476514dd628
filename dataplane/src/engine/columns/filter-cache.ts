/**
 * The bitmaps of lately used value tests, by the test. They say what the columns hold, dead documents
 * left out but none added since: any change of the columns empties the cache. Only single tests are
 * kept, as combining bitmaps costs less than finding them, and none depends on which documents are live.
 */
import type { Bitmap } from "../bitmap.js";
import type { ValueTest } from "./column-filter.js";

const BYTES_MAX = 8 * 1024 * 1024;
/** A longer key, a list of thousands of values, costs more to compare than it saves. */
const KEY_LENGTH_MAX = 4096;

export class FilterCache {
  /** Least recently used first. */
  readonly #bitmaps = new Map<string, Bitmap>();
  #bytes = 0;

  get memoryBytes(): number {
    return this.#bytes;
  }

  /** The bitmap is the cache's own: it must not be changed. */
  getOrCompute(test: ValueTest, compute: () => Bitmap): Bitmap {
    if ("in" in test && test.in.length > KEY_LENGTH_MAX / 8) return compute();
    const key = JSON.stringify(test);
    if (key.length > KEY_LENGTH_MAX) return compute();
    const cached = this.#bitmaps.get(key);
    if (cached !== undefined) {
      this.#bitmaps.delete(key);
      this.#bitmaps.set(key, cached);
      return cached;
    }
    const bitmap = compute();
    this.#bitmaps.set(key, bitmap);
    this.#bytes += bitmap.words.byteLength + key.length;
    this.#evict();
    return bitmap;
  }

  clear(): void {
    if (this.#bytes === 0) return;
    this.#bitmaps.clear();
    this.#bytes = 0;
  }

  #evict(): void {
    for (const [key, bitmap] of this.#bitmaps) {
      if (this.#bytes <= BYTES_MAX) return;
      this.#bitmaps.delete(key);
      this.#bytes -= bitmap.words.byteLength + key.length;
    }
  }
}
