import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeFields,
  decodeVectors,
  encodeRecord,
  projectionOf,
  recordToDocument,
  shortestFloat32,
} from "./document-record.js";

const VECTORS = new Set(["embedding", "größe"]);
// JSON.stringify writes -0 as 0.
const float32 = fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);

function project(record: Uint8Array, include?: string[]): unknown {
  return JSON.parse(new TextDecoder().decode(projectionOf(include)(record)));
}

test("a document comes back as it was, its vectors as float32", () => {
  const document = fc.record({
    title: fc.string({ unit: "grapheme" }),
    nested: fc.jsonValue(),
    embedding: fc.array(float32, { minLength: 1, maxLength: 20 }),
    größe: fc.array(float32, { minLength: 1, maxLength: 3 }),
  });
  fc.assert(
    fc.property(document, (original) => {
      const record = encodeRecord(original, VECTORS);
      const decoded = recordToDocument(record);
      expect(decoded["title"]).toBe(original.title);
      expect(JSON.stringify(decoded["nested"])).toBe(JSON.stringify(original.nested));
      expect((decoded["embedding"] as number[]).map(Math.fround)).toEqual(original.embedding);
      expect([...decodeVectors(record).get("größe")!]).toEqual(original.größe);
      expect(Object.keys(decodeFields(record))).toEqual(["title", "nested"]);
    }),
  );
});

test("a record that begins anywhere in a larger buffer is read the same", () => {
  const record = encodeRecord({ year: 1, embedding: [0.5, -1] }, VECTORS);
  const larger = new Uint8Array(record.length + 7);
  larger.set(record, 5);
  expect(recordToDocument(larger.subarray(5, 5 + record.length))).toEqual({ year: 1, embedding: [0.5, -1] });
});

test("answers carry what they are asked for", () => {
  const record = encodeRecord({ title: "a", year: 1, embedding: [0.1, 0.2] }, VECTORS);
  expect(project(record)).toEqual({ title: "a", year: 1 });
  expect(project(record, ["*"])).toEqual({ title: "a", year: 1, embedding: [0.1, 0.2] });
  expect(project(record, ["embedding", "year", "none"])).toEqual({ embedding: [0.1, 0.2], year: 1 });
  expect(project(record, [])).toEqual({});
  expect(project(record, ["toString"])).toEqual({});
});

test("picked fields are what parsing the document and picking them gives", () => {
  const names = fc.string({ unit: "grapheme", maxLength: 4 });
  fc.assert(
    fc.property(fc.dictionary(names, fc.jsonValue()), fc.array(names, { minLength: 1 }), (document, more) => {
      const include = [...more, ...Object.keys(document).slice(0, 2)].filter((name) => name !== "*");
      fc.pre(include.length > 0);
      const stored = JSON.parse(JSON.stringify(document)) as Record<string, unknown>;
      const picked = Object.entries(stored).filter(([name]) => include.includes(name));
      expect(project(encodeRecord(stored, VECTORS), include)).toEqual(Object.fromEntries(picked));
    }),
  );
});

test("a field named __proto__ is a field like others", () => {
  const document = JSON.parse('{"__proto__": {"year": 1}}') as Record<string, unknown>;
  const record = encodeRecord(document, VECTORS);
  expect(new TextDecoder().decode(projectionOf(["*"])(record))).toBe('{"__proto__":{"year":1}}');
  expect(new TextDecoder().decode(projectionOf(["__proto__"])(record))).toBe('{"__proto__":{"year":1}}');
});

test("a float32 prints with the fewest digits that read back to it", () => {
  expect(
    [0.1, 1e-7, 16_777_216, 0.333_333_34, -3.402_823_5e38].map((x) => shortestFloat32(Math.fround(x))),
  ).toEqual([0.1, 1e-7, 16_777_216, 0.333_333_34, -3.402_823_5e38]);
  fc.assert(
    fc.property(float32, (value) => {
      const printed = shortestFloat32(value);
      expect(Math.fround(printed)).toBe(value);
      const digits = (number: number): number => number.toExponential().replace(/e.*|[-.]/g, "").length;
      for (let fewer = 1; fewer < digits(printed); fewer += 1) {
        expect(Math.fround(Number(value.toPrecision(fewer)))).not.toBe(value);
      }
    }),
  );
});
