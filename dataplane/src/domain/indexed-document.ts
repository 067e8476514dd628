/**
 * A stored document in the form the indexes take it. It was checked when it was written, but against
 * the fields of that time: a value that was an unknown field's then and does not fit the field that
 * the collection has got since is not indexed, and never an error.
 */
import type { FieldSpec } from "@prism/api/collection";
import { parseDate } from "@prism/api/date";
import { describeWrongDate, describeWrongNumber } from "@prism/api/field-value";
import { checkVector } from "@prism/api/vector-values";
import { decodeRecord, type JsonObject } from "./document-record.js";

/** The shape of engine/parsed-document.ts, which is not this room's to import. */
export interface IndexedDocument {
  readonly id: string;
  readonly text: ReadonlyMap<string, readonly string[]>;
  readonly keyword: ReadonlyMap<string, readonly string[]>;
  readonly numeric: ReadonlyMap<string, readonly number[]>;
  readonly vector: ReadonlyMap<string, Float32Array>;
}

const NO_FIELDS: Omit<IndexedDocument, "id"> = {
  text: new Map(),
  keyword: new Map(),
  numeric: new Map(),
  vector: new Map(),
};

export function toIndexedDocument(
  id: string,
  record: Uint8Array,
  fields: readonly FieldSpec[],
): IndexedDocument {
  if (fields.length === 0) return { id, ...NO_FIELDS };
  const { fields: stored, vectors } = decodeRecord(record);
  const text = new Map<string, readonly string[]>();
  const keyword = new Map<string, readonly string[]>();
  const numeric = new Map<string, readonly number[]>();
  const vector = new Map<string, Float32Array>();
  for (const field of fields) {
    if (field.type === "vector") {
      const values = vectors.get(field.name) ?? stored[field.name];
      if (isVector(values) && checkVector(field, values as readonly unknown[], "") === undefined) {
        vector.set(field.name, Float32Array.from(values));
      }
      continue;
    }
    const values = valuesOf(stored, field.name);
    if (values.length === 0) continue;
    if (field.type === "text" || field.type === "keyword") {
      if (!values.every((value) => typeof value === "string")) continue;
      (field.type === "text" ? text : keyword).set(field.name, values);
    } else {
      const numbers = values.map((value) => toNumber(field.type, value));
      if (numbers.every((value) => value !== undefined)) numeric.set(field.name, numbers);
    }
  }
  return { id, text, keyword, numeric, vector };
}

function isVector(value: unknown): value is ArrayLike<number> {
  return value instanceof Float32Array || (Array.isArray(value) && value.length > 0);
}

function valuesOf(stored: JsonObject, name: string): unknown[] {
  const value = Object.hasOwn(stored, name) ? stored[name] : undefined;
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value.filter((one) => one !== null) : [value];
}

function toNumber(
  type: "integer" | "long" | "float" | "boolean" | "date",
  value: unknown,
): number | undefined {
  if (type === "boolean") return typeof value === "boolean" ? Number(value) : undefined;
  if (type === "date") {
    if (describeWrongDate(value) !== undefined) return undefined;
    return typeof value === "string" ? parseDate(value) : Number(value);
  }
  return describeWrongNumber(type, value) === undefined ? Number(value) : undefined;
}
