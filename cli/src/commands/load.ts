/** `prism load`: documents from a file or standard input, with progress, rate and what failed. */
import { SingleBar } from "cli-progress";
import type { BulkProgress } from "@prism/client";
import { connect } from "../connection.js";
import { type Context, print, printJson, type GlobalOptions } from "../context.js";
import { openDocuments, type DocumentSource } from "../document-source.js";
import { EXIT } from "../exit-code.js";
import { byteSize, counted, duration, grouped } from "../terminal.js";

export interface LoadOptions {
  readonly id?: string;
  readonly batch: number;
  readonly concurrency: number;
}

const FAILURES_SHOWN = 10;

/** One that was not written: by its place in the source. */
interface Failure {
  readonly where: string;
  readonly id?: string;
  readonly code: string;
  readonly detail: string;
}

interface Report {
  readonly succeeded: number;
  readonly failed: number;
  readonly bytes: number;
  readonly tookMs: number;
  readonly session: string;
  /** The first ones. */
  readonly failures: readonly Failure[];
}

/** Returns 0, or 1 when a document failed. */
export async function load(
  context: Context,
  collection: string,
  file: string,
  options: LoadOptions,
  global: GlobalOptions,
): Promise<number> {
  const failures: Failure[] = [];
  let badLines = 0;
  const note = (failure: Failure): void => {
    if (failures.length < FAILURES_SHOWN) failures.push(failure);
  };
  const source = await openDocuments(file, context.stdin, options.id, ({ where, detail }) => {
    badLines += 1;
    note({ where, code: "notADocument", detail });
  });
  if (file === "-" && context.stdin.isTTY === true)
    context.stderr.write("reading documents from the terminal, one JSON object a line; Ctrl-D ends\n");
  const client = await connect(global);
  const startedMs = performance.now();
  try {
    const bar = global.json || context.stderr.isTTY !== true ? undefined : progressBar(source);
    try {
      const written = await client.collection(collection).bulk(source.operations, {
        batchLines: options.batch,
        concurrency: options.concurrency,
        onProgress: (progress) => show(bar, source, progress, badLines, startedMs),
        onFailure: ({ operation, error: { code, detail } }) => {
          const id = operation.id === undefined ? {} : { id: operation.id };
          note({ where: source.whereOf(operation), ...id, code, detail });
        },
      });
      bar?.update(source.readBytes());
      const tookMs = Math.round(performance.now() - startedMs);
      const report = { ...written, failed: written.failed + badLines, tookMs, failures };
      bar?.stop();
      if (global.json) printJson(context, report);
      else printReport(context, report);
      return report.failed > 0 ? EXIT.failed.code : EXIT.ok.code;
    } finally {
      bar?.stop();
    }
  } finally {
    await client.close();
  }
}

function show(
  bar: SingleBar | undefined,
  source: DocumentSource,
  progress: BulkProgress,
  badLines: number,
  startedMs: number,
): void {
  const seconds = (performance.now() - startedMs) / 1000;
  bar?.update(source.readBytes(), {
    documents: grouped(progress.succeeded),
    rate: grouped(Math.round(progress.succeeded / seconds)),
    failed: progress.failed + badLines,
  });
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

function printReport(context: Context, report: Report): void {
  const { succeeded, failed, bytes, tookMs, failures } = report;
  const rate = Math.round((succeeded * 1000) / Math.max(1, tookMs));
  const took = tookMs < 10_000 ? `${(tookMs / 1000).toFixed(1)} s` : duration(tookMs);
  print(context, [
    `${counted(succeeded, "document")} written (${byteSize(bytes)}) in ${took}, ${grouped(rate)}/s; ${grouped(failed)} failed`,
  ]);
  for (const { where, id, code, detail } of failures) {
    context.stderr.write(`  ${where}${id === undefined ? "" : ` (id ${id})`}: ${code}: ${detail}\n`);
  }
  if (failed > failures.length) context.stderr.write(`  ... and ${grouped(failed - failures.length)} more\n`);
}
