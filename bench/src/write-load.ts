/** The two kinds of writing that are measured: documents to be searched, and documents to be kept. */
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchCluster } from "./bench-cluster.js";
import { bulkBodies, type DataSet } from "./data-set.js";
import { percentile } from "./latency.js";
import { bulkRequest, checkBulkAnswer, type LoadRun } from "./load-client.js";
import type { IngestFigures, LagFigures, WriteFigures } from "./results.js";
import { isAllInGraph, type LoadTimes } from "./search-load.js";

const INGEST_LINES = 1000;
const INGEST_IN_FLIGHT = 4;
const WRITES_IN_FLIGHT = 8;
/** A node's workers tell their lag twice a second. */
const LAG_SAMPLE_MS = 250;
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

/** Durable writes in batches. What indexing costs meanwhile is in the figures, what it costs later is not. */
export async function measureWrites(
  cluster: BenchCluster,
  collection: string,
  { batch, nextBody }: { readonly batch: number; readonly nextBody: (lines: number) => Buffer },
  { warmUpMs, measureMs }: LoadTimes,
): Promise<WriteFigures> {
  const load = (durationMs: number): Promise<LoadRun> =>
    writeFor(cluster, collection, () => nextBody(batch), durationMs);
  await load(warmUpMs);
  const figures = await cluster.measure(WRITES_IN_FLIGHT, () => load(measureMs));
  return {
    ...figures,
    batch,
    documentsPerSecond: figures.perSecond * batch,
    serverCpuUsPerDocument: figures.serverCpuUs / batch,
  };
}

/** Takes the lag from the nodes' metrics while writes run. */
export async function measureLag(
  cluster: BenchCluster,
  collection: string,
  nextBody: () => Buffer,
  durationMs: number,
): Promise<LagFigures> {
  const seconds: number[] = [];
  const operations: number[] = [];
  const load = writeFor(cluster, collection, nextBody, durationMs);
  for (let isRunning = true; isRunning;) {
    isRunning = await Promise.race([load.then(() => false), sleep(LAG_SAMPLE_MS, true)]);
    const metrics = await cluster.metrics();
    seconds.push(...valuesOf(metrics, "prism_replication_lag_seconds"));
    operations.push(...valuesOf(metrics, "prism_replication_lag_operations"));
  }
  return {
    samples: seconds.length,
    p99Ms: percentile(seconds, 0.99) * 1000,
    p99Operations: percentile(operations, 0.99),
  };
}

function writeFor(
  cluster: BenchCluster,
  collection: string,
  nextBody: () => Buffer,
  durationMs: number,
): Promise<LoadRun> {
  const path = `/api/v1/collections/${collection}/bulk`;
  return cluster.client.run(() => bulkRequest(path, nextBody()), checkBulkAnswer, {
    inFlight: WRITES_IN_FLIGHT,
    durationMs,
  });
}

/** The values of a metric in Prometheus' text form, of all its labels. */
export function valuesOf(metrics: string, name: string): number[] {
  return metrics
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`))
    .map((line) => Number(line.slice(line.lastIndexOf(" ") + 1)));
}

/** Figures of documents that are not there would mean nothing. */
async function checkCount(cluster: BenchCluster, collection: string, wanted: number): Promise<void> {
  const answer = (await cluster.client.sendJson(`/api/v1/collections/${collection}/count`, {})) as {
    readonly count: number;
  };
  if (answer.count !== wanted) throw new Error(`${collection} has ${answer.count} documents, not ${wanted}`);
}
