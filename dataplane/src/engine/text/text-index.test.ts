import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { TextQuery, TextStatistics } from "../../domain/shard-query.js";
import { Bitmap } from "../bitmap.js";
import type { QueryAnswer, SearchContext } from "../engine-port.js";
import type { ParsedDocument } from "../parsed-document.js";
import { referenceSearch } from "./reference-search.js";
import { BUILDER_DOCUMENTS_MAX } from "./segment-builder.js";
import type { TextField } from "./text-field-terms.js";
import { TextIndex } from "./text-index.js";

const FIELDS: readonly TextField[] = [
  { name: "title", analyzer: "standard" },
  { name: "body", analyzer: "standard" },
];
const STAMP = { historyId: "h1", lastDoc: 1000, seq: 2 ** 40 };

function makeDocument(text: Readonly<Record<string, string | readonly string[]>>): ParsedDocument {
  const entries = Object.entries(text).map(([name, value]) => [name, [value].flat()] as const);
  return { id: "x", text: new Map(entries), keyword: new Map(), numeric: new Map(), vector: new Map() };
}

function orQuery(query: string, fields: Readonly<Record<string, number>> = { body: 1 }): TextQuery {
  return { kind: "text", query, fields, operator: "or" };
}

function context(options: Partial<SearchContext> = {}): SearchContext {
  return { accept: undefined, live: new Bitmap(), acceptCount: 0, size: 10, wantMatches: false, ...options };
}

function bitmapOf(docs: Iterable<number>): Bitmap {
  const bitmap = new Bitmap();
  for (const doc of docs) bitmap.add(doc);
  return bitmap;
}

function membersOf(bitmap: Bitmap | undefined): number[] {
  const members: number[] = [];
  bitmap?.forEach((doc) => members.push(doc));
  return members;
}

function workToTheEnd(index: TextIndex): void {
  for (let i = 0; i < 10_000; i += 1) if (!index.work()) return;
  throw new Error("work does not end");
}

/** The index and, beside it, the documents it should hold. */
class Pair {
  readonly index: TextIndex;
  readonly documents = new Map<number, ParsedDocument>();
  readonly #fields: readonly TextField[];

  constructor(fields: readonly TextField[] = FIELDS) {
    this.#fields = fields;
    this.index = new TextIndex(fields);
  }

  add(doc: number, document: ParsedDocument): void {
    this.index.add(doc, document);
    this.documents.set(doc, document);
  }

  remove(doc: number): void {
    this.index.remove(doc, this.documents.get(doc)!);
    this.documents.delete(doc);
  }

