/** The fields that a collection defines, and what each type can do. */
import * as z from "zod";
import { oneOf, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";

export const FIELD_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/;

/** The document's id: no field of a collection, though filters may name it. */
export const ID_FIELD = "id";

const name = z
  .string()
  .regex(FIELD_NAME, "must begin with a letter or _ and have at most 128 letters, digits, _ . -")
  .refine((value) => value !== ID_FIELD, 'must not be "id": that is the document\'s id')
  // Objects keyed by field name are written all over the place; assigning this key would change their prototype.
  .refine((value) => value !== "__proto__", 'must not be "__proto__"')
  .describe("Of the field in documents.");

const text = strictObject({
  name,
  type: z.literal("text"),
  analyzer: oneOf(["standard", "english", "keyword"])
    .default("standard")
    .describe("standard: words, lower-case. english: stemmed, without stop words. keyword: the whole value."),
});
const keyword = strictObject({ name, type: z.literal("keyword") });
const integer = strictObject({ name, type: z.literal("integer") });
const long = strictObject({ name, type: z.literal("long") });
const float = strictObject({ name, type: z.literal("float") });
const boolean = strictObject({ name, type: z.literal("boolean") });
const date = strictObject({ name, type: z.literal("date") });
const vector = strictObject({
  name,
  type: z.literal("vector"),
  dimensions: z.int().min(1).max(4096).describe("Of every vector of the field."),
  metric: oneOf(["cosine", "dot", "l2"])
    .default("cosine")
    .describe("Scores, higher is better: cosine in [-1, 1]; dot as it is; l2 as 1 / (1 + distance)."),
  precision: oneOf(["f32"]).default("f32").describe("Of the stored numbers."),
});

/** Order as in messages and documentation. */
export const FIELD_TYPES = [
  "text",
  "keyword",
  "integer",
  "long",
  "float",
  "boolean",
  "date",
  "vector",
] as const;
export type FieldType = (typeof FIELD_TYPES)[number];

const type = oneOf(FIELD_TYPES);

export const fieldSchema = z.discriminatedUnion(
  "type",
  [text, keyword, integer, long, float, boolean, date, vector],
  {
    error: (issue) => {
      if (issue.code !== "invalid_union") return undefined;
      const parsed = type.safeParse((issue.input as { type?: unknown } | null)?.type);
      return parsed.error?.issues[0]?.message;
    },
  },
);

export type FieldSpec = Immutable<z.output<typeof fieldSchema>>;
export type TextFieldSpec = Extract<FieldSpec, { type: "text" }>;
export type KeywordFieldSpec = Extract<FieldSpec, { type: "keyword" }>;
export type VectorFieldSpec = Extract<FieldSpec, { type: "vector" }>;
/** Fields whose values are numbers to the indexes: boolean is 0 or 1, date is milliseconds since 1970. */
export type NumericFieldSpec = Extract<
  FieldSpec,
  { type: "integer" | "long" | "float" | "boolean" | "date" }
>;

const indexes = new WeakMap<readonly FieldSpec[], ReadonlyMap<string, FieldSpec>>();

/** The fields by name; kept as long as the list, since every document and search asks. */
export function fieldsByName(fields: readonly FieldSpec[]): ReadonlyMap<string, FieldSpec> {
  let index = indexes.get(fields);
  if (index === undefined) {
    index = new Map(fields.map((field) => [field.name, field]));
    indexes.set(fields, index);
  }
  return index;
}

export function isNumericField(field: FieldSpec): field is NumericFieldSpec {
  return field.type !== "text" && field.type !== "keyword" && field.type !== "vector";
}
