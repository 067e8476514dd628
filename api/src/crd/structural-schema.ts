/**
 * From a zod schema to the structural schema that a CustomResourceDefinition takes: the part of OpenAPI 3.0
 * with one type per value, no alternatives of shape, and nothing that Go's regular expressions lack.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
import * as z from "zod";

export interface ValidationRule {
  /** CEL. */
  readonly rule: string;
  /** What to do, not only what is wrong. */
  readonly message: string;
  /** Where the mistake is, when the rule had to stand further out: `.nodes`. */
  readonly fieldPath?: string;
  readonly reason?:
    "FieldValueInvalid" | "FieldValueForbidden" | "FieldValueRequired" | "FieldValueDuplicate";
}

export interface StructuralSchema {
  type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  description?: string;
  format?: string;
  default?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  items?: StructuralSchema;
  minItems?: number;
  maxItems?: number;
  properties?: Record<string, StructuralSchema>;
  additionalProperties?: StructuralSchema;
  maxProperties?: number;
  required?: string[];
  anyOf?: { type: "integer" | "string" }[];
  "x-kubernetes-int-or-string"?: true;
  "x-kubernetes-preserve-unknown-fields"?: true;
  "x-kubernetes-list-type"?: "atomic" | "map" | "set";
  "x-kubernetes-list-map-keys"?: readonly string[];
  "x-kubernetes-validations"?: readonly ValidationRule[];
}

const LARGEST_INT32 = 2 ** 31 - 1;

type Json = Readonly<Record<string, unknown>>;

export function toStructuralSchema(schema: z.ZodType): StructuralSchema {
  const json = z.toJSONSchema(schema, {
    target: "openapi-3.0",
    io: "input",
    reused: "inline",
    unrepresentable: "any",
  });
  const structural = convert(json);
  fillDefaults(structural);
  return structural;
}

function convert(json: Json): StructuralSchema {
  const alternatives = (json["anyOf"] ?? json["oneOf"]) as readonly Json[] | undefined;
  const converted = alternatives === undefined ? convertType(json) : convertUnion(alternatives);
  const { description, default: value } = json;
  return {
    ...(typeof description === "string" ? { description } : {}),
    ...converted,
    ...(value === undefined ? {} : { default: structuredClone(value) }),
  };
}

function convertType(json: Json): StructuralSchema {
  switch (json["type"]) {
    case "object":
      return convertObject(json);
    case "array": {
      const { minItems, maxItems } = json;
      const items = convert(json["items"] as Json);
      return { type: "array", ...numbers({ minItems, maxItems }), items, "x-kubernetes-list-type": "atomic" };
    }
    case "integer":
      return convertInteger(json);
    case "string":
      return convertString(json);
    case "boolean":
      return { type: "boolean" };
    default:
      throw new Error(`no structural schema for ${JSON.stringify(json)}`);
  }
}

