/** `make bench`: measures, prints and writes down how fast Prism is. */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { BenchRun } from "./bench-run.js";
import { parseOptions, USAGE, type BenchOptions } from "./options.js";
import { renderMarkdown, renderText, renderWritesText } from "./report.js";

const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
const BAD_USAGE = 2;

async function main(): Promise<number> {
  if (process.argv.includes("--operator-scale")) {
    await import("./operator-scale/main.js");
    return 0;
  }
  let options: BenchOptions | undefined;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return BAD_USAGE;
  }
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  return measure(options);
}

async function measure(options: BenchOptions): Promise<number> {
  const startMs = performance.now();
  const progress = (line: string): void => {
    process.stderr.write(`${((performance.now() - startMs) / 1000).toFixed(1).padStart(6)} s  ${line}\n`);
  };
  const run = new BenchRun(options, progress);
  const { signal, giveUp } = endOfRun(options.scale.timeoutMs);
  try {
    if (options.isWritesOnly) {
      const writes = await Promise.race([run.measureWrites(`${REPOSITORY}.prism`), signal]);
      process.stdout.write(
        options.asJson ? `${JSON.stringify(writes, null, 2)}\n` : renderWritesText(writes),
      );
      return 0;
    }
    const results = await Promise.race([run.measure(`${REPOSITORY}.prism`), signal]);
    process.stdout.write(options.asJson ? `${JSON.stringify(results, null, 2)}\n` : renderText(results));
    if (!options.isQuick) {
      await writeFile(`${REPOSITORY}docs/benchmarks.json`, `${JSON.stringify(results, null, 2)}\n`);
      await writeFile(`${REPOSITORY}docs/benchmarks.md`, renderMarkdown(results));
    }
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return 1;
  } finally {
    giveUp();
    await run.cleanUp();
  }
}

/** Rejects when the time is over or the process is told to stop, so that clean-up always happens. */
function endOfRun(timeoutMs: number): { signal: Promise<never>; giveUp: () => void } {
  let giveUp = (): void => undefined;
  const signal = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(new Error(`not done after ${timeoutMs / 1000} s`)), timeoutMs);
    const onSignal = (name: NodeJS.Signals): void => reject(new Error(`ended by ${name}`));
    process.once("SIGINT", onSignal);
    process.once("SIGTERM", onSignal);
    giveUp = () => clearTimeout(timer);
  });
  signal.catch(() => undefined);
  return { signal, giveUp };
}

process.exit(await main());
