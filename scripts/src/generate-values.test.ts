import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { generateValuesPage } from "./generate-values.js";

const chart = fileURLToPath(new URL("../../charts/prism/", import.meta.url));
const values = readFileSync(`${chart}values.yaml`, "utf8");
const schema = readFileSync(`${chart}values.schema.json`, "utf8");

/** Paths of all values that have no members. */
function leaves(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [path];
  const entries = Object.entries(value);
  if (entries.length === 0) return [path];
  return entries.flatMap(([name, inner]) => leaves(inner, path === "" ? name : `${path}.${name}`));
}

describe("the page of the chart's values", () => {
  const page = generateValuesPage(values, schema);

  it("names every value and says what it does", () => {
    const named = leaves(parse(values)).filter((path) => !path.startsWith("resources."));
    expect(named.length).toBeGreaterThan(10);
    for (const path of named) expect(page, path).toMatch(new RegExp(`\\| \`${path}\` \\| .* \\| \\S+ `));
  });
});
