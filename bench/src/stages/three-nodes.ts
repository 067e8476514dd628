/** Three nodes in three zones, three copies of each shard: what durability and distribution add. */
import { BenchCluster } from "../bench-cluster.js";
import type { DataSet } from "../data-set.js";
import type { BenchScale } from "../options.js";
import type { LoadFigures, ThreeNodeFigures } from "../results.js";
import { COLLECTION, measureSearch, searchRequests, type SearchKind } from "../search-load.js";
import type { Stage } from "../stage.js";
import { measureIngest } from "../write-load.js";
import { measureReplicatedWrites } from "./writes.js";

const NAME = "documents";
const SHARDS = 3;
const IN_FLIGHT = 16;

export async function measureThreeNodes(
  stage: Stage,
  scale: BenchScale,
  dataSet: DataSet,
  candidates: number,
): Promise<ThreeNodeFigures> {
  const cluster = await BenchCluster.start({ nodes: 3, ...stage });
  stage.onCleanUp(() => cluster.stop());
  const writes = await measureReplicatedWrites(cluster, stage, scale, dataSet);
  await cluster.untilQuiet();
  stage.progress(`three nodes: ${scale.spreadDocuments} documents go in`);
  await cluster.createCollection(NAME, { ...COLLECTION, shards: SHARDS });
  await measureIngest(cluster, dataSet, NAME, scale.spreadDocuments);
  const search = (kind: SearchKind): Promise<LoadFigures> => {
    stage.progress(`three nodes: ${kind}, ${IN_FLIGHT} in flight`);
    return measureSearch(cluster, searchRequests(dataSet, NAME, kind, candidates), IN_FLIGHT, scale);
  };
  const vector = await search("vector");
  const bm25 = await search("bm25");
  const hybrid = await search("hybrid");
  await cluster.stop();
  return { writes, documents: scale.spreadDocuments, vector, bm25, hybrid };
}
