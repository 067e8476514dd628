import { describe, expect, it } from "vitest";
import {
  compareCollectionSpecs,
  growFields,
  parseCollection,
  parseCollectionPatch,
  parseCollectionSpec,
} from "./collection.js";
import { DEFAULT_LIMITS, parseLimits } from "./limits.js";
import { Problem } from "./problem-code.js";
import type { Violation } from "./problem-code.js";

const CLUSTER = { replication: { factor: 3, minReplicasForWrite: 2 } };

const SPEECHES = parseCollectionSpec(
  {
    shardKey: "party",
    fields: [
      { name: "title", type: "text", analyzer: "english" },
      { name: "party", type: "keyword" },
      { name: "embedding", type: "vector", dimensions: 4 },
    ],
  },
  CLUSTER,
  { name: "speeches" },
);

function refused(run: () => unknown): readonly Violation[] {
  try {
    run();
  } catch (error) {
    if (error instanceof Problem) return error.violations;
    throw error;
  }
  return [];
}

describe("a collection", () => {
  it("takes its replication from the cluster", () => {
    expect(parseCollectionSpec({ name: "a" }, CLUSTER).replication).toEqual(CLUSTER.replication);
  });

  it("lowers the write floor with its own factor", () => {
    const spec = parseCollectionSpec({ name: "a", replication: { factor: 1 } }, CLUSTER);
    expect(spec.replication).toEqual({ factor: 1, minReplicasForWrite: 1 });
  });

  it("takes its own parsed form again", () => {
    expect(parseCollectionSpec(SPEECHES, CLUSTER)).toEqual(SPEECHES);
  });

  it("has metric cosine and precision f32 in vectors that say nothing", () => {
    expect(SPEECHES.fields[2]).toEqual({
      name: "embedding",
      type: "vector",
      dimensions: 4,
      metric: "cosine",
      precision: "f32",
    });
  });

  it("is protected from deletion when it comes as an object, not when it comes over HTTP", () => {
    const object = parseCollection({
      apiVersion: "prism.dev/v1alpha1",
      kind: "PrismCollection",
      metadata: { name: "speeches" },
      spec: { clusterRef: { name: "demo" }, name: "a", replication: CLUSTER.replication },
    });
    expect(object.spec.deletionProtection).toBe(true);
    expect(SPEECHES.deletionProtection).toBe(false);
  });

  it.each([
    [{ fields: [{ name: "id", type: "keyword" }] }, "/fields/0/name"],
    [{ fields: [{ name: "__proto__", type: "keyword" }] }, "/fields/0/name"],
    [{ fields: [{ name: "1a", type: "keyword" }] }, "/fields/0/name"],
    [{ fields: [{ name: "a".repeat(129), type: "keyword" }] }, "/fields/0/name"],
    [{ fields: [{ name: "a", type: "text", analyser: "english" }] }, "/fields/0/analyser"],
    [{ fields: [{ name: "a", type: "keyword", analyzer: "english" }] }, "/fields/0/analyzer"],
    [{ fields: [{ name: "a", type: "vector" }] }, "/fields/0/dimensions"],
    [{ fields: [{ name: "a", type: "vector", dimensions: 4097 }] }, "/fields/0/dimensions"],
    [{ fields: [{ name: "a", type: "vector", dimensions: 0 }] }, "/fields/0/dimensions"],
    [{ fields: [{ name: "a", type: "vector", dimensions: 2, precision: "i8" }] }, "/fields/0/precision"],
    [{ fields: [{ name: "a", type: "string" }] }, "/fields/0/type"],
    [{ fields: [{ name: "a" }] }, "/fields/0/type"],
    [{ fields: [null] }, "/fields/0"],
    [{ fields: { a: { type: "text" } } }, "/fields"],
    [
      {
        fields: [
          { name: "a", type: "text" },
          { name: "a", type: "keyword" },
        ],
      },
      "/fields/1/name",
    ],
    [{ shardKey: "a" }, "/shardKey"],
    [{ shardKey: "a", fields: [{ name: "a", type: "text" }] }, "/shardKey"],
    [{ shards: 0 }, "/shards"],
    [{ shards: 257 }, "/shards"],
    [{ replication: { factor: 1, minReplicasForWrite: 2 } }, "/replication/minReplicasForWrite"],
    [{ clusterRef: { name: "demo" } }, "/clusterRef"],
    [{ name: "b" }, "/name"],
  ])("refuses %j at %s", (body, pointer) => {
    const violations = refused(() => parseCollectionSpec(body, CLUSTER, { name: "a" }));
    expect(violations.map((violation) => violation.pointer)).toEqual([pointer]);
  });

  it.each(["", ".a", "-a", "a/b", "a b", "a".repeat(64)])("refuses the name %j", (name) => {
    expect(refused(() => parseCollectionSpec({}, CLUSTER, { name }))).toHaveLength(1);
  });

  it("needs a name from somewhere", () => {
    expect(refused(() => parseCollectionSpec({}, CLUSTER))).toEqual([
      { pointer: "/name", code: "invalidRequest", detail: "is missing" },
    ]);
  });

  it("is held to the node's limits, by their name", () => {
    const limits = parseLimits({ fields: 1, dimensions: 3, shardsPerCollection: 2 });
    const fields = [{ name: "v", type: "vector", dimensions: 4 }];
    const violations = refused(() => parseCollectionSpec({ fields }, CLUSTER, { name: "a", limits }));
    expect(violations.map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([
      "/shards limitExceeded",
      "/fields/0/dimensions limitExceeded",
    ]);
    expect(violations[1]?.detail).toContain("limits.dimensions");
    const many = [...fields, { name: "b", type: "text" }];
    expect(
      refused(() => parseCollectionSpec({ fields: many }, CLUSTER, { name: "a", limits }))[1]?.pointer,
    ).toBe("/fields");
  });
});

describe("compareCollectionSpecs", () => {
  it("finds nothing between equals, whatever the order of the fields", () => {
    const reversed = { ...SPEECHES, fields: [...SPEECHES.fields].reverse() };
    expect(compareCollectionSpecs(SPEECHES, reversed)).toEqual([]);
  });

  it("names every path that differs, fields by their names", () => {
    const { shardKey: _, ...unkeyed } = SPEECHES;
    const other = {
      ...unkeyed,
      shards: 4,
      replication: { factor: 3, minReplicasForWrite: 1 },
      fields: [
        { name: "title", type: "text", analyzer: "standard" },
        { name: "embedding", type: "keyword" },
      ],
    } as const;
    expect(compareCollectionSpecs(SPEECHES, other).sort()).toEqual([
      "/fields/embedding/dimensions",
      "/fields/embedding/metric",
      "/fields/embedding/precision",
      "/fields/embedding/type",
      "/fields/party/type",
      "/fields/title/analyzer",
      "/replication/minReplicasForWrite",
      "/shardKey",
      "/shards",
    ]);
  });
});

describe("growFields", () => {
  it("adds fields behind those that are there", () => {
    const patch = parseCollectionPatch({ fields: [{ name: "year", type: "integer" }] });
    const { spec, violations } = growFields(SPEECHES, patch);
    expect(violations).toEqual([]);
    expect(spec.fields.map((field) => field.name)).toEqual(["title", "party", "embedding", "year"]);
  });

  it("takes the same patch twice", () => {
    const patch = parseCollectionPatch({ fields: [{ name: "year", type: "integer" }] });
    const { spec } = growFields(SPEECHES, patch);
    expect(growFields(spec, patch)).toEqual({ spec, violations: [] });
  });

  it("changes the protection from deletion", () => {
    const { spec } = growFields(SPEECHES, parseCollectionPatch({ deletionProtection: true }));
    expect(spec.deletionProtection).toBe(true);
    expect(growFields(spec, parseCollectionPatch({})).spec.deletionProtection).toBe(true);
  });

  it.each([
    [{ name: "title", type: "text", analyzer: "standard" }, "/fields/0/analyzer"],
    [{ name: "title", type: "keyword" }, "/fields/0/type"],
    [{ name: "embedding", type: "vector", dimensions: 5 }, "/fields/0/dimensions"],
    [{ name: "embedding", type: "vector", dimensions: 4, metric: "l2" }, "/fields/0/metric"],
  ])("refuses to change a field into %j", (field, pointer) => {
    const { violations } = growFields(SPEECHES, parseCollectionPatch({ fields: [field] }));
    expect(violations.map(({ pointer: at, code }) => `${at} ${code}`)).toEqual([
      `${pointer} collectionDiffers`,
    ]);
  });

  it("refuses a patch that defines a field twice, and one above the limit", () => {
    const year = { name: "year", type: "integer" };
    const patch = parseCollectionPatch({ fields: [year, year] });
    expect(growFields(SPEECHES, patch).violations).toHaveLength(1);
    const full = { ...DEFAULT_LIMITS, fields: 4 };
    expect(growFields(SPEECHES, patch, full).violations[0]?.code).toBe("limitExceeded");
  });

  it("takes nothing but fields and deletionProtection", () => {
    expect(refused(() => parseCollectionPatch({ shards: 4 })).map((v) => v.pointer)).toEqual(["/shards"]);
  });
});
