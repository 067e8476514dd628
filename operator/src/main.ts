/** Runs a cluster on this machine until it is told to stop: the control plane here, nodes as child processes. */
import { readFile } from "node:fs/promises";
import { pino } from "pino";
import { ClusterFileError, parseClusterFile } from "./cluster-file.js";
import { ConfigError, parseConfig, USAGE } from "./config.js";
import { ClusterConflict } from "./control/cluster-bootstrap.js";
import { DirectoryInUse } from "./adapters/local/lock-file.js";
import { startLocalCluster } from "./local-cluster.js";

const EXIT_USAGE = 2;
const EXIT_FAILED = 1;

async function main(): Promise<void> {
  const config = parseConfig(process.argv.slice(2));
  const log = pino({ level: config.logLevel, base: { pid: process.pid } });
  const text = await readFile(config.clusterFile, "utf8");
  const cluster = parseClusterFile(text, config.clusterFile, (line) => log.warn(line));
  const started = startLocalCluster({
    cluster,
    dataDirectory: config.dataDirectory,
    adminPort: config.adminPort,
    wellKnownPorts: true,
    workersPerNode: config.workersPerNode,
    readyTimeoutMs: config.readyTimeoutMs,
    acceptDegraded: true,
    log,
  });
  const stop = (signal: NodeJS.Signals): void => {
    log.info({ signal }, "stopping");
    // A start that fails is reported where it is awaited; it has stopped everything by itself.
    void started.then(
      (running) => running.stop(),
      () => undefined,
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  const running = await started;
  const { started: how } = running;
  log[how === "ready" ? "info" : "warn"]({ nodes: running.addresses(), admin: running.adminUrl }, how);
}

main().catch((error: unknown) => {
  const [text, code] = explain(error);
  process.stderr.write(`${text}\n`);
  process.exitCode = code;
});

/** What the person who started it can act on, without a stack; the stack only when it is our fault. */
function explain(error: unknown): readonly [string, number] {
  if (error instanceof ConfigError) return [`${error.message}\n${USAGE}`, EXIT_USAGE];
  if (error instanceof ClusterFileError) return [error.message, EXIT_USAGE];
  if (error instanceof ClusterConflict || error instanceof DirectoryInUse)
    return [error.message, EXIT_FAILED];
  if (error instanceof Error && "code" in error) return [error.message, EXIT_FAILED];
  return [error instanceof Error ? (error.stack ?? error.message) : String(error), EXIT_FAILED];
}
