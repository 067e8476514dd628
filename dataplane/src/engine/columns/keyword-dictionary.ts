/**
 * The distinct values of a keyword field, each under an ordinal of 1 and up. Ordinals are counted by
 * use and given again when their value has gone, so that a field whose values keep changing does not
 * keep all it ever had.
 */
import type { BinaryReader, BinaryWriter } from "../binary-file.js";

/** A Map entry, its string's header and the places in the arrays, roughly. */
const ENTRY_BYTES = 80;

export class KeywordDictionary {
  readonly #ordinals = new Map<string, number>();
  /** By ordinal; undefined where an ordinal is free. */
  readonly #values: (string | undefined)[] = [undefined];
  readonly #uses: number[] = [0];
  readonly #free: number[] = [];
  #characters = 0;

  /** One more than the largest ordinal. */
  get size(): number {
    return this.#values.length;
  }

  get memoryBytes(): number {
    return this.#ordinals.size * ENTRY_BYTES + this.#characters;
  }

  find(value: string): number | undefined {
    return this.#ordinals.get(value);
  }

  valueOf(ordinal: number): string {
    const value = this.#values[ordinal];
    if (value === undefined) throw new Error(`ordinal ${ordinal} has no value`);
    return value;
  }

  /** The value's ordinal, used once more than before. */
  use(value: string): number {
    let ordinal = this.#ordinals.get(value);
    if (ordinal === undefined) {
      ordinal = this.#free.pop() ?? this.#values.length;
      this.#ordinals.set(value, ordinal);
      this.#values[ordinal] = value;
      this.#uses[ordinal] = 0;
      this.#characters += value.length;
    }
    this.#uses[ordinal]! += 1;
    return ordinal;
  }

  release(ordinal: number): void {
    this.#uses[ordinal]! -= 1;
    if (this.#uses[ordinal] !== 0) return;
    const value = this.valueOf(ordinal);
    this.#ordinals.delete(value);
    this.#values[ordinal] = undefined;
    this.#free.push(ordinal);
    this.#characters -= value.length;
  }

  /** By ordinal, 1 for the values that pass. */
  flag(passes: (value: string) => boolean): Uint8Array {
    const flags = new Uint8Array(this.size);
    for (const [value, ordinal] of this.#ordinals) if (passes(value)) flags[ordinal] = 1;
    return flags;
  }

  write(writer: BinaryWriter): void {
    writer.uint32(this.size);
    writer.array(Uint32Array.from(this.#uses));
    for (const value of this.#values) if (value !== undefined) writer.string(value);
  }

  /** Into an empty dictionary. */
  read(reader: BinaryReader): void {
    const size = reader.uint32();
    const uses = reader.uint32Array();
    for (let ordinal = 1; ordinal < size; ordinal += 1) {
      this.#uses[ordinal] = uses[ordinal]!;
      if (uses[ordinal] === 0) {
        this.#values[ordinal] = undefined;
        this.#free.push(ordinal);
        continue;
      }
      const value = reader.string();
      this.#values[ordinal] = value;
      this.#ordinals.set(value, ordinal);
      this.#characters += value.length;
    }
  }
}
