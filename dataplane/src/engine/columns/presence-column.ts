/** Which documents have the field: all that filters know of text and vectors. */
import type { BinaryReader, BinaryWriter } from "../binary-file.js";
import { Bitmap } from "../bitmap.js";

export class PresenceColumn {
  #docs = new Bitmap();

  add(doc: number): void {
    this.#docs.add(doc);
  }

  remove(doc: number): void {
    this.#docs.remove(doc);
  }

  exists(): Bitmap {
    return this.#docs.clone();
  }

  get memoryBytes(): number {
    return this.#docs.words.byteLength;
  }

  write(writer: BinaryWriter): void {
    writer.array(this.#docs.words);
  }

  read(reader: BinaryReader): void {
    this.#docs.words = reader.uint32Array();
  }
}
