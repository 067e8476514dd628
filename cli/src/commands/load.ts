/** `prism load`: documents from a file or standard input, with progress, rate and what failed. */
import { SingleBar } from "cli-progress";
import type { BulkFailure, BulkProgress, BulkReport, PrismClient } from "@prism/client";
import { connect } from "../connection.js";
import { type Context, print, printJson, type GlobalOptions } from "../context.js";
import { openDocuments, type DocumentSource } from "../document-source.js";
import { EXIT } from "../exit-code.js";
import { byteSize, duration, grouped } from "../terminal.js";

export interface LoadOptions {
  readonly id?: string;
  readonly batch: number;
  readonly concurrency: number;
}

const FAILURES_SHOWN = 10;

/** Returns 0, or 1 when a document failed. */
export async function load(
  context: Context,
  collection: string,
  file: string,
  options: LoadOptions,
  global: GlobalOptions,
): Promise<number> {
  const source = await openDocuments(file, context.stdin, options.id);
  const client = await connect(global);
  try {
    const { report, failures, tookMs } = await run(context, client, collection, source, options, global);
    if (global.json) printJson(context, { ...report, tookMs, failures });
    else printReport(context, report, failures, tookMs);
    return report.failed > 0 ? EXIT.failed.code : EXIT.ok.code;
  } finally {
    await client.close();
  }
}

interface Run {
  readonly report: BulkReport;
  readonly failures: readonly BulkFailure[];
  readonly tookMs: number;
}

async function run(
  context: Context,
  client: PrismClient,
  collection: string,
  source: DocumentSource,
  options: LoadOptions,
  global: GlobalOptions,
): Promise<Run> {
  const failures: BulkFailure[] = [];
  const bar = global.json || context.stderr.isTTY !== true ? undefined : progressBar(source);
  const startedMs = performance.now();
  const onProgress = (progress: BulkProgress): void => {
    const seconds = (performance.now() - startedMs) / 1000;
    const rate = Math.round((progress.succeeded + progress.failed) / seconds);
    bar?.update(source.readBytes(), {
      documents: grouped(progress.succeeded),
      rate: grouped(rate),
      failed: progress.failed,
    });
  };
  try {
    const report = await client.collection(collection).bulk(source.operations, {
      batchLines: options.batch,
      concurrency: options.concurrency,
      onProgress,
      onFailure: (failure) => {
        if (failures.length < FAILURES_SHOWN) failures.push(failure);
      },
    });
    return { report, failures, tookMs: Math.round(performance.now() - startedMs) };
  } finally {
    bar?.stop();
  }
}

function progressBar(source: DocumentSource): SingleBar {
  const known = source.totalBytes !== undefined;
  const format = known
    ? "{bar} {percentage}%  {documents} documents  {rate}/s  ETA {eta_formatted}  {failed} failed"
    : "{documents} documents  {rate}/s  {duration_formatted}  {failed} failed";
  const bar = new SingleBar({ format, stream: process.stderr, hideCursor: true, etaBuffer: 40 });
  bar.start(source.totalBytes ?? 0, 0, { documents: "0", rate: "0", failed: 0 });
  return bar;
}

function printReport(
  context: Context,
  report: BulkReport,
  failures: readonly BulkFailure[],
  tookMs: number,
): void {
  const rate = Math.round((report.succeeded * 1000) / Math.max(1, tookMs));
  print(context, [
    `${grouped(report.succeeded)} documents (${byteSize(report.bytes)}) in ${duration(tookMs)}, ${grouped(rate)}/s; ${grouped(report.failed)} failed`,
  ]);
  for (const { position, operation, error } of failures) {
    const id = operation.id === undefined ? "" : ` (id ${operation.id})`;
    context.stderr.write(`  document ${position + 1}${id}: ${error.code}: ${error.detail}\n`);
  }
  if (report.failed > failures.length)
    context.stderr.write(`  ... and ${report.failed - failures.length} more\n`);
}
