import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Problem } from "@prism/api/problem-code";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { compareByteOrder } from "../../domain/byte-order.js";
import type { AggregationRequest, PartialAggregation } from "../../domain/aggregation.js";
import type { Filter, FilterValue } from "../../domain/shard-query.js";
import { Bitmap } from "../bitmap.js";
import type { ParsedDocument } from "../parsed-document.js";
import { ColumnIndex } from "./column-index.js";

const directory = mkdtempSync(join(tmpdir(), "columns-"));
afterAll(() => rmSync(directory, { recursive: true }));

const FIELDS = [
  { name: "word", type: "keyword" },
  { name: "rare", type: "keyword" },
  { name: "year", type: "integer" },
  { name: "price", type: "float" },
  { name: "sold", type: "boolean" },
  { name: "body", type: "text", analyzer: "standard" },
  { name: "place", type: "vector", dimensions: 1, metric: "l2", precision: "f32" },
] as const;
const STAMP = { historyId: "h", lastDoc: 7, seq: 2 ** 40 };
const BUCKETS_MAX = 6;
const WORDS = ["a", "b", "c", "é", "\uffff", "😀", "aa", "ab", "x1", "x2"];

/** All columns do, by the plainest means. */
class Model {
  readonly documents = new Map<number, ParsedDocument>();

  get live(): Bitmap {
    const live = new Bitmap();
    for (const doc of this.documents.keys()) live.add(doc);
    return live;
  }

  find(id: string): number | undefined {
    for (const [doc, document] of this.documents) if (document.id === id) return doc;
    return undefined;
  }

  passes(document: ParsedDocument, filter: Filter): boolean {
    if ("and" in filter) return filter.and.every((part) => this.passes(document, part));
    if ("or" in filter) return filter.or.some((part) => this.passes(document, part));
    if ("not" in filter) return !this.passes(document, filter.not);
    const values = valuesOf(document, filter.field);
    if ("exists" in filter) {
      const exists =
        values.length > 0 || document.text.has(filter.field) || document.vector.has(filter.field);
      return exists === filter.exists;
    }
    if ("equals" in filter) return values.includes(plain(filter.equals));
    if ("in" in filter) return values.some((value) => filter.in.map(plain).includes(value));
    const { gt, gte, lt, lte } = filter;
    return values.some(
      (value) =>
        (gt === undefined || compare(value, gt) > 0) &&
        (gte === undefined || compare(value, gte) >= 0) &&
        (lt === undefined || compare(value, lt) < 0) &&
        (lte === undefined || compare(value, lte) <= 0),
    );
  }

  filter(filter: Filter): number[] {
    return [...this.documents]
      .filter(([, document]) => this.passes(document, filter))
      .map(([doc]) => doc)
      .sort((a, b) => a - b);
  }

  aggregate(request: AggregationRequest, docs: Bitmap): PartialAggregation {
    const matching = [...this.documents].filter(([doc]) => docs.has(doc)).map(([, document]) => document);
    const lists = matching.map((document) => valuesOf(document, request.field));
    if (request.kind === "stats") {
      const all = lists.flat().map(Number);
      const [min, max] = all.length === 0 ? [null, null] : [Math.min(...all), Math.max(...all)];
      return { kind: "stats", count: all.length, sum: all.reduce((sum, value) => sum + value, 0), min, max };
    }
    const { interval, offset } =
      request.kind === "histogram" ? request : { interval: undefined, offset: undefined };
    const counts = new Map<FilterValue, number>();
    for (const list of lists) {
      const keys = list.map((value) =>
        interval !== undefined
          ? Math.floor((Number(value) - offset) / interval) * interval + offset
          : request.field === "sold"
            ? value === 1
            : value,
      );
      for (const key of new Set(keys)) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    if (request.kind === "histogram") {
      const buckets = [...counts].map(([key, count]): [number, number] => [Number(key), count]);
      return { kind: "histogram", buckets: buckets.sort((a, b) => a[0] - b[0]) };
    }
    const all = [...counts].sort((a, b) => b[1] - a[1] || compare(a[0], b[0]));
    const cut = all.slice(BUCKETS_MAX);
    return {
      kind: "terms",
      buckets: all.slice(0, BUCKETS_MAX),
      otherCount: cut.reduce((sum, [, count]) => sum + count, 0),
      cutCount: cut[0]?.[1] ?? 0,
    };
  }
}

function valuesOf(document: ParsedDocument, field: string): readonly (string | number)[] {
  if (field === "id") return [document.id];
  return document.keyword.get(field) ?? document.numeric.get(field) ?? [];
}

function plain(value: FilterValue): string | number {
  return typeof value === "boolean" ? Number(value) : value;
}

function compare(a: FilterValue, b: FilterValue): number {
  return typeof a === "string" && typeof b === "string" ? compareByteOrder(a, b) : Number(a) - Number(b);
}

function newColumns(model: Model): ColumnIndex {
  const columns = new ColumnIndex({ aggregationBuckets: BUCKETS_MAX, findId: (id) => model.find(id) });
  columns.setFields(FIELDS);
  return columns;
}

function membersOf(bitmap: Bitmap): number[] {
  const docs: number[] = [];
  bitmap.forEach((doc) => docs.push(doc));
  return docs;
}

const word = fc.constantFrom(...WORDS);
const year = fc.integer({ min: -3, max: 12 });
const price = fc.constantFrom(-0, 0, 0.1, 0.5, 1, 2.25, 1e300, -1e300);
const document = fc.record({
  keyword: fc.record(
    {
      word: fc.array(word, { minLength: 1, maxLength: 3 }),
      rare: fc.array(word, { minLength: 1, maxLength: 1 }),
    },
    { requiredKeys: [] },
  ),
  numeric: fc.record(
    {
      year: fc.array(year, { minLength: 1, maxLength: 4 }),
      price: fc.array(price, { minLength: 1, maxLength: 1 }),
      sold: fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 1, maxLength: 1 }),
    },
    { requiredKeys: [] },
  ),
  body: fc.boolean(),
  place: fc.boolean(),
});

