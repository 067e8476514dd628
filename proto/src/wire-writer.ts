/**
 * Writes the protobuf wire format in one pass: the length of what is nested is put before it once it is
 * known. One buffer serves all messages of a thread; what `finish` returns is a copy with a buffer of its
 * own, which can be handed to another thread.
 */
const FIRST_BYTES = 64 * 1024;
/** A larger buffer is not kept for the next message. */
const KEPT_BYTES = 4 * 1024 * 1024;
/** Of UTF-16 units that take at most 127 bytes in UTF-8. */
const SHORT_STRING = 42;

export class WireWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #at = 0;

  finish(): Uint8Array {
    const message = new Uint8Array(this.#at);
    message.set(this.#bytes.subarray(0, this.#at));
    this.reset();
    return message;
  }

  reset(): void {
    this.#at = 0;
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  /** @throws {RangeError} on what is no whole number from 0 on. */
  varint(value: number): void {
    this.#reserve(10);
    this.#at = this.#putVarint(this.#at, value);
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length + 10);
    this.#at = this.#putVarint(this.#at, value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  string(value: string): void {
    const { length } = value;
    this.#reserve(3 * length + 10);
    if (length > SHORT_STRING) {
      this.#at = this.#putVarint(this.#at, Buffer.byteLength(value));
      this.#at += this.#bytes.write(value, this.#at);
      return;
    }
    const bytes = this.#bytes;
    const start = this.#at + 1;
    for (let i = 0; i < length; i += 1) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) {
        const written = bytes.write(value, start);
        bytes[start - 1] = written;
        this.#at = start + written;
        return;
      }
      bytes[start + i] = unit;
    }
    bytes[start - 1] = length;
    this.#at = start + length;
  }

  /** What is written between `begin` and `end` is nested: its length comes before it. */
  begin(): number {
    this.#reserve(1);
    this.#at += 1;
    return this.#at;
  }

  end(start: number): void {
    const length = this.#at - start;
    const extra = varintBytes(length) - 1;
    if (extra > 0) {
      this.#reserve(extra);
      this.#bytes.copyWithin(start + extra, start, this.#at);
    }
    this.#putVarint(start - 1, length);
    this.#at += extra;
  }

  #putVarint(from: number, value: number): number {
    const bytes = this.#bytes;
    let at = from;
    let rest = value;
    if (!(rest >= 0 && rest <= Number.MAX_SAFE_INTEGER))
      throw new RangeError(`${value} is no unsigned number`);
    // Above 32 bits the bit operators would cut it.
    while (rest >= 0x80000000) {
      bytes[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    rest = Math.trunc(rest);
    while (rest >= 0x80) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    return at;
  }

  #reserve(more: number): void {
    const needed = this.#at + more;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest /= 0x80) bytes += 1;
  return bytes;
}
