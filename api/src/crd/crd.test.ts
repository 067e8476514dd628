import * as z from "zod";
import { describe, expect, it } from "vitest";
import { API_KINDS, type ApiKind } from "../api-object.js";
import { clusterObjectSpecSchema } from "../cluster.js";
import { buildCrd, buildObjectSchema } from "./crd.js";
import { toStructuralSchema, type StructuralSchema } from "./structural-schema.js";

const KINDS = Object.keys(API_KINDS) as ApiKind[];

/** The schema and everything in it, by path. */
function everySchema(schema: StructuralSchema, path = ""): [string, StructuralSchema][] {
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, one]) =>
    everySchema(one, `${path}.${name}`),
  );
  const items = schema.items ? everySchema(schema.items, `${path}[]`) : [];
  const values = schema.additionalProperties ? everySchema(schema.additionalProperties, `${path}{}`) : [];
  return [[path, schema], ...inner, ...items, ...values];
}

/** Names of fields below which a rule iterates with all(), exists() or map(). */
function iterated(schema: StructuralSchema): string[] {
  const rules = (schema["x-kubernetes-validations"] ?? []).map(({ rule }) => rule).join(" ");
  const names = [...rules.matchAll(/self\.(\w+)\.(?:all|exists|map)\(/gi)].map((match) => match[1] ?? "");
  return /self\.(?:all|exists|map)\(/i.test(rules) ? [...names, ""] : names;
}

describe.each(KINDS)("the definition of %s", (kind) => {
  const schemas = everySchema(buildObjectSchema(kind));

  it("is structural: every value has one type, and nothing that the server refuses", () => {
    const refused = [
      "$ref",
      "oneOf",
      "allOf",
      "not",
      "const",
      "nullable",
      "propertyNames",
      "patternProperties",
    ];
    for (const [path, schema] of schemas) {
      expect(
        Object.keys(schema).filter((key) => refused.includes(key)),
        path,
      ).toEqual([]);
      const typed = schema.type !== undefined || schema["x-kubernetes-int-or-string"] === true;
      expect(typed, path).toBe(true);
    }
  });

  it("writes defaults of objects out in full, for rules are checked on them as they are written", () => {
    for (const [path, schema] of schemas) {
      const { default: value, properties } = schema;
      if (value === undefined || properties === undefined) continue;
      const inner = Object.entries(properties).filter(([, property]) => property.default !== undefined);
      for (const [name] of inner) expect(value, path).toHaveProperty(name);
    }
  });

  it("bounds what rules iterate over, so that their cost can be estimated", () => {
    for (const [path, schema] of schemas) {
      for (const name of iterated(schema)) {
        const field = name === "" ? schema : schema.properties?.[name];
        expect(field?.maxItems ?? field?.maxProperties, `${path}.${name}`).toBeDefined();
      }
    }
  });

  it("has rules whose messages end in no dot and say more than a word", () => {
    for (const [path, schema] of schemas) {
      for (const { message } of schema["x-kubernetes-validations"] ?? []) {
        expect(message, path).toMatch(/ /);
        expect(message, path).not.toMatch(/\.$/);
      }
    }
  });
});

describe("the definitions", () => {
  it("let a PrismCluster be scaled by its nodes, and give records of shards and nodes no status apart", () => {
    const subresources = KINDS.map((kind) => {
      const [version] = buildCrd(kind).spec["versions"] as [{ subresources?: Record<string, unknown> }];
      return [kind, Object.keys(version.subresources ?? {})];
    });
    expect(Object.fromEntries(subresources)).toEqual({
      PrismCluster: ["status", "scale"],
      PrismCollection: ["status"],
      PrismShard: [],
      PrismNode: [],
    });
  });

  it("never default the version: that would turn a new definition into an upgrade of every cluster", () => {
    const spec = buildObjectSchema("PrismCluster").properties?.["spec"];
    expect(spec?.required).toEqual(["version"]);
    expect(spec?.properties?.["version"]).not.toHaveProperty("default");
  });

  it("default what the schemas default", () => {
    const spec = buildObjectSchema("PrismCluster").properties?.["spec"];
    const defaults = Object.fromEntries(
      Object.entries(spec?.properties ?? {})
        .filter(([, property]) => property.default !== undefined)
        .map(([name, property]) => [name, property.default]),
    );
    const parsed = clusterObjectSpecSchema.parse({ version: "0.1.0" });
    const { version: _, nodes: __, ...rest } = parsed;
    const { rebuildDelaySeconds: ___, ...health } = rest.health;
    expect(defaults).toEqual({ ...rest, replication: {}, health });
  });
});

describe("a structural schema", () => {
  it("knows no lookaround, as Go does not", () => {
    expect(() => toStructuralSchema(z.string().regex(/^(?!x)/))).toThrow("Go has no lookaround");
  });

  it("makes one object of alternatives told apart by a word, without the defaults of one of them", () => {
    const shape = z.discriminatedUnion("type", [
      z.strictObject({ type: z.literal("a"), size: z.int().max(10).default(3) }),
      z.strictObject({ type: z.literal("b"), name: z.string() }),
    ]);
    expect(toStructuralSchema(shape)).toEqual({
      type: "object",
      properties: {
        type: { type: "string", enum: ["a", "b"] },
        size: { type: "integer", format: "int32", maximum: 10 },
        name: { type: "string" },
      },
      required: ["type"],
    });
  });

  it("refuses what has no single type", () => {
    expect(() => toStructuralSchema(z.union([z.boolean(), z.string()]))).toThrow("no structural schema");
    expect(() => toStructuralSchema(z.union([z.literal("x"), z.string().regex(/^y/)]))).toThrow(
      "union of strings",
    );
  });

  it("keeps what it does not know of loose objects", () => {
    expect(toStructuralSchema(z.looseObject({}))).toEqual({
      type: "object",
      "x-kubernetes-preserve-unknown-fields": true,
    });
  });
});
