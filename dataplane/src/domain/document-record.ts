/**
 * The stored form of a document: its JSON without the vector fields, then the vectors as float32.
 * A 512-dimension vector is 2 KB so, against 10 KB as text, and is not parsed again to be returned
 * without it.
 *
 *   u32 length of the JSON | JSON | per vector field: u16 length of the name | name | u32 dimensions | f32 ...
 *
 * All numbers are little-endian.
 */

import { findMembers } from "./json-members.js";

export type JsonObject = Readonly<Record<string, unknown>>;

export interface DocumentRecord {
  /** Without the vector fields. */
  readonly fields: JsonObject;
  readonly vectors: ReadonlyMap<string, Float32Array>;
}

const SMALLEST_NORMAL = 2 ** -126;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

/** `vectorFields` of the document go into the binary part when they hold a list of numbers. */
export function encodeRecord(document: JsonObject, vectorFields: ReadonlySet<string>): Uint8Array {
  const fields: [string, unknown][] = [];
  const vectors: { name: Uint8Array; values: readonly number[] }[] = [];
  let size = 4;
  for (const [name, value] of Object.entries(document)) {
    if (vectorFields.has(name) && isNumberList(value)) {
      const encoded = utf8.encode(name);
      vectors.push({ name: encoded, values: value });
      size += 6 + encoded.length + 4 * value.length;
    } else fields.push([name, value]);
  }
  const json = utf8.encode(JSON.stringify(fromEntries(fields)));
  const record = new Uint8Array(size + json.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, json.length, true);
  record.set(json, 4);
  let at = 4 + json.length;
  for (const { name, values } of vectors) {
    view.setUint16(at, name.length, true);
    record.set(name, at + 2);
    at += 2 + name.length;
    view.setUint32(at, values.length, true);
    at += 4;
    for (const value of values) {
      view.setFloat32(at, value, true);
      at += 4;
    }
  }
  return record;
}

/** The record of a document without vectors, in JSON as it came: nothing of it is written anew. */
export function encodeJson(json: Uint8Array): Uint8Array {
  const record = new Uint8Array(4 + json.length);
  viewOf(record).setUint32(0, json.length, true);
  record.set(json, 4);
  return record;
}

function isNumberList(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "number");
}

/** Not Object.fromEntries: a field named __proto__ is a field. */
function fromEntries(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [name, value] of entries) setField(object, name, value);
  return object;
}

/** Assigning `__proto__` would set the prototype and lose the field. */
function setField(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === "__proto__") {
    Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
  } else object[name] = value;
}

function viewOf(record: Uint8Array): DataView {
  return new DataView(record.buffer, record.byteOffset, record.byteLength);
}

/** @throws {RangeError} on bytes that are not a record. */
export function decodeRecord(record: Uint8Array): DocumentRecord {
  return { fields: decodeFields(record), vectors: decodeVectors(record) };
}

/** The JSON part as it is stored. */
export function fieldsJson(record: Uint8Array): Uint8Array {
  return record.subarray(4, 4 + viewOf(record).getUint32(0, true));
}

export function decodeFields(record: Uint8Array): JsonObject {
  return JSON.parse(fromUtf8.decode(fieldsJson(record))) as JsonObject;
}

export function decodeVectors(record: Uint8Array): Map<string, Float32Array> {
  const view = viewOf(record);
  const vectors = new Map<string, Float32Array>();
  let at = 4 + view.getUint32(0, true);
  while (at < record.length) {
    const nameLength = view.getUint16(at, true);
    const name = fromUtf8.decode(record.subarray(at + 2, at + 2 + nameLength));
    at += 2 + nameLength;
    const values = new Float32Array(view.getUint32(at, true));
    at += 4;
    for (let i = 0; i < values.length; i += 1) values[i] = view.getFloat32(at + 4 * i, true);
    at += 4 * values.length;
    vectors.set(name, values);
  }
  return vectors;
}

/** The whole document again; vector values are numbers that print short (shortestFloat32). */
export function recordToDocument(record: Uint8Array): Record<string, unknown> {
  const { fields, vectors } = decodeRecord(record);
  const document = { ...fields };
  for (const [name, values] of vectors) setField(document, name, Array.from(values, shortestFloat32));
  return document;
}

/** What an answer carries of a record, as UTF-8 JSON. */
export type Projection = (record: Uint8Array) => Uint8Array;

/**
 * Which fields answers carry: a list of names, "*" in it for all; undefined: all but vectors. Values are
 * copied as they are stored, which needs no parsing.
 */
export function projectionOf(include: readonly string[] | undefined): Projection {
  if (include === undefined) return fieldsJson;
  if (include.includes("*")) return (record) => utf8.encode(JSON.stringify(recordToDocument(record)));
  const names = Array.from(new Set(include), (name) => ({
    name,
    key: utf8.encode(`,${JSON.stringify(name)}:`),
  }));
  return (record) => {
    const json = fieldsJson(record);
    const members = findMembers(json);
    if (members === undefined) throw new RangeError("the bytes are not a record");
    const pieces: Uint8Array[] = [];
    for (const { name, key } of names) {
      const range = members.get(name);
      const value = range === undefined ? vectorJson(record, name) : json.subarray(range.start, range.end);
      if (value !== undefined) pieces.push(key, value);
    }
    return toObject(pieces);
  };
}

/** `pieces`: each key, a comma before it, and its value. */
function toObject(pieces: readonly Uint8Array[]): Uint8Array {
  let length = 1;
  for (const piece of pieces) length += piece.length;
  const object = new Uint8Array(Math.max(2, length));
  let at = 0;
  for (const piece of pieces) {
    object.set(piece, at);
    at += piece.length;
  }
  object[0] = OPEN_OBJECT;
  object[object.length - 1] = CLOSE_OBJECT;
  return object;
}

function vectorJson(record: Uint8Array, name: string): Uint8Array | undefined {
  const vector = decodeVectors(record).get(name);
  return vector && utf8.encode(JSON.stringify(Array.from(vector, shortestFloat32)));
}

/**
 * The number with the fewest significant digits that rounds to the same float32: 0.1 as float32
 * widens to 0.10000000149011612, which nobody wrote. Nine digits always suffice (Steele and White 1990).
 */
export function shortestFloat32(value: number): number {
  // Six digits are kept by every normal float32, so no shorter form is another's; subnormals keep fewer.
  for (let digits = Math.abs(value) < SMALLEST_NORMAL ? 1 : 6; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}
