/** Writes docs/fields.md: every field of the objects that people write, from the schemas that the API server checks. */
import type { ApiKind } from "@prism/api/api-object";
import { buildObjectSchema } from "@prism/api/crd/crd";
import type { StructuralSchema } from "@prism/api/crd/structural-schema";
import { markdownTable, page } from "./generate-tables.js";

/** The kinds that people write; records of shards and nodes are the operator's. */
const KINDS: readonly ApiKind[] = ["PrismCluster", "PrismCollection"];

export interface DocumentedField {
  /** `spec.topology.zones[].name`. */
  readonly path: string;
  readonly type: string;
  readonly value: string;
  readonly description: string;
}

export function generateFieldsPage(): string {
  return page("Fields", [
    "What each field of a PrismCluster and a PrismCollection does. The same is said by `kubectl explain",
    "prismcluster.spec.storage`. Unknown fields are refused. Which of the fields local mode makes use of is in",
    "[configuration.md](configuration.md).",
    "",
    ...KINDS.flatMap((kind) => [`## ${kind}`, "", ...kindSection(kind)]),
  ]);
}

function kindSection(kind: ApiKind): string[] {
  const schema = buildObjectSchema(kind);
  const section = (part: "spec" | "status"): string[] => {
    const fields = documentedFields(schema.properties?.[part] ?? {}, part);
    const rows = fields.map(({ path, type, value, description }) => [
      `\`${path}\``,
      type,
      value,
      description,
    ]);
    return markdownTable(["Field", "Type", part === "spec" ? "Default" : "", "What it does"], rows);
  };
  const messages = rulesOf(schema).map((message) => `- ${message}`);
  return [
    schema.description ?? "",
    "",
    ...section("spec"),
    "",
    "The API server refuses what breaks one of these rules, with these words:",
    "",
    ...messages,
    "",
    "Written by the operator:",
    "",
    ...section("status"),
    "",
  ];
}

/** All fields that hold a value of their own, in the order of the schema. */
export function documentedFields(schema: StructuralSchema, path: string): DocumentedField[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const here = `${path}.${name}`;
    const row = {
      path: here,
      type: typeOf(field),
      value: defaultOf(schema, name, field),
      description: field.description ?? "",
    };
    if (field.properties !== undefined) {
      // An object is told by its fields, unless it has something to say for itself.
      const inner = documentedFields(field, here);
      return field.description === undefined && inner.length > 0 ? inner : [row, ...inner];
    }
    if (field.items?.properties !== undefined) return [row, ...documentedFields(field.items, `${here}[]`)];
    return [row];
  });
}

function typeOf(field: StructuralSchema): string {
  if (field.enum !== undefined) return field.enum.map((word) => `\`${String(word)}\``).join(" ");
  if (field["x-kubernetes-int-or-string"] === true) return "quantity";
  if (field.additionalProperties !== undefined) return "map";
  if (field.type === "array")
    return field.items?.type === "object" ? "list of objects" : `list of ${field.items?.type ?? ""}s`;
  const { minimum, maximum } = field;
  if (minimum !== undefined && maximum !== undefined)
    return `${minimum.toLocaleString("en-US")} to ${maximum.toLocaleString("en-US")}`;
  return field.format === "date-time" ? "time" : (field.type ?? "");
}

function defaultOf(parent: StructuralSchema, name: string, field: StructuralSchema): string {
  if (parent.required?.includes(name) === true) return "required";
  const { default: value } = field;
  if (value === undefined || field.properties !== undefined) return "";
  return value === "" ? "" : `\`${JSON.stringify(value).replaceAll('"', "")}\``;
}

function rulesOf(schema: StructuralSchema): string[] {
  const own = (schema["x-kubernetes-validations"] ?? []).map(({ message }) => message);
  const inner = [...Object.values(schema.properties ?? {}), ...(schema.items ? [schema.items] : [])];
  return [...new Set([...own, ...inner.flatMap(rulesOf)])];
}
