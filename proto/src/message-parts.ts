/**
 * Messages put together from parts that were encoded apart. The fields of a message may come in any order, and
 * an encoded message followed by another one of its kind is one with the fields of both (protobuf, "Encoding"), so
 * what is sent often need not be encoded again because something else has changed.
 */
import { WireWriter } from "./wire-writer.js";

const WIRE_LENGTH = 2;
const writer = new WireWriter();

/** A field that is a message, of a message that is the parts one after the other. */
export function embedded(field: number, parts: readonly Uint8Array[]): Uint8Array[] {
  writer.varint(field * 8 + WIRE_LENGTH);
  writer.varint(parts.reduce((sum, { length }) => sum + length, 0));
  return [writer.finish(), ...parts];
}
