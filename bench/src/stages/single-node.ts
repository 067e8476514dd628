/** One node, one shard, one copy: what a search and a write cost without any distribution. */
import { BenchCluster } from "../bench-cluster.js";
import type { DataSet } from "../data-set.js";
import type { BenchScale } from "../options.js";
import type { SearchFigures, SingleNodeFigures } from "../results.js";
import {
  chooseCandidates,
  COLLECTION,
  foundRows,
  measureSearch,
  searchRequests,
  type SearchKind,
} from "../search-load.js";
import type { Stage } from "../stage.js";
import { measureIngest } from "../write-load.js";
import { measurePlainWrites } from "./writes.js";

const NAME = "documents";
const IN_FLIGHT = [1, 16] as const;

export interface SingleNodeOutcome {
  readonly figures: SingleNodeFigures;
  /** The rows that BM25 found for each query, to be compared with a peer's. */
  readonly bm25Rows: readonly (readonly number[])[];
}

export async function measureSingleNode(
  stage: Stage,
  scale: BenchScale,
  dataSet: DataSet,
  truth: readonly (readonly number[])[],
): Promise<SingleNodeOutcome> {
  const cluster = await BenchCluster.start({ nodes: 1, ...stage });
  stage.onCleanUp(() => cluster.stop());
  await cluster.createCollection(NAME, { ...COLLECTION, shards: 1 });
  stage.progress(`one node: ${dataSet.shape.documents} documents go in`);
  const ingest = await measureIngest(cluster, dataSet, NAME, dataSet.shape.documents);
  const residentBytes = cluster.residentBytes();
  stage.progress("one node: searches");
  const { candidates, recallAt10 } = await chooseCandidates(cluster, dataSet, NAME, truth);
  const search = async (kind: SearchKind): Promise<SearchFigures> => {
    const requests = searchRequests(dataSet, NAME, kind, candidates);
    const loads = [];
    for (const inFlight of IN_FLIGHT) {
      stage.progress(`one node: ${kind}, ${inFlight} in flight`);
      loads.push(await measureSearch(cluster, requests, inFlight, scale));
    }
    return { loads };
  };
  const vector = await search("vector");
  const bm25 = await search("bm25");
  const hybrid = await search("hybrid");
  const bm25Rows = await foundRows(cluster, searchRequests(dataSet, NAME, "bm25", candidates));
  stage.progress("one node: durable writes");
  const plainWrites = await measurePlainWrites(cluster, scale);
  await cluster.stop();
  const figures = { ingest, residentBytes, candidates, recallAt10, vector, bm25, hybrid, plainWrites };
  return { figures, bm25Rows };
}
