/** Reads the protobuf wire format (https://protobuf.dev/programming-guides/encoding) from one message. */
export class WireReader {
  readonly #bytes: Buffer;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
    this.end = bytes.byteLength;
  }

  /** As a number: exact up to 2^53. @throws {RangeError} past the end or after ten bytes. */
  varint(): number {
    const bytes = this.#bytes;
    let at = this.at;
    let byte = bytes[at++] ?? truncated();
    if (byte < 0x80) {
      this.at = at;
      return byte;
    }
    let value = byte & 0x7f;
    let scale = 0x80;
    for (let i = 1; i < 10; i += 1) {
      byte = bytes[at++] ?? truncated();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.at = at;
        return value;
      }
      scale *= 0x80;
    }
    throw new RangeError("a number of the message is longer than ten bytes");
  }

  /** The end of what follows and says its own length. */
  lengthEnd(limit: number): number {
    const length = this.varint();
    const end = this.at + length;
    if (end > limit) truncated();
    return end;
  }

  bytes(limit: number): Uint8Array {
    const end = this.lengthEnd(limit);
    const { at } = this;
    this.at = end;
    return this.#bytes.subarray(at, end);
  }

  string(limit: number): string {
    const end = this.lengthEnd(limit);
    const { at } = this;
    this.at = end;
    return at === end ? "" : this.#bytes.toString("utf8", at, end);
  }

  /** Passes a field of an unknown number over. */
  skip(wireType: number, limit: number): void {
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.at += 8;
    else if (wireType === 2) this.at = this.lengthEnd(limit);
    else if (wireType === 5) this.at += 4;
    else throw new RangeError(`wire type ${wireType} is unknown`);
    if (this.at > limit) truncated();
  }
}

function truncated(): never {
  throw new RangeError("the message ends in the middle of a field");
}
