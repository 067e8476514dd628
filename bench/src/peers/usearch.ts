/** usearch in this process, one thread, without anything around it: the floor of a vector search. */
import { exactSearch, Index, MetricKind, ScalarKind, type BatchMatches, type Matches } from "usearch";
import { vectorOf, type DataSet } from "../data-set.js";
import { meanRecall } from "../recall.js";
import type { VectorPeerFigures } from "../results.js";

export const NEAREST = 10;
/** As Prism's graphs have it. */
const SETTINGS = { connectivity: 16, expansion_add: 128, expansion_search: 64 };
const ROUNDS = 4;

/** The rows of the ten nearest documents of each query, found by comparing with all. */
export function exactNearest({ shape, vectors, queryVectors }: DataSet): number[][] {
  const { documents, dimensions, queries } = shape;
  const matches = exactSearch(vectors, queryVectors, dimensions, NEAREST, MetricKind.L2sq, 1) as BatchMatches;
  if (documents < NEAREST) throw new RangeError("there are fewer documents than results");
  return Array.from({ length: queries }, (_, query) => Array.from(matches.get(query).keys, Number));
}

/** `candidates` as Prism is asked for them. */
export function measureUsearch(
  dataSet: DataSet,
  truth: readonly (readonly number[])[],
  candidates: number,
): VectorPeerFigures {
  const { documents, dimensions, queries } = dataSet.shape;
  const index = new Index({
    dimensions,
    metric: MetricKind.L2sq,
    quantization: ScalarKind.F32,
    multi: false,
    ...SETTINGS,
  });
  const buildStart = process.cpuUsage();
  for (let row = 0; row < documents; row += 1) {
    index.add(BigInt(row), vectorOf(dataSet.vectors, row, dimensions), 1);
  }
  const buildCpuUs = cpuUsSince(buildStart) / documents;
  const found: number[][] = [];
  const results = Math.max(NEAREST, candidates);
  const search = (query: number): Matches =>
    index.search(vectorOf(dataSet.queryVectors, query, dimensions), results, 1);
  for (let query = 0; query < queries; query += 1) {
    found.push(Array.from(search(query).keys.subarray(0, NEAREST), Number));
  }
  const searchStart = process.cpuUsage();
  for (let i = 0; i < queries * ROUNDS; i += 1) search(i % queries);
  const searchCpuUs = cpuUsSince(searchStart) / (queries * ROUNDS);
  return { buildCpuUs, searchCpuUs, recallAt10: meanRecall(truth, found) };
}

function cpuUsSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return user + system;
}