function parsed(id: string, from: typeof document extends fc.Arbitrary<infer D> ? D : never): ParsedDocument {
  return {
    id,
    keyword: new Map(Object.entries(from.keyword)),
    numeric: new Map(Object.entries(from.numeric)),
    text: new Map(from.body ? [["body", ["some words"]]] : []),
    vector: new Map(from.place ? [["place", Float32Array.of(1)]] : []),
  };
}

const bounds = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<{ gt?: T; gte?: T; lt?: T; lte?: T }> =>
  fc.record({ gt: value, gte: value, lt: value, lte: value }, { requiredKeys: [] });
const leaf: fc.Arbitrary<Filter> = fc.oneof(
  fc.record({ field: fc.constantFrom("word", "rare"), equals: word }),
  fc.record({ field: fc.constantFrom("word", "rare"), in: fc.array(word, { maxLength: 4 }) }),
  fc.record({ field: fc.constantFrom("year", "price"), equals: fc.oneof(year, price) }),
  fc.record({
    field: fc.constantFrom("year", "price"),
    in: fc.array(fc.oneof(year, price), { maxLength: 4 }),
  }),
  fc.record({ field: fc.constant("sold"), equals: fc.boolean() }),
  fc.record({ field: fc.constantFrom(...FIELDS.map(({ name }) => name), "unknown"), exists: fc.boolean() }),
  fc.record({ field: fc.constant("id"), equals: fc.constantFrom("d1", "d4", "nobody") }),
  fc.record({ field: fc.constant("id"), in: fc.constantFrom<string[]>(["d1", "d2", "nobody"], []) }),
  bounds(word).map((range) => ({ field: "word", ...range })),
  bounds(fc.oneof(year, price)).chain((range) =>
    fc.constantFrom("year", "price", "unknown").map((field) => ({ field, ...range })),
  ),
);
const filters = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.record({ and: fc.array(tie("filter"), { maxLength: 3 }) }),
    fc.record({ or: fc.array(tie("filter"), { maxLength: 3 }) }),
    fc.record({ not: tie("filter") }),
  ),
})).filter;
const requests: fc.Arbitrary<AggregationRequest> = fc.oneof(
  fc.record({
    kind: fc.constant("terms" as const),
    field: fc.constantFrom("word", "rare", "year", "sold", "unknown"),
    size: fc.constant(3),
  }),
  fc.record({
    kind: fc.constant("histogram" as const),
    field: fc.constantFrom("year", "unknown"),
    interval: fc.constantFrom(4, 7),
    offset: fc.constantFrom(0, 1, -2),
  }),
  fc.record({ kind: fc.constant("stats" as const), field: fc.constantFrom("year", "sold", "unknown") }),
);

/** Numbers leap as they do after many updates, so that chunks are packed, emptied and skipped. */
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ leap: fc.constantFrom(1, 1, 1, 31, 5000), add: document }) },
  { weight: 3, arbitrary: fc.record({ remove: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant({ reopen: true }) },
  { weight: 4, arbitrary: fc.record({ filter: filters }) },
  { weight: 3, arbitrary: fc.record({ request: requests, filter: filters }) },
);

test("filters and aggregations agree with a plain scan through additions, removals and reloads", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
      const model = new Model();
      let columns = newColumns(model);
      let doc = 0;
      const answers: { found: unknown; expected: unknown }[] = [];
      for (const [i, action] of steps.entries()) {
        if ("add" in action) {
          doc += action.leap;
          const added = parsed(`d${i}`, action.add);
          model.documents.set(doc, added);
          columns.add(doc, added);
        } else if ("remove" in action) {
          const docs = [...model.documents.keys()];
          const removed = docs[action.remove % Math.max(docs.length, 1)];
          if (removed === undefined) continue;
          model.documents.delete(removed);
          columns.remove(removed);
        } else if ("reopen" in action) {
          columns.save(directory, STAMP);
          columns = newColumns(model);
          answers.push({ found: columns.load(directory), expected: STAMP });
        } else if ("request" in action) {
          const matches = columns.filter(action.filter, model.live);
          const expected = model.aggregate(action.request, matches);
          answers.push({ found: columns.aggregate(action.request, matches), expected });
        } else {
          const found = membersOf(columns.filter(action.filter, model.live));
          answers.push({ found, expected: model.filter(action.filter) });
        }
      }
      expect(answers.map(({ found }) => found)).toEqual(answers.map(({ expected }) => expected));
    }),
    { numRuns: 100 },
  );
});

