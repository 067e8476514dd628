/** The two kinds of writing that are measured: documents to be searched, and documents to be kept. */
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchCluster } from "./bench-cluster.js";
import { bulkBodies, PlainDocuments, type DataSet } from "./data-set.js";
import { bulkRequest, checkBulkAnswer } from "./load-client.js";
import type { IngestFigures, PlainWriteFigures } from "./results.js";
import { isAllInGraph, type LoadTimes } from "./search-load.js";

const INGEST_LINES = 1000;
const INGEST_IN_FLIGHT = 4;
const PLAIN_LINES = 100;
const PLAIN_IN_FLIGHT = 8;
const GRAPH_POLL_MS = 50;
const GRAPH_TIMEOUT_MS = 180_000;

/** Puts the first `count` documents in, and waits until searches find them through the graph. */
export async function measureIngest(
  cluster: BenchCluster,
  dataSet: DataSet,
  collection: string,
  count: number,
): Promise<IngestFigures> {
  const bodies = bulkBodies(dataSet, count, INGEST_LINES);
  const path = `/api/v1/collections/${collection}/bulk`;
  const cpuBeforeMs = cluster.cpuMs();
  const run = await cluster.client.run((index) => bulkRequest(path, bodies[index]!), checkBulkAnswer, {
    inFlight: INGEST_IN_FLIGHT,
    durationMs: GRAPH_TIMEOUT_MS,
    maxRequests: bodies.length,
  });
  if (run.requests < bodies.length) throw new Error("the documents were not written in time");
  const graphStartMs = performance.now();
  while (!(await isAllInGraph(cluster, dataSet, collection))) {
    if (performance.now() - graphStartMs > GRAPH_TIMEOUT_MS)
      throw new Error("the graph is not built in time");
    await sleep(GRAPH_POLL_MS);
  }
  const searchableSeconds = run.seconds + (performance.now() - graphStartMs) / 1000;
  await cluster.untilQuiet();
  await checkCount(cluster, collection, count);
  return {
    documents: count,
    acknowledgedPerSecond: count / run.seconds,
    searchablePerSecond: count / searchableSeconds,
    serverCpuUs: ((cluster.cpuMs() - cpuBeforeMs) * 1000) / count,
  };
}

/** Durable writes of documents that no index takes. */
export async function measurePlainWrites(
  cluster: BenchCluster,
  collection: string,
  { warmUpMs, measureMs }: LoadTimes,
): Promise<PlainWriteFigures> {
  const documents = new PlainDocuments(11);
  const path = `/api/v1/collections/${collection}/bulk`;
  const load = (durationMs: number) =>
    cluster.client.run(() => bulkRequest(path, documents.nextBody(PLAIN_LINES)), checkBulkAnswer, {
      inFlight: PLAIN_IN_FLIGHT,
      durationMs,
    });
  await load(warmUpMs);
  const figures = await cluster.measure(PLAIN_IN_FLIGHT, () => load(measureMs));
  return {
    ...figures,
    batch: PLAIN_LINES,
    documentsPerSecond: figures.perSecond * PLAIN_LINES,
    serverCpuUsPerDocument: figures.serverCpuUs / PLAIN_LINES,
  };
}

/** Figures of documents that are not there would mean nothing. */
async function checkCount(cluster: BenchCluster, collection: string, wanted: number): Promise<void> {
  const answer = (await cluster.client.sendJson(`/api/v1/collections/${collection}/count`, {})) as {
    readonly count: number;
  };
  if (answer.count !== wanted) throw new Error(`${collection} has ${answer.count} documents, not ${wanted}`);
}
