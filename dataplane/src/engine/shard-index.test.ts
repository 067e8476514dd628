import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Problem } from "@prism/api/problem-code";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { compareByteOrder } from "../domain/byte-order.js";
import type { Filter, ShardQuery, TextQuery, VectorQuery } from "../domain/shard-query.js";
import { Bitmap } from "./bitmap.js";
import type { ParsedDocument } from "./parsed-document.js";
import { LocalShardIndex } from "./shard-index.js";

const root = mkdtempSync(join(tmpdir(), "shard-index-"));
afterAll(() => rmSync(root, { recursive: true }));

const FIELDS = [
  { name: "body", type: "text", analyzer: "standard" },
  { name: "party", type: "keyword" },
  { name: "year", type: "integer" },
  { name: "place", type: "vector", dimensions: 2, metric: "l2", precision: "f32" },
] as const;
const LIMITS = { aggregationBuckets: 100 };

interface Content {
  readonly words: readonly string[];
  readonly party: string | undefined;
  readonly year: number | undefined;
  readonly place: readonly [number, number] | undefined;
}

function parse(id: string, { words, party, year, place }: Content): ParsedDocument {
  return {
    id,
    text: new Map(words.length === 0 ? [] : [["body", [words.join(" ")]]]),
    keyword: new Map(party === undefined ? [] : [["party", [party]]]),
    numeric: new Map(year === undefined ? [] : [["year", [year]]]),
    vector: new Map(place === undefined ? [] : [["place", Float32Array.from(place)]]),
  };
}

/** A shard's documents and its index, with the numbering that the store does. */
class Shard {
  index = new LocalShardIndex(FIELDS, LIMITS);
  readonly documents = new Map<string, { doc: number; content: Content; parsed: ParsedDocument }>();
  lastDoc = 0;

  put(id: string, content: Content): void {
    this.delete(id);
    this.lastDoc += 1;
    const parsed = parse(id, content);
    this.documents.set(id, { doc: this.lastDoc, content, parsed });
    this.index.add(this.lastDoc, parsed);
  }

  delete(id: string): void {
    const before = this.documents.get(id);
    if (before === undefined) return;
    this.documents.delete(id);
    this.index.remove(before.doc, before.parsed);
  }

  /** As after a restart: what was saved, then what the documents have beyond. */
  reopen(directory: string): boolean {
    this.index.close();
    this.index = new LocalShardIndex(FIELDS, LIMITS);
    const stamp = this.index.load(directory);
    const live = new Bitmap();
    for (const { doc } of this.documents.values()) live.add(doc);
    if (stamp !== undefined) this.index.retain(live);
    for (const { doc, parsed } of [...this.documents.values()].sort((a, b) => a.doc - b.doc)) {
      if (doc > (stamp?.lastDoc ?? 0)) this.index.add(doc, parsed);
    }
    return stamp !== undefined;
  }

  matching(filter: Filter | undefined): [string, Content][] {
    return [...this.documents]
      .filter(([id, { content }]) => filter === undefined || passes(id, content, filter))
      .map(([id, { content }]): [string, Content] => [id, content])
      .sort(([a], [b]) => compareByteOrder(a, b));
  }
}

/** The kinds of filter that these tests use. */
function passes(id: string, content: Content, filter: Filter): boolean {
  if ("equals" in filter) return (filter.field === "id" ? id : content.party) === filter.equals;
  if ("gte" in filter) return content.year !== undefined && content.year >= Number(filter.gte);
  if ("not" in filter) return !passes(id, content, filter.not);
  throw new Error("not used here");
}

function search(shard: Shard, query: Partial<ShardQuery>): ReturnType<LocalShardIndex["search"]> {
  return shard.index.search({ queries: [], aggregations: {}, size: 10, explain: false, ...query }, undefined);
}

const textQuery = (query: string): TextQuery => ({
  kind: "text",
  query,
  fields: { body: 1 },
  operator: "or",
});
const vectorQuery = (x: number, y: number): VectorQuery => ({
  kind: "vector",
  field: "place",
  values: Float32Array.of(x, y),
  candidates: 10,
});
const ALL_AGGREGATIONS = {
  parties: { kind: "terms", field: "party", size: 10 },
  years: { kind: "stats", field: "year" },
} as const;

