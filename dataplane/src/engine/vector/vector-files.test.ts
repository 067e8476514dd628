import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Bitmap } from "../bitmap.js";
import {
  clusteredVectors,
  contextOf,
  documentOf,
  queryOf,
  recallOf,
  settle,
} from "./testing/clustered-vectors.js";
import { VectorFieldIndex } from "./vector-field-index.js";
import { VectorFields } from "./vector-fields.js";

const FIELD = { name: "embedding", dimensions: 16, metric: "cosine" } as const;
const STAMP = { historyId: "h1", lastDoc: 2_999, seq: 42 };
const make = clusteredVectors(16, 100, 3);
const vectors = new Map(Array.from({ length: 3_000 }, (_, doc) => [doc, make()]));
const queries = Array.from({ length: 20 }, make);

let index: VectorFieldIndex;
let directory: string;
beforeAll(() => {
  index = new VectorFieldIndex(FIELD);
  for (const [doc, embedding] of vectors) index.add(doc, documentOf({ embedding }));
  settle(index);
}, 30_000);
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "prism-vectors-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function fileOf(suffix: string): string {
  return join(
    directory,
    readdirSync(directory).find((name) => name.endsWith(suffix))!,
  );
}

describe("A saved vector field", () => {
  it("answers as before after loading, and goes on", () => {
    index.save(directory, STAMP);
    const loaded = new VectorFieldIndex(FIELD);
    expect(loaded.load(directory)).toEqual(STAMP);
    expect(loaded.tail).toBe(0);
    for (const query of queries) {
      expect(loaded.search(queryOf(query), contextOf(10))).toEqual(
        index.search(queryOf(query), contextOf(10)),
      );
    }
    expect(loaded.search(queryOf(queries[0]!), contextOf(10)).explanation.path).toBe("graph");
    const live = Bitmap.full(3_000);
    const left = new Map(vectors);
    for (let doc = 0; doc < 3_000; doc += 4) {
      live.remove(doc);
      left.delete(doc);
    }
    loaded.retain(live);
    expect(loaded.size).toBe(left.size);
    for (let doc = 3_000; doc < 4_000; doc += 1) {
      const embedding = make();
      left.set(doc, embedding);
      loaded.add(doc, documentOf({ embedding }));
    }
    settle(loaded);
    expect(recallOf(loaded, left, queries)).toBeGreaterThanOrEqual(0.98);
  });

  it("keeps the vectors that wait for the graph, and free slots", () => {
    const small = new VectorFieldIndex(FIELD);
    for (let doc = 0; doc < 50; doc += 1) small.add(doc, documentOf({ embedding: vectors.get(doc)! }));
    for (const doc of [3, 49]) small.remove(doc);
    small.save(directory, STAMP);
    const loaded = new VectorFieldIndex(FIELD);
    loaded.load(directory);
    loaded.add(60, documentOf({ embedding: queries[0]! }));
    expect(loaded.size).toBe(49);
    expect(loaded.search(queryOf(queries[0]!), contextOf(1)).hits.docs[0]).toBe(60);
    expect(loaded.search(queryOf(vectors.get(3)!), contextOf(49)).hits.docs).not.toContain(3);
  });

  it("takes the place of the one before and leaves no files of it", () => {
    index.save(directory, STAMP);
    index.save(directory, { ...STAMP, seq: 43 });
    expect(readdirSync(directory).sort()).toEqual(["2.graph", "2.vectors", "vectors.header"]);
    expect(new VectorFieldIndex(FIELD).load(directory)?.seq).toBe(43);
  });

  it("is loaded from the save before when a crash cut a save short", () => {
    index.save(directory, STAMP);
    writeFileSync(join(directory, "2.vectors"), "half");
    writeFileSync(join(directory, "2.graph.tmp"), "half");
    expect(new VectorFieldIndex(FIELD).load(directory)).toEqual(STAMP);
    index.save(directory, STAMP);
    expect(readdirSync(directory).sort()).toEqual(["3.graph", "3.vectors", "vectors.header"]);
  });

  it("leaves an empty index when a byte of header or vectors is not what it was", () => {
    for (const suffix of [".header", ".vectors"]) {
      index.save(directory, STAMP);
      const path = fileOf(suffix);
      const bytes = readFileSync(path);
      for (let step = 0; step < 20; step += 1) {
        const changed = Buffer.from(bytes);
        changed[Math.floor((step * bytes.length) / 20)]! ^= 1;
        writeFileSync(path, changed);
        const loaded = new VectorFieldIndex(FIELD);
        expect(loaded.load(directory)).toBeUndefined();
        expect(loaded.size).toBe(0);
      }
      for (const length of [bytes.length - 1, bytes.length >> 1, 1, 0]) {
        writeFileSync(path, bytes);
        truncateSync(path, length);
        expect(new VectorFieldIndex(FIELD).load(directory)).toBeUndefined();
      }
      rmSync(path);
      expect(new VectorFieldIndex(FIELD).load(directory)).toBeUndefined();
    }
  });

  it("builds the graph again when only that is damaged", () => {
    index.save(directory, STAMP);
    const path = fileOf(".graph");
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(path, bytes);
    const loaded = new VectorFieldIndex(FIELD);
    expect(loaded.load(directory)).toEqual(STAMP);
    expect([loaded.size, loaded.tail]).toEqual([3_000, 3_000]);
    expect(loaded.search(queryOf(vectors.get(7)!), contextOf(1)).hits.docs[0]).toBe(7);
    settle(loaded);
    expect(loaded.tail).toBe(0);
  });

  it("is not taken for a field of another shape", () => {
    index.save(directory, STAMP);
    for (const other of [{ dimensions: 8 }, { metric: "dot" as const }, { name: "other" }]) {
      expect(new VectorFieldIndex({ ...FIELD, ...other }).load(directory)).toBeUndefined();
    }
  });
});

