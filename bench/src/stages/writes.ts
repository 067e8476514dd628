/** Durable writes, on one node and replicated. */
import { BenchCluster } from "../bench-cluster.js";
import { bulkBodies, makeDataSet, PlainDocuments, type DataSet } from "../data-set.js";
import type { BenchScale } from "../options.js";
import type { ReplicatedWriteFigures, WriteFigures } from "../results.js";
import { COLLECTION } from "../search-load.js";
import type { Stage } from "../stage.js";
import { measureLag, measureWrites } from "../write-load.js";

const PLAIN_NAME = "plain";
const INDEXED_NAME = "indexed";
const SHARDS = 3;
const BATCH = 100;
export const WRITE_BATCHES = [10, 100, 1000] as const;
/** Written over and over when there are more. */
const INDEXED_DOCUMENTS = 20_000;
/** The first load finds code that has not been compiled. */
const FIRST_WARM_UPS = 3;

export async function measurePlainWrites(cluster: BenchCluster, scale: BenchScale): Promise<WriteFigures> {
  await cluster.createCollection(PLAIN_NAME, { shards: 1, fields: [] });
  const documents = new PlainDocuments(11);
  const nextBody = (lines: number): Buffer => documents.nextBody(lines);
  return measureWrites(cluster, PLAIN_NAME, { batch: BATCH, nextBody }, scale);
}

export async function measureReplicatedWrites(
  cluster: BenchCluster,
  stage: Stage,
  scale: BenchScale,
  dataSet: DataSet,
): Promise<ReplicatedWriteFigures> {
  const { warmUpMs, measureMs } = scale;
  const documents = new PlainDocuments(11);
  const nextBody = (lines: number): Buffer => documents.nextBody(lines);
  await cluster.createCollection(PLAIN_NAME, { shards: SHARDS, fields: [] });
  stage.progress("three nodes: durable replicated writes");
  await measureWrites(
    cluster,
    PLAIN_NAME,
    { batch: BATCH, nextBody },
    { warmUpMs: FIRST_WARM_UPS * warmUpMs, measureMs: 0 },
  );
  const plain: WriteFigures[] = [];
  for (const batch of WRITE_BATCHES) {
    stage.progress(`three nodes: batches of ${batch}`);
    plain.push(await measureWrites(cluster, PLAIN_NAME, { batch, nextBody }, scale));
  }
  stage.progress("three nodes: replication lag");
  const lag = await measureLag(cluster, PLAIN_NAME, () => nextBody(BATCH), measureMs);
  stage.progress("three nodes: writes of a text and a vector");
  const fields = COLLECTION.fields.filter(({ type }) => type !== "integer");
  await cluster.createCollection(INDEXED_NAME, { shards: SHARDS, fields });
  const count = Math.min(INDEXED_DOCUMENTS, dataSet.shape.documents);
  const bodies = bulkBodies(dataSet, count - (count % BATCH), BATCH);
  let next = 0;
  const nextIndexed = (): Buffer => bodies[next++ % bodies.length]!;
  const indexed = await measureWrites(cluster, INDEXED_NAME, { batch: BATCH, nextBody: nextIndexed }, scale);
  return { plain, indexed, lag };
}

/** Both, of clusters of their own. */
export async function measureWritesAlone(
  stageOf: (name: string) => Stage,
  scale: BenchScale,
): Promise<{ readonly oneNode: WriteFigures; readonly threeNodes: ReplicatedWriteFigures }> {
  const dataSet = makeDataSet({
    ...scale.dataSet,
    documents: Math.min(INDEXED_DOCUMENTS, scale.dataSet.documents),
  });
  const [one, three] = [stageOf("one"), stageOf("three")];
  one.progress("one node: durable writes");
  const single = await BenchCluster.start({ nodes: 1, ...one });
  one.onCleanUp(() => single.stop());
  const oneNode = await measurePlainWrites(single, scale);
  await single.stop();
  const cluster = await BenchCluster.start({ nodes: 3, ...three });
  three.onCleanUp(() => cluster.stop());
  const threeNodes = await measureReplicatedWrites(cluster, three, scale, dataSet);
  await cluster.stop();
  return { oneNode, threeNodes };
}