  check(query: TextQuery): void {
    expectReference(
      this.index.search(query, undefined, context({ size: 1000, wantMatches: true })),
      referenceSearch(this.documents, this.#fields, query),
    );
  }
}

function expectReference(answer: QueryAnswer, expected: ReadonlyMap<number, number>): void {
  expect(answer.total).toBe(expected.size);
  expect(membersOf(answer.matches)).toEqual([...expected.keys()].sort((a, b) => a - b));
  expect([...answer.hits.docs].sort((a, b) => a - b)).toEqual(membersOf(answer.matches));
  for (const [rank, doc] of answer.hits.docs.entries()) {
    expect(Math.abs(answer.hits.scores[rank]! - expected.get(doc)!)).toBeLessThan(1e-9);
  }
  expect(answer.hits.scores).toEqual(answer.hits.scores.toSorted((a, b) => b - a));
}

const word = fc.constantFrom("a", "b", "c", "dd", "ee", "f1", "don't", "zzz");
const text = fc.array(word, { maxLength: 12 }).map((words) => words.join(" "));
const document = fc
  .record({ title: text, body: fc.array(text, { maxLength: 3 }) }, { requiredKeys: [] })
  .map(makeDocument);
const query: fc.Arbitrary<TextQuery> = fc.record({
  kind: fc.constant("text"),
  query: fc.array(fc.oneof(word, fc.constant("unknown")), { maxLength: 5 }).map((words) => words.join(" ")),
  fields: fc.constantFrom<TextQuery["fields"][]>(
    { body: 1 },
    { title: 2.5, body: 1 },
    { body: 0.1, title: 3 },
  ),
  operator: fc.constantFrom("or", "and"),
});

/** What happens to an index, in a random order. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("add" as const),
      gap: fc.integer({ min: 1, max: 40 }),
      document,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("remove" as const), nth: fc.nat(1000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("save" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("work" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("search" as const), query }) },
);

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "text-index-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

describe("Against the reference", () => {
  test("Scores, totals and matches stay exact through additions, removals, seals, merges and loads.", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), query, (steps, last) => {
        const pair = new Pair();
        let doc = 0;
        for (const one of steps) {
          const live = [...pair.documents.keys()];
          switch (one.kind) {
            case "add":
              doc += one.gap;
              pair.add(doc, one.document);
              break;
            case "remove":
              if (live.length > 0) pair.remove(live[one.nth % live.length]!);
              break;
            case "save":
              // Saving seals: many segments of a few documents each come into being.
              pair.index.save(directory, { ...STAMP, lastDoc: doc });
              break;
            case "work":
              pair.index.work();
              break;
            case "search":
              pair.check(one.query);
          }
        }
        pair.check(last);
        workToTheEnd(pair.index);
        pair.check(last);
        pair.index.save(directory, { ...STAMP, lastDoc: doc });
        expect(pair.index.load(directory)).toEqual({ ...STAMP, lastDoc: doc });
        pair.check(last);
      }),
      { numRuns: 60 },
    );
  });

  test("Segments of full size, and merges of them with removals in between, stay exact.", () => {
    const pair = new Pair();
    const count = BUILDER_DOCUMENTS_MAX * 9 + 100;
    const common = "a b c d e f g h i j k l m n o p q r s t";
    for (let doc = 1; doc <= count; doc += 1) {
      pair.add(doc, makeDocument({ body: `${common} w${doc % 7} v${doc % 501} ${"u ".repeat(doc % 5)}` }));
    }
    for (let doc = 3; doc <= count; doc += 5) pair.remove(doc);
    let pieces = 0;
    while (pair.index.work()) {
      pieces += 1;
      pair.remove(pieces * 10 + 1);
      expect(pieces).toBeLessThan(1000);
    }
    expect(pieces).toBeGreaterThan(1);
    for (const operator of ["or", "and"] as const) {
      const sought = { ...orQuery("w3 v17 u"), operator };
      const expected = referenceSearch(pair.documents, FIELDS, sought);
      const answer = pair.index.search(
        sought,
        undefined,
        context({ size: expected.size, wantMatches: true }),
      );
      expectReference(answer, expected);
    }
  });

  test("A term that occurs hundreds of times in a document is counted exactly, sealed, merged and loaded.", () => {
    const pair = new Pair();
    for (const [i, times] of [254, 255, 256, 70_000].entries()) {
      pair.add(i + 1, makeDocument({ body: `x ${"many ".repeat(times)}` }));
    }
    pair.check(orQuery("many"));
    pair.index.save(directory, STAMP);
    pair.remove(1);
    pair.remove(2);
    pair.check({ ...orQuery("many x"), operator: "and" });
    expect(pair.index.work()).toBe(true);
    workToTheEnd(pair.index);
    pair.check(orQuery("many"));
    pair.index.save(directory, STAMP);
    pair.index.load(directory);
    pair.check(orQuery("many"));
  });
});

describe("Several shards", () => {
  test("Three shards with merged statistics give the scores of one shard, to the last bit.", () => {
    fc.assert(
      fc.property(fc.array(document, { maxLength: 60 }), query, (documents, sought) => {
        const one = new TextIndex(FIELDS);
        const three = [0, 1, 2].map(() => new TextIndex(FIELDS));
        for (const [doc, added] of documents.entries()) {
          one.add(doc, added);
          three[(doc * 7) % 3]!.add(doc, added);
        }
        const merged = new Map(
          FIELDS.map(({ name }) => [name, merge(three.map((shard) => shard.statistics(name, sought.query)))]),
        );
        for (const { name } of FIELDS) expect(merged.get(name)).toEqual(one.statistics(name, sought.query));
        const expected = rank([one.search(sought, undefined, context({ size: 100 }))]);
        expect(rank(three.map((shard) => shard.search(sought, merged, context({ size: 100 }))))).toEqual(
          expected,
        );
      }),
    );
  });

  function merge(parts: readonly TextStatistics[]): TextStatistics {
    const documentFrequency = new Map<string, number>();
    for (const part of parts) {
      for (const [term, df] of part.documentFrequency) {
        documentFrequency.set(term, (documentFrequency.get(term) ?? 0) + df);
      }
    }
    return {
      documents: parts.reduce((sum, part) => sum + part.documents, 0),
      totalLength: parts.reduce((sum, part) => sum + part.totalLength, 0),
      documentFrequency,
    };
  }

  function rank(answers: readonly QueryAnswer[]): (readonly [doc: number, score: number])[] {
    return answers
      .flatMap(({ hits }) => [...hits.docs].map((doc, i) => [doc, hits.scores[i]!] as const))
      .sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  }

  test("Statistics that lack everything still give finite scores above 0.", () => {
    const index = new TextIndex(FIELDS);
    index.add(1, makeDocument({ body: "war" }));
    const empty = { documents: 0, totalLength: 0, documentFrequency: new Map<string, number>() };
    const { hits } = index.search(orQuery("war"), new Map([["body", empty]]), context());
    expect(hits.scores[0]).toBeGreaterThan(0);
    expect(hits.scores[0]).toBeLessThan(Infinity);
  });
});

describe("Statistics", () => {
  test("They count live documents that have a term in the field, and all of their tokens.", () => {
    const index = new TextIndex(FIELDS);
    const second = makeDocument({ body: "war war", title: "..." });
    index.add(1, makeDocument({ body: ["War and", "peace"] }));
    index.add(2, second);
    index.add(3, makeDocument({ title: "war" }));
    const before = index.statistics("body", "war WAR love");
    expect(before).toEqual({
      documents: 2,
      totalLength: 5,
      documentFrequency: new Map([
        ["war", 2],
        ["love", 0],
      ]),
    });
    expect(index.statistics("title", "").documents).toBe(1);
    index.remove(2, second);
    index.remove(2, second);
    index.remove(77, second);
    expect(index.statistics("body", "war")).toEqual({
      documents: 1,
      totalLength: 3,
      documentFrequency: new Map([["war", 1]]),
    });
  });

  test("A field that came later is not taken from documents that were added before.", () => {
    const index = new TextIndex([FIELDS[1]!]);
    const old = makeDocument({ body: "war", title: "war" });
    index.add(1, old);
    index.setFields(FIELDS);
    index.add(2, makeDocument({ body: "war", title: "war" }));
    index.remove(1, old);
    expect(index.statistics("title", "war")).toEqual({
      documents: 1,
      totalLength: 1,
      documentFrequency: new Map([["war", 1]]),
    });
  });

  test("Terms that no document has any more are forgotten, and their numbers serve new terms.", () => {
    const pair = new Pair();
    let memoryAfterFirstRound = 0;
    for (let round = 0; round < 20; round += 1) {
      for (let i = 1; i <= 200; i += 1)
        pair.add(round * 200 + i, makeDocument({ body: `unique${round}x${i} same` }));
      pair.index.save(directory, STAMP);
      for (let i = 1; i <= 200; i += 1) pair.remove(round * 200 + i);
      workToTheEnd(pair.index);
      if (round === 0) memoryAfterFirstRound = pair.index.memoryBytes;
    }
    expect(pair.index.memoryBytes).toBeLessThan(memoryAfterFirstRound * 1.2);
    pair.add(5000, makeDocument({ body: "fresh same" }));
    pair.check(orQuery("fresh same unique3x7"));
  });
});

describe("Matching", () => {
  function indexOf(
    fields: readonly TextField[],
    documents: Readonly<Record<number, Record<string, string>>>,
  ): TextIndex {
    const index = new TextIndex(fields);
    for (const [doc, values] of Object.entries(documents)) index.add(Number(doc), makeDocument(values));
    return index;
  }

  function found(index: TextIndex, sought: TextQuery): number[] {
    return membersOf(index.search(sought, undefined, context({ wantMatches: true })).matches);
  }

  const and = (sought: string, fields: Record<string, number>): TextQuery => ({
    ...orQuery(sought, fields),
    operator: "and",
  });

  test("With `and`, words may be found in different fields.", () => {
    const index = indexOf(FIELDS, {
      1: { title: "war", body: "peace" },
      2: { body: "war" },
      3: { title: "war peace" },
    });
    expect(found(index, and("War peace", { title: 1, body: 1 }))).toEqual([1, 3]);
    expect(found(index, and("war peace", { title: 1 }))).toEqual([3]);
    expect(found(index, and("war love", { title: 1, body: 1 }))).toEqual([]);
    expect(found(index, and("", { title: 1, body: 1 }))).toEqual([]);
  });

  test("With `and` over fields of different analyzers, each field may have a word in its own form.", () => {
    const fields: readonly TextField[] = [
      { name: "plain", analyzer: "standard" },
      { name: "stemmed", analyzer: "english" },
      { name: "whole", analyzer: "keyword" },
    ];
    const index = indexOf(fields, {
      1: { plain: "running", stemmed: "the wars" },
      2: { stemmed: "he runs in wars" },
      3: { plain: "runs wars" },
      4: { whole: "running the war" },
    });
    const all = { plain: 1, stemmed: 1, whole: 1 };
    expect(found(index, and("running the war", all))).toEqual([1, 2, 4]);
    expect(found(index, and("the", { stemmed: 1 }))).toEqual([]);
    expect(found(index, and("running the war", { whole: 1 }))).toEqual([4]);
  });

  test("With `and` a word that one field's analyzer drops is required only when nothing else is left.", () => {
    const fields: readonly TextField[] = [
      { name: "plain", analyzer: "standard" },
      { name: "stemmed", analyzer: "english" },
    ];
    const index = indexOf(fields, { 1: { plain: "history", stemmed: "the war" }, 2: { plain: "the who" } });
    expect(found(index, and("the war", { plain: 1, stemmed: 1 }))).toEqual([1]);
    expect(found(index, and("the", { plain: 1, stemmed: 1 }))).toEqual([2]);
  });

  test("A `keyword` field is found by its whole value only.", () => {
    const index = indexOf([{ name: "body", analyzer: "keyword" }], {
      1: { body: "New York" },
      2: { body: "New" },
    });
    expect(found(index, orQuery("New York"))).toEqual([1]);
    expect(found(index, orQuery("new york"))).toEqual([]);
  });

  test("Only accepted documents count, score and match.", () => {
    const index = indexOf(FIELDS, { 1: { body: "war" }, 40: { body: "war war" }, 900: { body: "war" } });
    const accept = bitmapOf([2, 40]);
    const answer = index.search(
      orQuery("war"),
      undefined,
      context({ accept, acceptCount: 2, wantMatches: true }),
    );
    expect(answer.total).toBe(1);
    expect([...answer.hits.docs]).toEqual([40]);
    expect(membersOf(answer.matches)).toEqual([40]);
    expect(answer.explanation).toEqual({ path: "postings", candidates: 2, scanned: 0 });
  });

  test("Size 0 counts without hits.", () => {
    const index = indexOf(FIELDS, { 1: { body: "war" }, 2: { body: "war" } });
    const answer = index.search(orQuery("war"), undefined, context({ size: 0 }));
    expect([answer.total, answer.hits.docs.length, answer.matches]).toEqual([2, 0, undefined]);
  });

  test("Document numbers must ascend.", () => {
    const index = indexOf(FIELDS, { 5: { body: "war" } });
    expect(() => index.add(5, makeDocument({ body: "war" }))).toThrow(RangeError);
  });
});

describe("Files", () => {
  function saved(): Pair {
    const pair = new Pair();
    for (let doc = 1; doc <= 30; doc += 1) {
      pair.add(doc, makeDocument({ title: `t${doc % 3} é`, body: `war ${"b ".repeat(doc * 10)}` }));
      if (doc % 10 === 0) pair.index.save(directory, STAMP);
    }
    pair.remove(4);
    pair.index.save(directory, STAMP);
    return pair;
  }

  test("A saved index is the same after loading, and takes additions above its last number.", () => {
    const pair = saved();
    expect(readdirSync(directory)).toEqual(["text.index"]);
    const loaded = new TextIndex(FIELDS);
    expect(loaded.load(directory)).toEqual(STAMP);
    const sought = orQuery("war t1 b", { title: 2, body: 1 });
    const all = context({ size: 100, wantMatches: true });
    const [answer, before] = [loaded, pair.index].map((index) => index.search(sought, undefined, all));
    expect(answer!.hits).toEqual(before!.hits);
    expect(answer!.total).toBe(before!.total);
    expect(membersOf(answer!.matches)).toEqual(membersOf(before!.matches));
    expect(() => loaded.add(STAMP.lastDoc, makeDocument({ body: "x" }))).toThrow(RangeError);
    loaded.add(STAMP.lastDoc + 1, makeDocument({ body: "x" }));
    expect(loaded.search(orQuery("x"), undefined, context()).total).toBe(1);
  });

  test("Keywords with half a surrogate pair survive.", () => {
    const fields: readonly TextField[] = [{ name: "body", analyzer: "keyword" }];
    const index = new TextIndex(fields);
    index.add(1, makeDocument({ body: "\ud800" }));
    index.save(directory, STAMP);
    index.load(directory);
    expect(index.search(orQuery("\ud800"), undefined, context()).total).toBe(1);
    expect(index.search(orQuery("\ufffd"), undefined, context()).total).toBe(0);
  });

  test("Every truncation and every flipped bit is noticed, and leaves an empty index that works.", () => {
    saved();
    const path = join(directory, "text.index");
    const good = readFileSync(path);
    const index = new TextIndex(FIELDS);
    const expectRefused = (bytes: Buffer): void => {
      writeFileSync(path, bytes);
      expect(index.load(directory)).toBeUndefined();
    };
    for (let length = 0; length < good.length; length += 1 + (length >> 6))
      expectRefused(good.subarray(0, length));
    expectRefused(Buffer.concat([good, Buffer.of(0)]));
    for (let position = 0; position < good.length; position += 1 + (position >> 7)) {
      const flipped = Buffer.from(good);
      flipped[position]! ^= 1 << (position % 8);
      expectRefused(flipped);
    }
    expect(index.search(orQuery("war"), undefined, context()).total).toBe(0);
    index.add(1, makeDocument({ body: "war" }));
    expect(index.search(orQuery("war"), undefined, context()).total).toBe(1);
    writeFileSync(path, good);
    expect(index.load(directory)).toEqual(STAMP);
  });

  test("A failed load forgets what the index held before.", () => {
    const pair = saved();
    expect(pair.index.load(join(directory, "missing"))).toBeUndefined();
    expect(pair.index.search(orQuery("war"), undefined, context()).total).toBe(0);
    expect(pair.index.statistics("body", "war").documents).toBe(0);
  });

  test("Files of other fields or analyzers are refused, files with fewer fields are not.", () => {
    saved();
    const other = new TextIndex([FIELDS[0]!, { name: "body", analyzer: "english" }]);
    expect(other.load(directory)).toBeUndefined();
    expect(new TextIndex([FIELDS[0]!]).load(directory)).toBeUndefined();
    const grown = new TextIndex([{ name: "new", analyzer: "english" }, ...FIELDS]);
    expect(grown.load(directory)).toEqual(STAMP);
    grown.add(2000, makeDocument({ new: "wars", body: "war" }));
    expect(grown.search(orQuery("war", { new: 1 }), undefined, context()).total).toBe(1);
    expect(grown.search(orQuery("war"), undefined, context()).total).toBe(30);
  });

  test("Retain drops what is not live any more, with exact statistics, also while a merge is under way.", () => {
    fc.assert(
      fc.property(
        fc.array(document, { maxLength: 60 }),
        fc.array(fc.nat(60), { maxLength: 40 }),
        query,
        fc.boolean(),
        (documents, dead, sought, merging) => {
          const pair = new Pair();
          for (const [doc, added] of documents.entries()) {
            pair.add(doc, added);
            if (doc % 5 === 4) pair.index.save(directory, STAMP);
          }
          pair.index.save(directory, STAMP);
          pair.index.load(directory);
          if (merging) pair.index.work();
          for (const doc of dead) pair.documents.delete(doc);
          pair.index.retain(bitmapOf(pair.documents.keys()));
          const withBody = [...pair.documents.values()].filter(({ text }) =>
            /\S/.test(text.get("body")?.join("") ?? ""),
          );
          expect(pair.index.statistics("body", "").documents).toBe(withBody.length);
          pair.check(sought);
          workToTheEnd(pair.index);
          pair.check(sought);
        },
      ),
    );
  });
});
