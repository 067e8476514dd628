/**
 * The one door to usearch, the native HNSW graph (Malkov and Yashunin, "Efficient and robust approximate
 * nearest neighbor search using Hierarchical Navigable Small World graphs", 2016).
 *
 * Native code checks little and aborts the whole process, so every argument is checked here first:
 * - a NaN or an infinity is accepted natively and then turns up in searches it has nothing to do with;
 * - `k` natively reserves memory for k results, whatever the index holds;
 * - loading silently takes the file's dimensions and metric, and has no checksum;
 * - saving over a file that is mapped aborts, so a file name is never written twice;
 * - a number of threads that changes between calls throws, so it is always one.
 */
import { closeSync, existsSync, fsyncSync, openSync, readSync, renameSync, rmSync } from "node:fs";
import { Index, MetricKind, ScalarKind } from "usearch";
import { checksum } from "../../engine/checksum.js";
import { LoadMarker } from "./load-marker.js";

/** Distances: `innerProduct` is 1 - dot product, `squaredEuclidean` the squared distance; lower is closer. */
export type GraphMetric = "innerProduct" | "squaredEuclidean";

export interface GraphShape {
  readonly dimensions: number;
  readonly metric: GraphMetric;
}

/** What a saved graph file must turn out to be; the caller keeps it, checksummed, beside the file. */
export interface GraphFile extends GraphShape {
  readonly count: number;
  /** As in GraphIndex: a file does not tell them apart from a graph that never had removals. */
  readonly slots: number;
  readonly reused: number;
  readonly bytes: number;
  readonly crc32: number;
}

/** Nearest first; `distances` has the length of `keys`. */
export interface GraphMatches {
  readonly keys: Uint32Array;
  readonly distances: Float32Array;
}

/** The most results of one search; more natively costs memory and time without a bound. */
export const GRAPH_RESULTS_MAX = 16_384;

const CONNECTIVITY = 16;
const EXPANSION_ADD = 128;
const EXPANSION_SEARCH = 64;
const THREADS = 1;

/**
 * A quarter of the largest 32-bit float, so that the square of a difference of two vectors fits too: an
 * infinite distance poisons a graph like a NaN.
 */
export const SQUARED_LENGTH_MAX = 3.4028234663852886e38 / 4;

/** Bytes a node takes beside its vector: links, key, and the tables by slot and by key. Measured at 100,000 nodes. */
const NODE_OVERHEAD_BYTES = 280;

export class GraphIndex {
  readonly shape: GraphShape;
  readonly #index: Index;
  #slots = 0;
  #reused = 0;