function convertObject(json: Json): StructuralSchema {
  const more = json["additionalProperties"] as Json | false | undefined;
  const properties = Object.entries((json["properties"] ?? {}) as Record<string, Json>);
  if (more !== undefined && more !== false) {
    // An object that keeps what it does not know, or a map of which all values are alike.
    if (Object.keys(more).length === 0)
      return { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    return { type: "object", additionalProperties: convert(more) };
  }
  const required = json["required"] as readonly string[] | undefined;
  return {
    type: "object",
    properties: Object.fromEntries(properties.map(([name, value]) => [name, convert(value)])),
    ...(required === undefined ? {} : { required: [...required] }),
  };
}

function convertInteger(json: Json): StructuralSchema {
  const { minimum, maximum } = json as { minimum?: number; maximum?: number };
  // The bounds of what a JavaScript number holds say nothing to people.
  const upper = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  const lower = minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const format = upper !== undefined && upper <= LARGEST_INT32 ? "int32" : "int64";
  return { type: "integer", format, ...numbers({ minimum: lower, maximum: upper }) };
}

function convertString(json: Json): StructuralSchema {
  const { enum: words, format, pattern, minLength, maxLength } = json;
  if (words !== undefined) return { type: "string", enum: [...(words as unknown[])] };
  if (typeof pattern === "string" && /\(\?[=!<]/.test(pattern) && format === undefined)
    throw new Error(`Go has no lookaround: ${pattern}`);
  return {
    type: "string",
    ...numbers({ minLength, maxLength }),
    // The format says what zod's pattern for it says.
    ...(typeof format === "string" ? { format } : typeof pattern === "string" ? { pattern } : {}),
  };
}

function convertUnion(alternatives: readonly Json[]): StructuralSchema {
  const members = alternatives.map(convert);
  const types = new Set(members.map((member) => member.type));
  if (types.size === 2 && types.has("integer") && types.has("string")) return intOrString(members);
  if (types.size === 1 && types.has("string")) return stringOrNone(members);
  if (types.size === 1 && types.has("object")) return mergedObjects(members);
  throw new Error(`no structural schema for a union of ${[...types].join(", ")}`);
}

function intOrString(members: readonly StructuralSchema[]): StructuralSchema {
  const { pattern, maxLength } = members.find((member) => member.type === "string") ?? {};
  return {
    anyOf: [{ type: "integer" }, { type: "string" }],
    "x-kubernetes-int-or-string": true,
    ...(pattern === undefined ? {} : { pattern }),
    ...(maxLength === undefined ? {} : { maxLength }),
  };
}

/** "" or a string of a form. */
function stringOrNone(members: readonly StructuralSchema[]): StructuralSchema {
  const formed = members.find((member) => member.pattern !== undefined);
  const other = members.find((member) => member !== formed);
  if (formed?.pattern === undefined || JSON.stringify(other?.enum) !== '[""]')
    throw new Error(`no structural schema for a union of strings: ${JSON.stringify(members)}`);
  return { ...formed, pattern: `^$|${formed.pattern}` };
}

/** Objects told apart by a word become one with the properties of all: which belong together is for the reader to check. */
function mergedObjects(members: readonly StructuralSchema[]): StructuralSchema {
  const properties: Record<string, StructuralSchema> = {};
  for (const member of members) {
    for (const [name, schema] of Object.entries(member.properties ?? {})) {
      // A default would be given to objects of the other words as well.
      const { default: _, ...rest } = schema;
      const before = properties[name];
      properties[name] = before?.enum
        ? { ...before, enum: [...new Set([...before.enum, ...(rest.enum ?? [])])] }
        : rest;
    }
  }
  const required = (members[0]?.required ?? []).filter((name) =>
    members.every((member) => member.required?.includes(name)),
  );
  return { type: "object", properties, required };
}

function numbers(entries: Readonly<Record<string, unknown>>): Record<string, number> {
  const stated = Object.entries(entries).filter(([, value]) => typeof value === "number");
  return Object.fromEntries(stated) as Record<string, number>;
}

/**
 * Writes every default out in full. The server fills defaults from the outside in, but checks rules on the
 * default as it is written: `{}` with a rule over its fields is refused.
 */
function fillDefaults(schema: StructuralSchema): void {
  for (const property of Object.values(schema.properties ?? {})) fillDefaults(property);
  if (schema.items) fillDefaults(schema.items);
  if (schema.additionalProperties) fillDefaults(schema.additionalProperties);
  if (schema.default !== undefined) schema.default = filled(schema, schema.default);
}

function filled(schema: StructuralSchema, value: unknown): unknown {
  if (schema.properties === undefined || typeof value !== "object" || value === null) return value;
  const result: Record<string, unknown> = { ...value };
  for (const [name, property] of Object.entries(schema.properties)) {
    const given = result[name] ?? property.default;
    if (given !== undefined) result[name] = filled(property, given);
  }
  return result;
}