/** What the search must say of totals, candidates and aggregations, and which ids it may list. */
function expectation(shard: Shard, filter: Filter | undefined, words: readonly string[], hasVector: boolean) {
  const accepted = shard.matching(filter);
  const ofText = accepted.filter(([, { words: has }]) => words.some((word) => has.includes(word)));
  const ofVector = accepted.filter(([, { place }]) => place !== undefined);
  const parts = [...(words.length > 0 ? [ofText] : []), ...(hasVector ? [ofVector] : [])];
  const matched =
    parts.length === 0 ? accepted : accepted.filter((entry) => parts.some((part) => part.includes(entry)));
  const counts = new Map<string, number>();
  for (const [, { party }] of matched)
    if (party !== undefined) counts.set(party, (counts.get(party) ?? 0) + 1);
  const years = matched.flatMap(([, { year }]) => (year === undefined ? [] : [year]));
  return {
    lists: (parts.length === 0 ? [accepted] : parts).map((part) => part.map(([id]) => id)),
    total: matched.length,
    aggregations: {
      parties: {
        kind: "terms",
        buckets: [...counts].sort((a, b) => b[1] - a[1] || compareByteOrder(a[0], b[0])),
        otherCount: 0,
        cutCount: 0,
      },
      years: {
        kind: "stats",
        count: years.length,
        sum: years.reduce((sum, year) => sum + year, 0),
        min: years.length === 0 ? null : Math.min(...years),
        max: years.length === 0 ? null : Math.max(...years),
      },
    },
  };
}

const ids = fc.constantFrom("a", "b", "c", "d", "e", "f", "é", "\uffff", "😀", "aa", "ab");
const content = fc.record({
  words: fc.array(fc.constantFrom("war", "taxes", "peace", "trade"), { maxLength: 4 }),
  party: fc.option(fc.constantFrom("Whig", "Union"), { nil: undefined }),
  year: fc.option(fc.integer({ min: 1800, max: 1805 }), { nil: undefined }),
  place: fc.option(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })), {
    nil: undefined,
  }),
});
const filter: fc.Arbitrary<Filter | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.constantFrom<Filter[]>({ field: "party", equals: "Whig" }, { field: "id", equals: "é" }),
  fc.integer({ min: 1799, max: 1806 }).map((gte) => ({ field: "year", gte })),
  fc.constant<Filter>({ not: { field: "party", equals: "Union" } }),
);
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("put" as const), id: ids, content }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), id: ids }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("save" as const, "reopen" as const, "work" as const) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("search" as const),
      filter,
      words: fc.uniqueArray(fc.constantFrom("war", "taxes", "unheard"), { maxLength: 2 }),
      hasVector: fc.boolean(),
    }),
  },
);

test("searches agree with a plain scan through updates, deletes, saves and restarts", () => {
  let runs = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (steps) => {
      runs += 1;
      const directory = join(root, `run-${runs}`);
      const shard = new Shard();
      const answers: { found: unknown; expected: unknown }[] = [];
      for (const action of steps) {
        switch (action.kind) {
          case "put":
            shard.put(action.id, action.content);
            break;
          case "delete":
            shard.delete(action.id);
            break;
          case "save":
            shard.index.save(directory, { historyId: "h", lastDoc: shard.lastDoc, seq: shard.lastDoc });
            break;
          case "reopen":
            shard.reopen(directory);
            break;
          case "work":
            while (shard.index.work());
            break;
          case "search": {
            const queries = [
              ...(action.words.length > 0 ? [textQuery(action.words.join(" "))] : []),
              ...(action.hasVector ? [vectorQuery(1, 2)] : []),
            ];
            const { lists, total, aggregations } = search(shard, {
              queries,
              ...(action.filter === undefined ? {} : { filter: action.filter }),
              aggregations: ALL_AGGREGATIONS,
              size: 20,
            });
            const inIdOrder = lists.map((list) => [...list.ids].sort(compareByteOrder));
            answers.push({
              found: { lists: inIdOrder, total, aggregations },
              expected: expectation(shard, action.filter, action.words, action.hasVector),
            });
            answers.push({ found: lists.map(isRanked), expected: lists.map(() => true) });
          }
        }
      }
      shard.index.close();
      expect(answers.map(({ found }) => found)).toEqual(answers.map(({ expected }) => expected));
    }),
    { numRuns: 50 },
  );
});

