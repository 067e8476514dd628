/**
 * Files of numbers, arrays and strings, one after the other: 8 bytes of kind and version, the values,
 * a CRC-32 of all before it. Numbers are little-endian, as every machine that Node and usearch are
 * built for has them; arrays start at multiples of 8 bytes.
 */
import { Buffer } from "node:buffer";
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { checksum } from "./checksum.js";

const STAGE_BYTES = 1 << 16;

/** The file cannot be what was written: it is rebuilt, not repaired. */
export class DamagedFile extends Error {
  constructor(path: string, what: string) {
    super(`${path}: ${what}`);
    this.name = "DamagedFile";
  }
}

type NumberArray = Uint8Array | Uint16Array | Uint32Array | Float64Array;

export class BinaryWriter {
  readonly #fd: number;
  readonly #stage = Buffer.allocUnsafe(STAGE_BYTES);
  #staged = 0;
  #position = 0;
  #checksum = 0;

  /** `kind`: 8 ASCII characters, the version of the shape among them. */
  constructor(path: string, kind: string) {
    this.#fd = openSync(path, "w");
    this.#bytes(Buffer.from(kind, "latin1"));
  }

  uint32(value: number): void {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32LE(value);
    this.#bytes(bytes);
  }

  string(value: string): void {
    this.array(Buffer.from(value));
  }

  array(values: NumberArray): void {
    this.uint32(values.length);
    const padding = -this.#position & 7;
    if (padding !== 0) this.#bytes(Buffer.alloc(padding));
    this.#bytes(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  }

  /** Writes the checksum and waits until the disk has everything. */
  finish(): void {
    this.#flush();
    this.uint32(this.#checksum);
    this.#flush();
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }

  /** Gives the file up, after an error. */
  abandon(): void {
    closeSync(this.#fd);
  }

  #bytes(bytes: Buffer): void {
    this.#position += bytes.length;
    if (this.#staged + bytes.length > STAGE_BYTES) this.#flush();
    if (bytes.length > STAGE_BYTES) {
      this.#write(bytes);
      return;
    }
    bytes.copy(this.#stage, this.#staged);
    this.#staged += bytes.length;
  }

  #flush(): void {
    this.#write(this.#stage.subarray(0, this.#staged));
    this.#staged = 0;
  }

  #write(bytes: Buffer): void {
    this.#checksum = checksum(bytes, this.#checksum);
    // A write may be cut short, at 2 GiB or by a signal.
    for (let written = 0; written < bytes.length;) written += writeSync(this.#fd, bytes, written);
  }
}

/** Runs `fill`, then makes the file durable; on an error the file is closed and the error thrown on. */
export function writeBinaryFile(path: string, kind: string, fill: (writer: BinaryWriter) => void): void {
  const writer = new BinaryWriter(path, kind);
  try {
    fill(writer);
    writer.finish();
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

export class BinaryReader {
  readonly #path: string;
  readonly #bytes: Buffer;
  readonly #end: number;
  #position = 8;

  /** Throws DamagedFile, or the file system's error when the file cannot be read. */
  constructor(path: string, kind: string) {
    this.#path = path;
    this.#bytes = readFileSync(path);
    this.#end = this.#bytes.length - 4;
    if (this.#end < 8) throw new DamagedFile(path, "too short");
    if (this.#bytes.toString("latin1", 0, 8) !== kind) throw new DamagedFile(path, `not of kind ${kind}`);
    if (checksum(this.#bytes.subarray(0, this.#end)) !== this.#bytes.readUInt32LE(this.#end)) {
      throw new DamagedFile(path, "the checksum differs");
    }
  }

  uint32(): number {
    return this.#take(4).readUInt32LE();
  }

  string(): string {
    return Buffer.from(this.uint8Array()).toString("utf8");
  }

  uint8Array(): Uint8Array {
    return new Uint8Array(this.#array(1));
  }

  uint16Array(): Uint16Array {
    return new Uint16Array(this.#array(2));
  }

  uint32Array(): Uint32Array {
    return new Uint32Array(this.#array(4));
  }

  float64Array(): Float64Array {
    return new Float64Array(this.#array(8));
  }

  /** A copy of its own, so that the whole file is not kept in memory by one array. */
  #array(bytesPerElement: number): ArrayBuffer {
    const length = this.uint32() * bytesPerElement;
    this.#take(-this.#position & 7);
    const copy = new ArrayBuffer(length);
    new Uint8Array(copy).set(this.#take(length));
    return copy;
  }

  #take(length: number): Buffer {
    const start = this.#position;
    if (start + length > this.#end) throw new DamagedFile(this.#path, "ends too early");
    this.#position += length;
    return this.#bytes.subarray(start, this.#position);
  }
}
