/** The data directory of a local cluster: who runs it, and where its nodes answer. */
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, open, readdir, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { statusResponseSchema, type StatusResponse } from "@prism/api/status";
import { CommandError, EXIT } from "./exit-code.js";

export interface OperatorFile {
  readonly pid: number;
  readonly clusterName: string;
  readonly clusterId: string;
  readonly adminUrl: string;
  /** How its start ended; missing while it starts. */
  readonly started?: "ready" | "degraded";
}

/** What a node wrote when it began to listen. */
export interface ListeningNode {
  readonly name: string;
  readonly httpUrl: string;
  readonly adminUrl: string;
  /** Its process is there. */
  readonly alive: boolean;
}

const OPERATOR_PROGRAM = fileURLToPath(import.meta.resolve("@prism/operator/main"));
const POLL_MS = 100;
const ANSWER_TIMEOUT_MS = 2000;
const LOG_BYTES_KEPT = 16 * 1024 * 1024;

export interface RunningOperator extends OperatorFile {
  /** undefined: it does not answer, or not yet. */
  readonly status: StatusResponse | undefined;
}

/** The running operator of the directory, or undefined when none runs. */
export async function readOperator(directory: string): Promise<RunningOperator | undefined> {
  const file = await readOperatorFile(directory);
  if (file === undefined || !isAlive(file.pid)) return undefined;
  const answer = await askStatus(file);
  return answer === "absent" ? undefined : { ...file, status: answer === "silent" ? undefined : answer };
}

/** Why no cluster runs in the directory, and what to do. */
export async function describeAbsence(directory: string): Promise<string> {
  const file = await readOperatorFile(directory);
  if (file === undefined) return `no cluster runs in ${directory}`;
  return (
    `cluster ${file.clusterName} in ${directory} has ended without being told to: ` +
    `its control plane, process ${file.pid}, is gone, and nodes end with it (see ${join(directory, "operator.log")})`
  );
}

async function readOperatorFile(directory: string): Promise<OperatorFile | undefined> {
  return (await readJson(join(directory, "operator.json"))) as OperatorFile | undefined;
}

/**
 * A process id alone is soon another process's. The control plane listens before it writes its file and
 * until it has removed it, so where nothing listens, or somebody else does, it is gone.
 */
async function askStatus(file: OperatorFile): Promise<StatusResponse | "absent" | "silent"> {
  try {
    const response = await fetch(`${file.adminUrl}/status`, {
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    if (response.status === 503) return "silent";
    const status = statusResponseSchema.safeParse(await response.json());
    return status.data?.clusterId === file.clusterId ? status.data : "absent";
  } catch (error) {
    return (error as Error).name === "TimeoutError" ? "silent" : "absent";
  }
}

/** The nodes of the directory that have been started, by what they wrote. */
export async function listeningNodes(directory: string): Promise<ListeningNode[]> {
  const found: ListeningNode[] = [];
  for (const name of await nodeNames(directory)) {
    const file = (await readJson(join(directory, "nodes", name, "data", "listening.json"))) as
      { pid: number; httpUrl: string; adminUrl: string } | undefined;
    if (file === undefined) continue;
    const { pid, httpUrl, adminUrl } = file;
    found.push({ name, httpUrl, adminUrl, alive: isAlive(pid) });
  }
  return found;
}

export async function nodeNames(directory: string): Promise<string[]> {
  try {
    return (await readdir(join(directory, "nodes"))).sort();
  } catch {
    return [];
  }
}

/**
 * Starts the control plane as a process of its own and waits until every node is ready, or some are and
 * the others keep ending. Interrupted meanwhile, it ends what it has started.
 *
 * @throws {CommandError} with what it said when it ended or was not ready in time.
 */
export async function startOperator(
  directory: string,
  clusterFile: string,
  timeoutMs: number,
): Promise<OperatorFile> {
  await mkdir(directory, { recursive: true });
  const logPath = join(directory, "operator.log");
  const logStart = await makeRoom(logPath);
  const log = await open(logPath, "a");
  const child = spawn(
    process.execPath,
    [OPERATOR_PROGRAM, ...operatorFlags(directory, clusterFile, timeoutMs)],
    // A session of its own: it outlives the terminal.
    { detached: true, stdio: ["ignore", log.fd, log.fd] },
  );
  await log.close();
  child.unref();
  const interrupted = endWith(child);
  try {
    // The control plane gives up by itself at the same time, and says why.
    const deadlineMs = Date.now() + timeoutMs + 5000;
    while (Date.now() < deadlineMs && !hasEnded(child)) {
      const operator = await readOperatorFile(directory);
      if (operator?.pid === child.pid && operator?.started !== undefined) return operator;
      await delay(POLL_MS);
    }
  } finally {
    interrupted.forget();
  }
  const ended = hasEnded(child);
  if (!ended) child.kill("SIGTERM");
  const why = ended ? "the cluster did not start" : `the cluster was not ready within ${timeoutMs / 1000} s`;
  throw new CommandError(`${why}:\n${await explanation(logPath, logStart)}`, EXIT.failed.code);
}

function operatorFlags(directory: string, clusterFile: string, timeoutMs: number): string[] {
  const flags = ["--cluster", clusterFile, "--data", directory];
  return [...flags, "--admin-port", "0", "--ready-timeout-ms", String(timeoutMs)];
}

/** Ctrl-C ends the child too, which a session of its own would otherwise keep from it. */
function endWith(child: ChildProcess): { forget(): void } {
  const end = (signal: NodeJS.Signals): void => {
    child.kill("SIGTERM");
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  return {
    forget: () => {
      process.off("SIGINT", end);
      process.off("SIGTERM", end);
    },
  };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Ends the operator, which ends its nodes. False when it did not end in time. */
export async function stopOperator(operator: OperatorFile, timeoutMs: number): Promise<boolean> {
  const deadlineMs = Date.now() + timeoutMs;
  for (let told = false; isAlive(operator.pid); told = true) {
    if (!told) process.kill(operator.pid, "SIGTERM");
    if (Date.now() > deadlineMs) return false;
    await delay(POLL_MS);
  }
  return true;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return !isZombie(pid);
}

/** A process that has ended and that nobody has waited for still answers signals (proc(5): state Z or X). */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return /^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

/** Moves a log that has grown large aside; returns where the new part begins. */
async function makeRoom(path: string): Promise<number> {
  try {
    const { size } = await stat(path);
    if (size <= LOG_BYTES_KEPT) return size;
    await rename(path, `${path}.1`);
    return 0;
  } catch {
    return 0;
  }
}

/** What the control plane said for people since then; else the end of its log. */
async function explanation(logPath: string, from: number): Promise<string> {
  const text = (await readFile(logPath)).subarray(from).toString("utf8");
  const lines = text.split("\n").filter((line) => line !== "");
  const forPeople = lines.filter((line) => !line.startsWith("{"));
  if (forPeople.length > 0) return forPeople.slice(0, 20).join("\n");
  return [`the end of ${logPath}:`, ...lines.slice(-12)].join("\n");
}

/** The value of a JSON file; undefined when it is missing or half written. */
async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as unknown;
  } catch {
    return undefined;
  }
}
