import { API_KINDS, type ApiKind } from "@prism/api/api-object";
import { buildObjectSchema } from "@prism/api/crd/crd";
import { describe, expect, it } from "vitest";
import { documentedFields, generateFieldsPage } from "./generate-fields.js";

const KINDS: ApiKind[] = ["PrismCluster", "PrismCollection"];

describe("docs/fields.md", () => {
  it.each(KINDS)("says of every field of a %s what it does", (kind) => {
    const { spec, status } = buildObjectSchema(kind).properties ?? {};
    const fields = [...documentedFields(spec!, "spec"), ...documentedFields(status!, "status")];
    expect(fields.length).toBeGreaterThan(15);
    expect(fields.filter((field) => field.description === "").map((field) => field.path)).toEqual([]);
  });

  it("has a section for each kind that people write, and none for the operator's records", () => {
    const headings = generateFieldsPage().match(/^## .+$/gm);
    expect(headings).toEqual(KINDS.map((kind) => `## ${kind}`));
    expect(Object.keys(API_KINDS)).toEqual(expect.arrayContaining(KINDS));
  });
});