describe("The vector fields of a shard", () => {
  const fields = [FIELD, { name: "Embedding", dimensions: 2, metric: "l2" }] as const;

  function filled(): VectorFields {
    const all = new VectorFields(fields);
    for (let doc = 0; doc < 10; doc += 1) {
      all.add(doc, documentOf({ embedding: vectors.get(doc)!, Embedding: Float32Array.of(doc, 0) }));
    }
    return all;
  }
  const near3 = { ...queryOf(Float32Array.of(3.1, 0)), field: "Embedding" };

  it("are saved and loaded together, and a field added since is empty", () => {
    filled().save(directory, STAMP);
    const loaded = new VectorFields([...fields, { name: "later", dimensions: 3, metric: "dot" }]);
    expect(loaded.load(directory)).toEqual(STAMP);
    expect(loaded.search(near3, contextOf(2)).hits.docs).toEqual(Uint32Array.of(3, 4));
    const later = { ...queryOf(Float32Array.of(1, 1, 1)), field: "later" };
    expect(loaded.search(later, contextOf(2)).total).toBe(0);
  });

  it("are all empty when one of them cannot be loaded", () => {
    filled().save(directory, STAMP);
    rmSync(join(directory, "field-%45mbedding"), { recursive: true });
    const loaded = new VectorFields(fields);
    expect(loaded.load(directory)).toBeUndefined();
    expect(loaded.search(queryOf(queries[0]!), contextOf(5)).total).toBe(0);
  });

  it("take a document whole or not at all", () => {
    const all = filled();
    const bad = documentOf({ embedding: vectors.get(10)!, Embedding: Float32Array.of(NaN, 0) });
    expect(() => all.add(10, bad)).toThrow("notFinite");
    expect(all.search(queryOf(queries[0]!), contextOf(20)).total).toBe(10);
    expect(() => all.search({ ...near3, field: "nope" }, contextOf(1))).toThrow("unknownField");
  });

  it("keep what is live and forget the rest", () => {
    const all = filled();
    const live = new Bitmap();
    for (const doc of [2, 3]) live.add(doc);
    all.retain(live);
    all.remove(2);
    expect(all.search(near3, contextOf(5)).hits.docs).toEqual(Uint32Array.of(3));
  });
});