/** Best first, equal scores in byte order of ids. */
function isRanked({ ids: listed, scores }: { ids: readonly string[]; scores: Float64Array }): boolean {
  return listed.every(
    (id, i) =>
      i === 0 ||
      scores[i - 1]! > scores[i]! ||
      (scores[i - 1] === scores[i] && compareByteOrder(listed[i - 1]!, id) < 0),
  );
}

function shardOf(contents: Record<string, Partial<Content>>): Shard {
  const shard = new Shard();
  for (const [id, given] of Object.entries(contents)) {
    shard.put(id, { words: [], party: undefined, year: undefined, place: undefined, ...given });
  }
  return shard;
}

test("hits of equal score are cut by id in byte order, not by arrival", () => {
  const shard = shardOf({
    "😀": { words: ["war"] },
    "\uffff": { words: ["war"] },
    b: { words: ["war"] },
    a: {},
  });
  expect(search(shard, { queries: [textQuery("war")], size: 2 }).lists[0]!.ids).toEqual(["b", "\uffff"]);
  const near = shardOf({ z: { place: [1, 1] }, y: { place: [1, 1] }, x: { place: [9, 9] } });
  expect(search(near, { queries: [vectorQuery(1, 1)], size: 1 }).lists[0]!.ids).toEqual(["y"]);
});

test("one query without aggregations counts all matches, also when it lists none", () => {
  const shard = shardOf({
    a: { words: ["war"], place: [0, 0] },
    b: { words: ["war"] },
    c: { place: [0, 1] },
  });
  expect(search(shard, { queries: [textQuery("war")], size: 0 })).toEqual({
    lists: [{ ids: [], scores: new Float64Array(0) }],
    total: 2,
    aggregations: {},
    explain: [],
  });
  expect(search(shard, { queries: [vectorQuery(0, 0)], size: 1 }).total).toBe(2);
  expect(search(shard, { queries: [vectorQuery(0, 0), textQuery("war")], size: 1 }).total).toBe(3);
});

test("a search without queries lists by id with score 0, and explains how when asked", () => {
  const shard = shardOf({ c: { year: 3 }, a: { year: 1 }, b: { year: 2 }, d: { year: 0 } });
  const answer = search(shard, { filter: { field: "year", gte: 1 }, size: 2, explain: true });
  expect(answer.lists).toEqual([{ ids: ["a", "b"], scores: Float64Array.of(0, 0) }]);
  expect(answer.total).toBe(3);
  expect(answer.explain).toEqual([{ path: "filter", candidates: 3, scanned: 0 }]);
  expect(search(shard, { queries: [textQuery("war")], explain: true }).explain).toHaveLength(1);
});

test("fields may be added while the index lives", () => {
  const index = new LocalShardIndex([], LIMITS);
  index.add(1, parse("a", { words: ["war"], party: "Whig", year: 1800, place: [0, 0] }));
  index.setFields(FIELDS);
  index.add(2, parse("b", { words: ["war"], party: "Whig", year: 1800, place: [0, 0] }));
  const query = { queries: [textQuery("war"), vectorQuery(0, 0)], size: 5, explain: false };
  const answer = index.search({ ...query, aggregations: ALL_AGGREGATIONS }, undefined);
  expect(answer.lists.map((list) => list.ids)).toEqual([["b"], ["b"]]);
  expect(answer.aggregations["years"]).toMatchObject({ count: 1 });
  expect(index.documents).toBe(2);
});

test("a document whose vector does not fit is in no index", () => {
  const index = new LocalShardIndex(FIELDS, LIMITS);
  const misfit = { ...parse("a", { words: ["war"], party: "Whig", year: 1, place: undefined }) };
  const document = { ...misfit, vector: new Map([["place", Float32Array.of(1, 2, 3)]]) };
  expect(() => index.add(1, document)).toThrow(Problem);
  expect(index.documents).toBe(0);
  expect(index.find("a")).toBeUndefined();
  expect(index.statistics("body", "war").documents).toBe(0);
});

test("statistics given with a search decide its scores", () => {
  const shard = shardOf({ a: { words: ["war", "war", "taxes"] }, b: { words: ["taxes"] } });
  const own = shard.index.statistics("body", "war");
  expect(own).toMatchObject({ documents: 2, totalLength: 4 });
  const query = { queries: [textQuery("war")], aggregations: {}, size: 1, explain: false };
  const wider = { ...own, documents: 1000, totalLength: 2000 };
  const scoreOf = (statistics: ReadonlyMap<string, typeof own> | undefined) =>
    shard.index.search(query, statistics).lists[0]!.scores[0]!;
  expect(scoreOf(new Map([["body", own]]))).toBeCloseTo(scoreOf(undefined), 12);
  expect(scoreOf(new Map([["body", wider]]))).toBeGreaterThan(scoreOf(undefined));
});

