/** The part of DER (ITU-T X.690, section 10) that certificates are written in. */

/** Universal and context-specific tags that occur in a certificate. */
const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const;

export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return tagged(Tag.sequence, ...parts);
}

export function setOf(part: Uint8Array): Uint8Array {
  return tagged(Tag.set, part);
}

/** [number] EXPLICIT, or IMPLICIT of something made of parts. */
export function contextConstructed(number: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return tagged(0xa0 | number, ...parts);
}

/** [number] IMPLICIT of something that is bytes. */
export function contextPrimitive(number: number, content: Uint8Array): Uint8Array {
  return tagged(0x80 | number, content);
}

export function booleanTrue(): Uint8Array {
  return tagged(Tag.boolean, Uint8Array.of(0xff));
}

/** @param magnitude of a number that is not negative, most significant byte first. */
export function integer(magnitude: Uint8Array): Uint8Array {
  const first = magnitude.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Uint8Array.of(0) : magnitude.subarray(first);
  // A set first bit would make the number negative.
  const sign = (digits[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0);
  return tagged(Tag.integer, sign, digits);
}

export function bitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return tagged(Tag.bitString, Uint8Array.of(unusedBits), bytes);
}

export function octetString(bytes: Uint8Array): Uint8Array {
  return tagged(Tag.octetString, bytes);
}

export function utf8String(text: string): Uint8Array {
  return tagged(Tag.utf8String, Buffer.from(text, "utf8"));
}

/** @param dotted such as 2.5.29.17 */
export function objectId(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return tagged(Tag.objectId, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

/** Whole seconds; UTCTime before 2050 and GeneralizedTime from then on (RFC 5280, section 4.1.2.5). */
export function time(at: Date): Uint8Array {
  const digits = at.toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return at.getUTCFullYear() < 2050
    ? tagged(Tag.utcTime, Buffer.from(digits.slice(2), "ascii"))
    : tagged(Tag.generalizedTime, Buffer.from(digits, "ascii"));
}

function base128(value: number): number[] {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.unshift(0x80 | (rest % 128));
  }
  return bytes;
}

function tagged(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  return Buffer.concat([Uint8Array.of(tag, ...lengthOf(content.length)), content]);
}

function lengthOf(length: number): number[] {
  if (length < 128) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
}
