/** The three kinds of search that are measured, and how each is put under load. */
import type { BenchCluster } from "./bench-cluster.js";
import { rowOfId, vectorOf, type DataSet } from "./data-set.js";
import { checkSearchAnswer, jsonRequest, type LoadRequest } from "./load-client.js";
import { meanRecall } from "./recall.js";
import type { LoadFigures } from "./results.js";

export const COLLECTION = {
  replication: {},
  fields: [
    { name: "body", type: "text", analyzer: "standard" },
    { name: "number", type: "integer" },
    { name: "embedding", type: "vector", dimensions: 128, metric: "l2" },
  ],
};

const LIMIT = 10;
const WANTED_RECALL = 0.99;
/** Tried in turn. */
const CANDIDATES = [10, 64, 100, 128, 192, 256, 400] as const;

const SCANNED_ANYWAY = 2000;

export type SearchKind = "vector" | "bm25" | "hybrid";

interface Explanation {
  readonly path: string;
  readonly candidates: number;
}

interface SearchAnswer {
  readonly results: readonly { readonly id: string }[];
  readonly explain?: readonly { readonly queries: readonly Explanation[] }[];
}

export interface LoadTimes {
  readonly warmUpMs: number;
  readonly warmUpSearches?: number;
  readonly measureMs: number;
}

export function searchRequests(
  dataSet: DataSet,
  collection: string,
  kind: SearchKind,
  candidates: number,
): LoadRequest[] {
  const { queries, dimensions } = dataSet.shape;
  return Array.from({ length: queries }, (_, query) => {
    const text = { text: { query: dataSet.queryTexts[query]!, fields: ["body"] } };
    const values = Array.from(vectorOf(dataSet.queryVectors, query, dimensions), (value) =>
      Number(value.toFixed(5)),
    );
    const vector = { vector: { field: "embedding", values, candidates } };
    const parts = { vector: [vector], bm25: [text], hybrid: [text, vector] };
    return jsonRequest(searchPath(collection), {
      queries: parts[kind],
      limit: LIMIT,
      include: ["body", "number"],
    });
  });
}

export async function measureSearch(
  cluster: BenchCluster,
  requests: readonly LoadRequest[],
  inFlight: number,
  { warmUpMs, warmUpSearches = 0, measureMs }: LoadTimes,
): Promise<LoadFigures> {
  const request = (index: number): LoadRequest => requests[index % requests.length]!;
  const warmUp = { inFlight, durationMs: warmUpMs, minRequests: warmUpSearches };
  await cluster.client.run(request, checkSearchAnswer, warmUp);
  return cluster.measure(inFlight, () =>
    cluster.client.run(request, checkSearchAnswer, { inFlight, durationMs: measureMs }),
  );
}

/** The rows that each search finds, in order. */
export async function foundRows(
  cluster: BenchCluster,
  requests: readonly LoadRequest[],
): Promise<number[][]> {
  const rows: number[][] = [];
  for (const request of requests) {
    const answer = await cluster.client.send(request);
    checkSearchAnswer(answer);
    rows.push((JSON.parse(answer) as SearchAnswer).results.map(({ id }) => rowOfId(id)));
  }
  return rows;
}

/** The fewest candidates that reach the wanted recall, or else the most that were tried. */
export async function chooseCandidates(
  cluster: BenchCluster,
  dataSet: DataSet,
  collection: string,
  truth: readonly (readonly number[])[],
): Promise<{ readonly candidates: number; readonly recallAt10: number }> {
  let chosen = { candidates: 0, recallAt10: 0 };
  for (const candidates of CANDIDATES) {
    const found = await foundRows(cluster, searchRequests(dataSet, collection, "vector", candidates));
    chosen = { candidates, recallAt10: meanRecall(truth, found) };
    if (chosen.recallAt10 >= WANTED_RECALL) break;
  }
  return chosen;
}

/** Whether every shard answers vector searches from its graph alone, nothing left to scan. */
export async function isAllInGraph(
  cluster: BenchCluster,
  dataSet: DataSet,
  collection: string,
): Promise<boolean> {
  const values = Array.from(vectorOf(dataSet.queryVectors, 0, dataSet.shape.dimensions));
  const query = { vector: { field: "embedding", values, candidates: LIMIT } };
  const body = { queries: [query], limit: LIMIT, include: [], explain: true };
  const answer = (await cluster.client.sendJson(searchPath(collection), body)) as SearchAnswer;
  return (answer.explain ?? []).every(({ queries }) => queries.every(isSettled));
}

/** Of few documents all are compared, graph or not: that is the fastest way. */
function isSettled({ path, candidates }: Explanation): boolean {
  return path === "graph" || (path === "exact" && candidates < SCANNED_ANYWAY);
}

function searchPath(collection: string): string {
  return `/api/v1/collections/${collection}/search`;
}