function saved(name: string): { shard: Shard; directory: string } {
  const shard = shardOf({
    a: { words: ["war"], party: "Whig", year: 1, place: [0, 0] },
    b: { words: ["taxes"], party: "Union", year: 2, place: [1, 1] },
  });
  const directory = join(root, name);
  shard.index.save(directory, { historyId: "h", lastDoc: shard.lastDoc, seq: 2 });
  return { shard, directory };
}

function filesUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile());
}

test("a save replaces the files of the save before", () => {
  const { shard, directory } = saved("replaced");
  const before = filesUnder(directory).length;
  shard.index.save(directory, { historyId: "h", lastDoc: shard.lastDoc, seq: 3 });
  expect(readdirSync(directory).sort()).toEqual(["index-2", "index.manifest"]);
  expect(filesUnder(directory)).toHaveLength(before);
  expect(new LocalShardIndex(FIELDS, LIMITS).load(directory)).toEqual({ historyId: "h", lastDoc: 2, seq: 3 });
});

test("a save that fails leaves the save before in force and nothing of its own", () => {
  const { shard, directory } = saved("failed");
  const before = filesUnder(directory);
  const unwritable = { historyId: undefined as never, lastDoc: 2, seq: 3 };
  expect(() => shard.index.save(directory, unwritable)).toThrow(TypeError);
  expect(filesUnder(directory)).toEqual(before);
  expect(shard.reopen(directory)).toBe(true);
});

test("an index that lacks any file, or has one cut short, loads as nothing and is empty", () => {
  const { directory } = saved("whole");
  const names = filesUnder(directory).map((path) => path.slice(directory.length));
  expect(names.length).toBeGreaterThan(5);
  const outcomes = names.flatMap((name, i) =>
    [rmSync, (path: string) => truncateSync(path, statSync(path).size >> 1)].map((damage, j) => {
      const { shard, directory: damaged } = saved(`damaged-${i}-${j}`);
      damage(join(damaged, name));
      const isLoaded = shard.reopen(damaged);
      const { lists, total } = search(shard, { queries: [textQuery("war taxes"), vectorQuery(1, 1)] });
      return { name, isLoaded, total, found: lists.map((list) => [...list.ids].sort()) };
    }),
  );
  for (const { total, found } of outcomes)
    expect({ total, found }).toEqual({
      total: 2,
      found: [
        ["a", "b"],
        ["a", "b"],
      ],
    });
  expect(outcomes.filter(({ isLoaded }) => isLoaded)).toEqual([]);
});

test("documents that died since a save are found no more and take no memory", () => {
  const shard = new Shard();
  for (let i = 0; i < 9000; i += 1) {
    shard.put(`d${i}`, { words: ["war"], party: `party ${i}`, year: i, place: [i, 0] });
  }
  const directory = join(root, "died");
  shard.index.save(directory, { historyId: "h", lastDoc: shard.lastDoc, seq: 1 });
  const full = shard.index.memoryBytes;
  for (let i = 10; i < 9000; i += 1) shard.documents.delete(`d${i}`);
  expect(shard.reopen(directory)).toBe(true);
  expect(shard.index.documents).toBe(10);
  expect(search(shard, { queries: [textQuery("war")], size: 20 }).total).toBe(10);
  expect(search(shard, { queries: [vectorQuery(9000, 0)], size: 20 }).lists[0]!.ids).toHaveLength(10);
  expect(shard.index.memoryBytes).toBeLessThan(full / 2);
});

test("files of two saves are never mixed", () => {
  const { directory } = saved("mixed");
  const { shard: other, directory: from } = saved("mixed-from");
  other.index.save(from, { historyId: "h", lastDoc: 2, seq: 9 });
  const index = new LocalShardIndex(FIELDS, LIMITS);
  cpSync(join(from, "index-2", "columns.bin"), join(directory, "index-1", "columns.bin"));
  expect(index.load(directory)).toBeUndefined();
  expect(index.documents).toBe(0);
});
