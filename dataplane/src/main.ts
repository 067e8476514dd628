/** The node program: reads settings, starts a node, and ends it when told to. */
import { fstatSync, readFileSync } from "node:fs";
import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { pino, type Logger } from "pino";
import { ExitCode, StartError } from "./adapters/files/start-error.js";
import { parseSettings, SettingsError, type NodeSettings } from "./config.js";
import { Node } from "./node.js";

/** Commits of all stores and name look-ups wait in one pool of threads: the default of 4 stalls them. */
const FEWEST_POOL_THREADS = 16;
const PARENT_POLL_MS = 500;
/** After a crash, what was already handed to the network may still leave. */
const LAST_WORDS_MS = 200;
/** A stop has bounds for each of its parts; past them a thread hangs in native code, where nothing can end it alone. */
const STOP_MAX_MS = 15_000;

async function main(): Promise<void> {
  const settings = readSettings();
  const logger = pino({ level: settings.logLevel, base: { node: settings.name } });
  dieOnUncaught(logger);
  // gRPC writes lines of its own shape to stderr; what they tell comes to us as errors too.
  setLogVerbosity(logVerbosity.NONE);
  warnOfRuntime(logger);
  const started = Node.start({
    settings,
    version: readVersion(),
    workerEntry: new URL("./worker/main.js", import.meta.url),
    onFatal: (detail) => die(logger, detail),
    logger,
  });
  stopWhenTold(started, settings, logger);
  try {
    const node = await started;
    logger.info(
      { ...node.addresses, nodeId: node.nodeId, bootId: node.bootId, pid: process.pid },
      "listening",
    );
  } catch (error) {
    const exitCode = error instanceof StartError ? error.exitCode : ExitCode.crash;
    logger.fatal(
      { detail: error instanceof Error ? error.message : String(error) },
      "the node does not start",
    );
    process.exit(exitCode);
  }
}

function readSettings(): NodeSettings {
  try {
    return parseSettings(process.argv.slice(2), process.env);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    for (const violation of error.violations) process.stderr.write(`${violation}\n`);
    process.exit(ExitCode.settings);
  }
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return (manifest as { readonly version: string }).version;
}

function warnOfRuntime(logger: Logger): void {
  const poolThreads = Number(process.env["UV_THREADPOOL_SIZE"] ?? 4);
  if (poolThreads < FEWEST_POOL_THREADS) {
    const fix = `start with UV_THREADPOOL_SIZE=${FEWEST_POOL_THREADS} or more`;
    logger.warn({ poolThreads, fix }, "few threads for disk writes: commits will wait for each other");
  }
}

/** State in memory is not to be trusted after an error that nobody expected: another start is. */
function dieOnUncaught(logger: Logger): void {
  process.on("uncaughtException", (error) => die(logger, error.stack ?? error.message));
  process.on("unhandledRejection", (reason) => {
    die(logger, reason instanceof Error ? (reason.stack ?? reason.message) : String(reason));
  });
}

function die(logger: Logger, detail: string): void {
  logger.fatal({ detail }, "the node can't go on");
  setTimeout(() => process.exit(ExitCode.crash), LAST_WORDS_MS);
}

function stopWhenTold(started: Promise<Node>, settings: NodeSettings, logger: Logger): void {
  let isStopping = false;
  const stop = (reason: string): void => {
    if (isStopping) {
      logger.warn({ reason }, "told to stop again: exits at once");
      process.exit(ExitCode.ok);
    }
    isStopping = true;
    killWhenStuck(reason, logger);
    void started.then(
      async (node) => {
        await node.stop(reason);
        process.exit(ExitCode.ok);
      },
      // Reported where the start is awaited.
      () => undefined,
    );
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));
  if (settings.exitWithParent) watchParent(() => isStopping || stop("the parent process ended"));
}

/**
 * Without it a node that can't stop outlives the process that started it, holds its ports and the lock
 * of its data, and nobody is left to end it. `process.exit` would wait for the thread that hangs.
 */
function killWhenStuck(reason: string, logger: Logger): void {
  const kill = (): void => {
    logger.fatal({ reason, afterMs: STOP_MAX_MS }, "the stop hangs: the process kills itself");
    process.kill(process.pid, "SIGKILL");
  };
  setTimeout(kill, STOP_MAX_MS).unref();
}

/** The parent's end closes our standard input; where that is not a pipe, the change of parent tells. */
function watchParent(onGone: () => void): void {
  const parent = process.ppid;
  const stdin = fstatSync(0);
  // Of anything else, such as /dev/null, the end says nothing.
  if (stdin.isFIFO() || stdin.isSocket()) {
    process.stdin.on("end", onGone);
    process.stdin.on("error", onGone);
    process.stdin.resume();
  }
  process.on("disconnect", onGone);
  setInterval(() => {
    if (process.ppid !== parent) onGone();
  }, PARENT_POLL_MS).unref();
}

await main();