  constructor(shape: GraphShape) {
    if (!Number.isInteger(shape.dimensions) || shape.dimensions < 1) {
      throw new RangeError(`A graph of ${shape.dimensions} dimensions cannot be made.`);
    }
    this.shape = { dimensions: shape.dimensions, metric: shape.metric };
    this.#index = new Index({
      dimensions: shape.dimensions,
      metric: shape.metric === "innerProduct" ? MetricKind.IP : MetricKind.L2sq,
      quantization: ScalarKind.F32,
      connectivity: CONNECTIVITY,
      expansion_add: EXPANSION_ADD,
      expansion_search: EXPANSION_SEARCH,
      multi: false,
    });
  }

  /** Vectors that a search can return. */
  get size(): number {
    return this.#index.size();
  }

  /** Nodes in memory: vectors, and removed ones whose place no later vector took. */
  get slots(): number {
    return this.#slots;
  }

  /** Vectors that took the place of a removed one: links to the old one stay, and cost a little recall each. */
  get reused(): number {
    return this.#reused;
  }

  get memoryBytes(): number {
    return this.#slots * (this.shape.dimensions * 4 + NODE_OVERHEAD_BYTES);
  }

  /** Throws RangeError, changing nothing, when the key is taken or the vector would poison the graph. */
  add(key: number, vector: Float32Array): void {
    this.#checkKey(key);
    this.#checkVector(vector);
    const nativeKey = BigInt(key);
    if (this.#index.contains(nativeKey)) throw new RangeError(`Key ${key} is already in the graph.`);
    this.#index.add(nativeKey, vector, THREADS);
    if (this.size > this.#slots) this.#slots = this.size;
    else this.#reused += 1;
  }

  /** False when the key is not there. The node stays for routing until a later vector takes its place. */
  remove(key: number): boolean {
    this.#checkKey(key);
    return Number(this.#index.remove(BigInt(key))) > 0;
  }

  /**
   * At most `k` nearest vectors, at most GRAPH_RESULTS_MAX. Fewer than asked for, and than the graph holds,
   * means that the rest cannot be reached from here.
   */
  search(vector: Float32Array, k: number): GraphMatches {
    this.#checkVector(vector);
    if (!Number.isInteger(k) || k < 1) throw new RangeError(`A search for ${k} results cannot be made.`);
    const wanted = Math.min(k, GRAPH_RESULTS_MAX, this.size);
    if (wanted === 0) return { keys: new Uint32Array(0), distances: new Float32Array(0) };
    const matches = this.#index.search(vector, wanted, THREADS);
    const words = new Uint32Array(matches.keys.buffer, matches.keys.byteOffset, matches.keys.length * 2);
    const keys = new Uint32Array(matches.keys.length);
    for (let i = 0; i < keys.length; i += 1) keys[i] = words[2 * i]!;
    return { keys, distances: matches.distances };
  }

  /** Writes a new file, synced, under a name not used before: it appears whole or not at all. */
  save(path: string): GraphFile {
    if (existsSync(path)) throw new Error(`${path} exists; a graph file is never written over.`);
    const temporary = `${path}.tmp`;
    rmSync(temporary, { force: true });
    this.#index.save(temporary);
    const sum = checksumOf(temporary, true);
    renameSync(temporary, path);
    return { ...this.shape, count: this.size, slots: this.#slots, reused: this.#reused, ...sum };
  }

  /**
   * The saved graph, or undefined when the file is not the one that `expected` describes, or when native
   * code ended the process twice while loading it: then it is set aside as `<path>.bad`.
   */
  static load(path: string, expected: GraphFile): GraphIndex | undefined {
    if (!existsSync(path)) return undefined;
    const marker = new LoadMarker(path);
    if (marker.isExhausted) {
      renameSync(path, `${path}.bad`);
      marker.clear();
      return undefined;
    }
    const sum = checksumOf(path, false);
    if (sum.bytes !== expected.bytes || sum.crc32 !== expected.crc32) return undefined;
    const graph = new GraphIndex(expected);
    marker.set();
    try {
      graph.#index.load(path);
    } catch {
      return undefined;
    } finally {
      marker.clear();
    }
    const isExpected = graph.#index.dimensions() === expected.dimensions && graph.size === expected.count;
    if (!isExpected) return undefined;
    graph.#slots = expected.slots;
    graph.#reused = expected.reused;
    return graph;
  }

  #checkKey(key: number): void {
    if (!Number.isInteger(key) || key < 0 || key > 0xffffffff) {
      throw new RangeError(`${key} is not a 32-bit key.`);
    }
  }

  #checkVector(vector: Float32Array): void {
    if (vector.length !== this.shape.dimensions) {
      throw new RangeError(`A vector of ${vector.length} numbers is not one of ${this.shape.dimensions}.`);
    }
    let squares = 0;
    for (let i = 0; i < vector.length; i += 1) squares += vector[i]! * vector[i]!;
    if (!(squares <= SQUARED_LENGTH_MAX)) {
      throw new RangeError(
        "A vector with NaN, an infinity or a length that overflows 32-bit floats cannot be indexed.",
      );
    }
  }
}

const CHECKSUM_BLOCK_BYTES = 1 << 20;

/** Also syncs the file when asked: native code closes what it wrote without doing so. */
function checksumOf(path: string, sync: boolean): { bytes: number; crc32: number } {
  const file = openSync(path, sync ? "r+" : "r");
  try {
    if (sync) fsyncSync(file);
    const block = new Uint8Array(CHECKSUM_BLOCK_BYTES);
    let bytes = 0;
    let sum = 0;
    for (;;) {
      const count = readSync(file, block, 0, block.length, null);
      if (count === 0) return { bytes, crc32: sum };
      sum = checksum(block.subarray(0, count), sum);
      bytes += count;
    }
  } finally {
    closeSync(file);
  }
}
