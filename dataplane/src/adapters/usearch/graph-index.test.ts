import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GraphIndex, GRAPH_RESULTS_MAX } from "./graph-index.js";

const SHAPE = { dimensions: 4, metric: "squaredEuclidean" } as const;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "prism-graph-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function graphOf(count: number): GraphIndex {
  const graph = new GraphIndex(SHAPE);
  for (let key = 0; key < count; key += 1) graph.add(key, Float32Array.of(key, 0, 0, 0));
  return graph;
}

describe("GraphIndex", () => {
  it("gives the nearest keys first, with their distances", () => {
    const matches = graphOf(100).search(Float32Array.of(40.2, 0, 0, 0), 3);
    expect([...matches.keys]).toEqual([40, 41, 39]);
    expect(matches.distances[0]).toBeCloseTo(0.04, 4);
  });

  it("refuses vectors that would poison it, and goes on as before", () => {
    const graph = graphOf(10);
    for (const bad of [NaN, Infinity, -Infinity, 3e38]) {
      expect(() => graph.add(10, Float32Array.of(0, bad, 0, 0))).toThrow(RangeError);
      expect(() => graph.search(Float32Array.of(0, bad, 0, 0), 1)).toThrow(RangeError);
    }
    expect(() => graph.add(10, new Float32Array(3))).toThrow("A vector of 3 numbers is not one of 4.");
    expect(graph.size).toBe(10);
  });

  it("takes the longest vectors that it lets in without an infinite distance", () => {
    const graph = new GraphIndex(SHAPE);
    graph.add(0, Float32Array.of(9.2e18, 0, 0, 0));
    graph.add(1, Float32Array.of(-9.2e18, 0, 0, 0));
    const { distances } = graph.search(Float32Array.of(9.2e18, 0, 0, 0), 2);
    expect(distances.every(Number.isFinite)).toBe(true);
  });

  it("refuses keys that are taken or do not fit 32 bits", () => {
    const graph = graphOf(10);
    for (const key of [9, -1, 0.5, 2 ** 32, NaN]) {
      expect(() => graph.add(key, new Float32Array(4))).toThrow(RangeError);
    }
    expect(graph.size).toBe(10);
    graph.add(2 ** 32 - 1, Float32Array.of(500, 0, 0, 0));
    expect([...graph.search(Float32Array.of(500, 0, 0, 0), 1).keys]).toEqual([2 ** 32 - 1]);
  });

  it("asks native code for no more results than it has vectors", () => {
    const graph = graphOf(10);
    expect(graph.search(new Float32Array(4), 1e9).keys).toHaveLength(10);
    expect(graph.search(new Float32Array(4), GRAPH_RESULTS_MAX + 1).keys).toHaveLength(10);
    expect(() => graph.search(new Float32Array(4), 0)).toThrow(RangeError);
    expect(new GraphIndex(SHAPE).search(new Float32Array(4), 5).keys).toHaveLength(0);
  });

  it("never returns what was removed, and counts removed nodes until their place is taken", () => {
    const graph = graphOf(10);
    expect(graph.remove(3)).toBe(true);
    expect(graph.remove(3)).toBe(false);
    expect([...graph.search(Float32Array.of(3, 0, 0, 0), 10).keys]).not.toContain(3);
    expect([graph.size, graph.slots, graph.reused]).toEqual([9, 10, 0]);
    graph.add(3, Float32Array.of(77, 0, 0, 0));
    expect([graph.size, graph.slots, graph.reused]).toEqual([10, 10, 1]);
    expect([...graph.search(Float32Array.of(77, 0, 0, 0), 1).keys]).toEqual([3]);
  });
});

describe("A saved graph", () => {
  it("is the same after loading, removals included", () => {
    const graph = graphOf(100);
    graph.remove(50);
    const path = join(directory, "1.graph");
    const loaded = GraphIndex.load(path, graph.save(path))!;
    expect([loaded.size, loaded.slots]).toEqual([99, 100]);
    const query = Float32Array.of(50, 0, 0, 0);
    expect(loaded.search(query, 99)).toEqual(graph.search(query, 99));
    loaded.add(50, query);
    expect([...loaded.search(query, 1).keys]).toEqual([50]);
    expect(readdirSync(directory)).toEqual(["1.graph"]);
  });

  it("is never written over", () => {
    const graph = graphOf(10);
    const path = join(directory, "1.graph");
    graph.save(path);
    expect(() => graph.save(path)).toThrow("never written over");
  });

  it("is not loaded when it is missing, cut short, changed or of another shape", () => {
    const path = join(directory, "1.graph");
    const file = graphOf(200).save(path);
    const bytes = readFileSync(path);
    expect(GraphIndex.load(join(directory, "2.graph"), file)).toBeUndefined();
    expect(GraphIndex.load(path, { ...file, dimensions: 8 })).toBeUndefined();
    expect(GraphIndex.load(path, { ...file, count: 199 })).toBeUndefined();
    for (let at = 0; at < bytes.length; at += 97) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x10;
      writeFileSync(path, changed);
      expect(GraphIndex.load(path, file)).toBeUndefined();
    }
    writeFileSync(path, bytes);
    truncateSync(path, bytes.length - 1);
    expect(GraphIndex.load(path, file)).toBeUndefined();
    expect(existsSync(`${path}.loading`)).toBe(false);
  });

  it("is set aside when the process ended twice while loading it", () => {
    const path = join(directory, "1.graph");
    const file = graphOf(10).save(path);
    writeFileSync(`${path}.loading`, "1");
    expect(GraphIndex.load(path, file)?.size).toBe(10);
    writeFileSync(`${path}.loading`, "2");
    expect(GraphIndex.load(path, file)).toBeUndefined();
    expect(readdirSync(directory)).toEqual(["1.graph.bad"]);
  });
});