test("a filter's answer belongs to the caller and may be changed", () => {
  const model = new Model();
  const columns = newColumns(model);
  const added = parsed("a", { keyword: { word: ["a"] }, numeric: {}, body: false, place: false });
  model.documents.set(3, added);
  columns.add(3, added);
  const filter = { field: "word", equals: "a" };
  columns.filter(filter, model.live).remove(3);
  expect(membersOf(columns.filter(filter, model.live))).toEqual([3]);
});

test("documents that come and go in many chunks leave little memory behind", () => {
  const columns = newColumns(new Model());
  const added = parsed("a", {
    keyword: { word: ["a", "b"] },
    numeric: { year: [1, 2] },
    body: true,
    place: false,
  });
  const documents = 40_000;
  for (let doc = 0; doc < documents; doc += 1) columns.add(doc, added);
  const full = columns.memoryBytes;
  for (let doc = 0; doc < documents; doc += 1) if (doc % 100 !== 0) columns.remove(doc);
  expect(columns.memoryBytes).toBeLessThan(full / 4);
  const sold = new Bitmap(documents);
  for (let doc = 0; doc < documents; doc += 100) sold.add(doc);
  expect(columns.filter({ field: "year", gt: 1 }, sold).count()).toBe(documents / 100);
});

test("a histogram of too many buckets is refused by the limit's name", () => {
  const columns = newColumns(new Model());
  const matches = new Bitmap();
  for (let doc = 0; doc <= BUCKETS_MAX; doc += 1) {
    columns.add(doc, parsed(`d${doc}`, { keyword: {}, numeric: { year: [doc] }, body: false, place: false }));
    matches.add(doc);
  }
  const histogram = { kind: "histogram", field: "year", interval: 1, offset: 0 } as const;
  expect(() => columns.aggregate(histogram, matches)).toThrow(Problem);
  expect(() => columns.aggregate(histogram, matches)).toThrow(/limits\.aggregationBuckets/);
  expect(() => columns.aggregate({ ...histogram, interval: 5e-324 }, matches)).toThrow(/limitExceeded/);
  matches.remove(0);
  expect(columns.aggregate(histogram, matches)).toMatchObject({ kind: "histogram" });
});

test("a damaged or missing file loads as nothing and leaves the columns empty", () => {
  const model = new Model();
  const columns = newColumns(model);
  columns.add(5, parsed("a", { keyword: { word: ["a"] }, numeric: { year: [1] }, body: true, place: true }));
  const damaged = mkdtempSync(join(directory, "damaged-"));
  columns.save(damaged, STAMP);
  const path = join(damaged, "columns.bin");
  const bytes = readFileSync(path);
  for (let i = 0; i < bytes.length; i += 997) {
    const changed = Buffer.from(bytes);
    changed[i]! ^= 0x10;
    writeFileSync(path, changed);
    expect(columns.load(damaged)).toBeUndefined();
  }
  writeFileSync(path, bytes.subarray(0, bytes.length - 9));
  expect(columns.load(damaged)).toBeUndefined();
  rmSync(path);
  expect(columns.load(damaged)).toBeUndefined();
  expect(columns.filter({ field: "word", exists: true }, Bitmap.full(10)).count()).toBe(0);
});

test("fields that are added later start empty, and a file of fields that are not known is refused", () => {
  const model = new Model();
  const before = new ColumnIndex({ aggregationBuckets: BUCKETS_MAX, findId: () => undefined });
  before.setFields([FIELDS[0]]);
  before.add(
    1,
    parsed("a", { keyword: { word: ["a"], rare: ["b"] }, numeric: {}, body: false, place: false }),
  );
  before.save(directory, STAMP);
  const after = newColumns(model);
  expect(after.load(directory)).toEqual(STAMP);
  expect(membersOf(after.filter({ field: "word", equals: "a" }, Bitmap.full(3)))).toEqual([1]);
  expect(membersOf(after.filter({ field: "rare", exists: true }, Bitmap.full(3)))).toEqual([]);
  const other = new ColumnIndex({ aggregationBuckets: BUCKETS_MAX, findId: () => undefined });
  other.setFields([{ name: "word", type: "integer" }]);
  expect(other.load(directory)).toBeUndefined();
});
