import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkDocument } from "./check-document.js";
import type { ParsedFields } from "./check-document.js";
import { parseCollectionSpec } from "./collection.js";
import { DEFAULT_LIMITS } from "./limits.js";

const CLUSTER = { replication: { factor: 3, minReplicasForWrite: 2 } };
const FIELDS = [
  { name: "title", type: "text" },
  { name: "party", type: "keyword" },
  { name: "year", type: "integer" },
  { name: "words", type: "long" },
  { name: "rating", type: "float" },
  { name: "spoken", type: "boolean" },
  { name: "givenAt", type: "date" },
  { name: "embedding", type: "vector", dimensions: 3 },
];
const SPEC = parseCollectionSpec({ name: "speeches", fields: FIELDS }, CLUSTER);
const STRICT = { ...SPEC, unknownFields: "Reject" } as const;
const KEYED = { ...SPEC, shardKey: "party" };

function parsed(json: unknown, spec = SPEC): Record<string, unknown> {
  const checked = checkDocument(json, spec, DEFAULT_LIMITS);
  if (!checked.ok) throw new Error(JSON.stringify(checked.violations));
  const { text, keyword, numeric, vector } = checked.fields;
  return { ...Object.fromEntries([...text, ...keyword, ...numeric]), ...Object.fromEntries(vector) };
}

function codes(json: unknown, spec: typeof SPEC = SPEC, id?: string): string[] {
  const checked = checkDocument(json, spec, DEFAULT_LIMITS, id);
  return checked.ok ? [] : checked.violations.map(({ pointer, code }) => `${pointer} ${code}`);
}

describe("a document's values", () => {
  it("become lists, whatever their type", () => {
    const document = {
      title: "War",
      party: ["Whig", "Republican"],
      year: 1901,
      words: [1, 2],
      rating: 0.5,
      spoken: true,
      givenAt: ["1970-01-02", 5],
      embedding: [1, 2, 3],
    };
    expect(parsed(document)).toEqual({
      title: ["War"],
      party: ["Whig", "Republican"],
      year: [1901],
      words: [1, 2],
      rating: [0.5],
      spoken: [1],
      givenAt: [86_400_000, 5],
      embedding: Float32Array.of(1, 2, 3),
    });
  });

  it("are none when null, missing or an empty list, and nulls in lists are passed over", () => {
    expect(parsed({ title: null, party: [], year: [null], embedding: [], rating: [null, 1] })).toEqual({
      rating: [1],
    });
  });

  it("of fields that the collection does not define are kept aside or refused, as it says", () => {
    expect(parsed({ colour: { deep: ["red"] } })).toEqual({});
    expect(codes({ titel: "x" }, STRICT)).toEqual(["/titel unknownField"]);
    const checked = checkDocument({ titel: "x" }, STRICT, DEFAULT_LIMITS);
    expect(JSON.stringify(checked)).toContain("did you mean");
  });

  it.each([
    [{ title: 3 }, "/title wrongFieldType"],
    [{ title: ["a", 3] }, "/title wrongFieldType"],
    [{ title: [["a"]] }, "/title wrongFieldType"],
    [{ title: { en: "a" } }, "/title wrongFieldType"],
    [{ party: true }, "/party wrongFieldType"],
    [{ year: "1901" }, "/year wrongFieldType"],
    [{ year: 1901.5 }, "/year wrongFieldType"],
    [{ year: 2147483648 }, "/year wrongFieldType"],
    [{ words: 2 ** 53 }, "/words wrongFieldType"],
    [{ rating: Number("1e999") }, "/rating notFinite"],
    [{ rating: Number.NaN }, "/rating notFinite"],
    [{ spoken: 1 }, "/spoken wrongFieldType"],
    [{ givenAt: "soon" }, "/givenAt wrongFieldType"],
    [{ givenAt: 9e15 }, "/givenAt wrongFieldType"],
    [{ embedding: 3 }, "/embedding wrongFieldType"],
    [{ embedding: [1, 2] }, "/embedding wrongDimensions"],
    [{ embedding: [1, 2, "3"] }, "/embedding/2 wrongFieldType"],
    [{ embedding: [1, 2, null] }, "/embedding/2 wrongFieldType"],
    [{ embedding: [1, 2, 1e39] }, "/embedding/2 notFinite"],
    [{ embedding: [0, 0, 0] }, "/embedding zeroVector"],
    [{ year: Array.from({ length: 1025 }, () => 1) }, "/year limitExceeded"],
  ])("are refused: %j is %s", (json, expected) => {
    expect(codes(json)).toEqual([expected]);
  });

  it.each([[null], [[]], ["text"], [3], [undefined]])("come in an object, not in %j", (json) => {
    expect(codes(json)).toEqual([" invalidRequest"]);
  });

  it("tell all that is wrong with them at once", () => {
    expect(codes({ title: 1, year: "x", embedding: [1] })).toEqual([
      "/title wrongFieldType",
      "/year wrongFieldType",
      "/embedding wrongDimensions",
    ]);
  });

  it("tell at most a page", () => {
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`f${i}`, 1]));
    expect(codes(many, STRICT as typeof SPEC)).toHaveLength(100);
  });
});

describe("a document's id", () => {
  it("may stand in the document when it is the same", () => {
    expect(codes({ id: "a" }, SPEC, "a")).toEqual([]);
    expect(codes({ id: "b" }, SPEC, "a")).toEqual(["/id invalidRequest"]);
    expect(codes({ id: 1 }, SPEC)).toEqual(["/id invalidRequest"]);
  });
});

describe("a document's shard key", () => {
  it("must have exactly one value", () => {
    expect(codes({ party: "Whig" }, KEYED)).toEqual([]);
    expect(codes({ party: ["Whig"] }, KEYED)).toEqual([]);
    expect(codes({}, KEYED)).toEqual(["/party shardKeyMissing"]);
    expect(codes({ party: null }, KEYED)).toEqual(["/party shardKeyMissing"]);
    expect(codes({ party: ["a", "b"] }, KEYED)).toEqual(["/party invalidRequest"]);
    expect(codes({ party: 3 }, KEYED)).toEqual(["/party wrongFieldType"]);
  });
});

describe("any JSON as a document", () => {
  it("is either parsed into the indexes' types or refused, never thrown at", () => {
    const value = fc.jsonValue({ maxDepth: 3 });
    const names = fc.constantFrom(...FIELDS.map((field) => field.name), "id", "other");
    fc.assert(
      fc.property(fc.dictionary(names, value), (json) => {
        const checked = checkDocument(json, SPEC, DEFAULT_LIMITS);
        const misfits = checked.ok ? findMisfits(checked.fields) : [];
        expect(misfits).toEqual([]);
        expect(checked.ok || checked.violations.length > 0).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

/** Values that the indexes could not take. */
function findMisfits({ text, keyword, numeric, vector }: ParsedFields): unknown[] {
  const lists = [...text.values(), ...keyword.values(), ...numeric.values()];
  return [
    ...lists.filter((values) => values.length === 0),
    ...[...text.values(), ...keyword.values()].flat().filter((value) => typeof value !== "string"),
    ...[...numeric.values()].flat().filter((value) => !Number.isFinite(value)),
    ...[...vector.values()].filter((values) => values.length !== 3 || !values.every(Number.isFinite)),
  ];
}
