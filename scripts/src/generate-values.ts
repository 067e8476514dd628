/** Writes the page of the chart's values, from their schema and their defaults. */
import { parse } from "yaml";
import { markdownTable, page } from "./generate-tables.js";

interface ValueSchema {
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, ValueSchema>>;
}

/** @param values the chart's values.yaml; @param schema its values.schema.json. */
export function generateValuesPage(values: string, schema: string): string {
  const rows = valueRows(JSON.parse(schema) as ValueSchema, parse(values) as unknown, "");
  return page("The Prism chart", [
    "Installs the Prism operator, the definitions of its kinds, and the policy that protects them:",
    "[docs/kubernetes.md](../../docs/kubernetes.md) says how. A value that the table does not name is refused.",
    "",
    ...markdownTable(["Value", "Default", "What it does"], rows),
  ]);
}

/** A group without a default of its own is told by its members. */
function valueRows(schema: ValueSchema, defaults: unknown, path: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, one]) => {
    const value = (defaults as Readonly<Record<string, unknown>> | undefined)?.[name];
    const here = path === "" ? name : `${path}.${name}`;
    if (value === undefined) return [];
    if (one.properties !== undefined) return valueRows(one, value, here);
    const words = one.enum === undefined ? "" : ` ${one.enum.map((word) => `\`${word}\``).join(", ")}.`;
    return [
      [`\`${here}\``, value === "" ? "" : `\`${JSON.stringify(value)}\``, `${one.description ?? ""}${words}`],
    ];
  });
}
