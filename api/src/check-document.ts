/**
 * A document against its collection: all that is wrong with it, or its values in the form the indexes
 * take. A field has one value or a list of them; null, a missing field and [] are no value, and nulls
 * in lists are passed over.
 */
import { describeWrongDate, describeWrongNumber, wrongValue } from "./field-value.js";
import type { WrongValue } from "./field-value.js";
import type { CollectionSpec } from "./collection.js";
import { parseDate } from "./date.js";
import { hint } from "./did-you-mean.js";
import { fieldsByName, ID_FIELD } from "./field.js";
import type { FieldSpec, VectorFieldSpec } from "./field.js";
import { describeLimit } from "./limits.js";
import type { Limits } from "./limits.js";
import type { ProblemCode, Violation } from "./problem-code.js";
import { toPointer } from "./schema.js";
import { checkVector } from "./vector-values.js";

/** The values of a document's fields. A field without a value has no entry. */
export interface ParsedFields {
  readonly text: ReadonlyMap<string, readonly string[]>;
  readonly keyword: ReadonlyMap<string, readonly string[]>;
  /** integer, long, float as they are; boolean 0 or 1; date in milliseconds since 1970. */
  readonly numeric: ReadonlyMap<string, readonly number[]>;
  readonly vector: ReadonlyMap<string, Float32Array>;
}

export type CheckedDocument =
  | { readonly ok: true; readonly fields: ParsedFields }
  | { readonly ok: false; readonly violations: readonly Violation[] };

/** More are not told: the page that is left says enough. */
const MOST_VIOLATIONS = 100;

/**
 * @param json the document as JSON.parse gives it
 * @param id its id, when known: a field `id` in the document must equal it
 */
export function checkDocument(
  json: unknown,
  spec: CollectionSpec,
  limits: Limits,
  id?: string,
): CheckedDocument {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return {
      ok: false,
      violations: [{ pointer: "", code: "invalidRequest", detail: "a document is an object" }],
    };
  }
  const check = new DocumentCheck(spec, limits);
  const document = json as Readonly<Record<string, unknown>>;
  check.fields(document, id);
  check.shardKey();
  if (check.violations.length > 0)
    return { ok: false, violations: check.violations.slice(0, MOST_VIOLATIONS) };
  return { ok: true, fields: check.parsed };
}

class DocumentCheck {
  readonly violations: Violation[] = [];
  readonly parsed = {
    text: new Map<string, readonly string[]>(),
    keyword: new Map<string, readonly string[]>(),
    numeric: new Map<string, readonly number[]>(),
    vector: new Map<string, Float32Array>(),
  } satisfies ParsedFields;
  readonly #spec: CollectionSpec;
  readonly #limits: Limits;

  constructor(spec: CollectionSpec, limits: Limits) {
    this.#spec = spec;
    this.#limits = limits;
  }

  #add(name: string, code: ProblemCode, detail: string): void {
    this.violations.push({ pointer: toPointer([name]), code, detail });
  }

  fields(document: Readonly<Record<string, unknown>>, id: string | undefined): void {
    const known = fieldsByName(this.#spec.fields);
    for (const name of Object.keys(document)) {
      if (this.violations.length >= MOST_VIOLATIONS) return;
      const value = document[name];
      const field = known.get(name);
      if (field !== undefined) this.#field(field, value);
      else if (name === ID_FIELD) this.#id(value, id);
      else if (this.#spec.unknownFields === "Reject") {
        const detail = `${this.#spec.name} has no field ${JSON.stringify(name)}${hint(name, known.keys())}`;
        this.#add(name, "unknownField", detail);
      }
    }
  }

  #id(value: unknown, id: string | undefined): void {
    if (value !== undefined && value === id) return;
    const detail =
      id === undefined ? "the id does not belong into the document" : `is not the document's id, ${id}`;
    this.#add(ID_FIELD, "invalidRequest", detail);
  }

  #field(field: FieldSpec, value: unknown): void {
    if (value === null || value === undefined) return;
    if (field.type === "vector") return this.#vector(field, value);
    const values = (Array.isArray(value) ? (value as unknown[]) : [value]).filter((one) => one !== null);
    if (values.length === 0) return;
    if (values.length > this.#limits.valuesPerField) {
      const detail = `${values.length} values are too many, ${describeLimit("valuesPerField", this.#limits)}`;
      return this.#add(field.name, "limitExceeded", detail);
    }
    for (const one of values) {
      const wrong = describeWrong(field, one);
      if (wrong !== undefined)
        return this.#add(field.name, wrong.code, `${field.name} is ${field.type}; ${wrong.detail}`);
    }
    if (field.type === "text") this.parsed.text.set(field.name, values as string[]);
    else if (field.type === "keyword") this.parsed.keyword.set(field.name, values as string[]);
    else this.parsed.numeric.set(field.name, values.map(toNumber));
  }

  #vector(field: VectorFieldSpec, value: unknown): void {
    if (!Array.isArray(value)) {
      return this.#add(
        field.name,
        "wrongFieldType",
        `${field.name} is vector; the value must be one list of numbers`,
      );
    }
    const values = value as readonly unknown[];
    if (values.length === 0) return;
    const violation = checkVector(field, values, toPointer([field.name]));
    if (violation !== undefined) this.violations.push(violation);
    else this.parsed.vector.set(field.name, Float32Array.from(values as readonly number[]));
  }

  shardKey(): void {
    const key = this.#spec.shardKey;
    if (key === undefined || this.violations.some((violation) => violation.pointer === toPointer([key])))
      return;
    const values = this.parsed.keyword.get(key);
    if (values === undefined) this.#add(key, "shardKeyMissing", `the document needs a value of ${key}`);
    else if (values.length > 1)
      this.#add(key, "invalidRequest", `${key} is the shard key and takes one value`);
  }
}

function describeWrong(field: FieldSpec, value: unknown): WrongValue | undefined {
  switch (field.type) {
    case "text":
    case "keyword":
      if (typeof value === "string") return undefined;
      return wrongValue("the value must be a string or a list of strings");
    case "boolean":
      if (typeof value === "boolean") return undefined;
      return wrongValue("the value must be true or false");
    case "date":
      return describeWrongDate(value);
    case "integer":
    case "long":
    case "float":
      return describeWrongNumber(field.type, value);
    case "vector":
      return undefined;
  }
}

function toNumber(value: unknown): number {
  // Checked before: a string here is a date.
  return typeof value === "string" ? (parseDate(value) ?? 0) : Number(value);
}
