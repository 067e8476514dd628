import { expect, test } from "vitest";
import {
  bulkBodies,
  documentId,
  makeDataSet,
  PlainDocuments,
  rowOfId,
  termOf,
  vectorJson,
  vectorOf,
} from "./data-set.js";

const SHAPE = {
  documents: 300,
  dimensions: 8,
  clusters: 5,
  terms: 1000,
  wordsPerText: 30,
  queries: 20,
  seed: 1,
};

test("the same seed makes the same data, another seed other data", () => {
  const first = makeDataSet(SHAPE);
  expect(makeDataSet(SHAPE)).toEqual(first);
  expect(makeDataSet({ ...SHAPE, seed: 2 }).texts).not.toEqual(first.texts);
});

test("documents go in as they are compared: the JSON of a vector reads back to the same float32 numbers", () => {
  const dataSet = makeDataSet(SHAPE);
  const bodies = bulkBodies(dataSet, 250, 100);
  expect(bodies).toHaveLength(3);
  const lines = bodies.flatMap((body) => body.toString().trimEnd().split("\n"));
  expect(lines).toHaveLength(250);
  lines.forEach((line, row) => {
    const { id, document } = JSON.parse(line) as {
      id: string;
      document: { body: string; number: number; embedding: number[] };
    };
    expect(rowOfId(id)).toBe(row);
    expect(id).toBe(documentId(row));
    expect(document.body).toBe(dataSet.texts[row]);
    expect(document.number).toBe(dataSet.numbers[row]);
    expect(Float32Array.from(document.embedding)).toEqual(vectorOf(dataSet.vectors, row, 8));
  });
  const query = vectorOf(dataSet.queryVectors, 3, 8);
  expect(Float32Array.from(JSON.parse(vectorJson(query)) as number[])).toEqual(query);
});

test("texts have about the wanted length, and few terms make up much of them, as in language", () => {
  const { texts } = makeDataSet(SHAPE);
  const words = texts.flatMap((text) => text.split(" "));
  expect(words.length / texts.length).toBeGreaterThan(28);
  expect(words.length / texts.length).toBeLessThan(32);
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const ten = [...counts.values()].sort((a, b) => b - a).slice(0, 10);
  expect(ten.reduce((sum, count) => sum + count) / words.length).toBeGreaterThan(0.3);
  expect(counts.size).toBeGreaterThan(500);
});

test("queries have two or three terms, and rare terms come as often as common ones", () => {
  const { queryTexts } = makeDataSet({ ...SHAPE, queries: 2000 });
  const lengths = queryTexts.map((text) => text.split(" ").length);
  expect(new Set(lengths)).toEqual(new Set([2, 3]));
  const common = new Set(Array.from({ length: 31 }, (_, rank) => termOf(rank + 1)));
  const terms = queryTexts.flatMap((text) => text.split(" "));
  // Half of the logarithm of 1,000 ranks lies below rank 32.
  const share = terms.filter((term) => common.has(term)).length / terms.length;
  expect(share).toBeGreaterThan(0.45);
  expect(share).toBeLessThan(0.55);
});

test("every rank has a term of its own", () => {
  expect(new Set(Array.from({ length: 50_000 }, (_, rank) => termOf(rank + 1))).size).toBe(50_000);
});

test("documents without indexed fields are of 1 KB and each has an id of its own", () => {
  const documents = new PlainDocuments(3);
  const lines = [documents.nextBody(50), documents.nextBody(50)].flatMap((body) =>
    body.toString().trimEnd().split("\n"),
  );
  const parsed = lines.map((line) => JSON.parse(line) as { id: string; document: { payload: string } });
  expect(new Set(parsed.map(({ id }) => id)).size).toBe(100);
  for (const { document } of parsed) expect(document.payload).toHaveLength(1000);
});
