/** The data directory of a local cluster: who runs it, and where its nodes answer. */
import { spawn } from "node:child_process";
import { mkdir, open, readFile } from "node:fs/promises";
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
}

const OPERATOR_PROGRAM = fileURLToPath(import.meta.resolve("@prism/operator/main"));
const POLL_MS = 100;

/** The running operator of the directory, or undefined when none runs. */
export async function readOperator(directory: string): Promise<OperatorFile | undefined> {
  let text: string;
  try {
    text = await readFile(join(directory, "operator.json"), "utf8");
  } catch {
    return undefined;
  }
  const file = JSON.parse(text) as OperatorFile;
  return isAlive(file.pid) ? file : undefined;
}

export async function readStatus(operator: OperatorFile): Promise<StatusResponse | undefined> {
  try {
    const response = await fetch(`${operator.adminUrl}/status`, { signal: AbortSignal.timeout(2000) });
    return response.ok ? statusResponseSchema.parse(await response.json()) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Starts the control plane as a process of its own and waits until every node is ready.
 *
 * @throws {CommandError} with the end of its log when it ended or was not ready in time.
 */
export async function startOperator(
  directory: string,
  clusterFile: string,
  timeoutMs: number,
): Promise<OperatorFile> {
  await mkdir(directory, { recursive: true });
  const logPath = join(directory, "operator.log");
  const log = await open(logPath, "a");
  const child = spawn(
    process.execPath,
    [OPERATOR_PROGRAM, "--cluster", clusterFile, "--data", directory, "--admin-port", "0"],
    {
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
    },
  );
  await log.close();
  child.unref();
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const deadlineMs = Date.now() + timeoutMs;
  while (Date.now() < deadlineMs && !hasEnded()) {
    const operator = await readOperator(directory);
    if (operator !== undefined && operator.pid === child.pid && (await isReady(operator))) return operator;
    await delay(POLL_MS);
  }
  const ended = hasEnded();
  const why = ended ? "the control plane ended" : `not ready within ${timeoutMs} ms`;
  if (!ended) child.kill("SIGTERM");
  throw new CommandError(`${why}; the end of ${logPath}:\n${await tail(logPath)}`, EXIT.failed.code);
}

/** Ends the operator, which ends its nodes. False when it did not end in time. */
export async function stopOperator(operator: OperatorFile, timeoutMs: number): Promise<boolean> {
  process.kill(operator.pid, "SIGTERM");
  const deadlineMs = Date.now() + timeoutMs;
  while (isAlive(operator.pid)) {
    if (Date.now() > deadlineMs) return false;
    await delay(POLL_MS);
  }
  return true;
}

async function isReady(operator: OperatorFile): Promise<boolean> {
  try {
    return (await fetch(`${operator.adminUrl}/readyz`, { signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function tail(path: string): Promise<string> {
  const text = await readFile(path, "utf8");
  return text.split("\n").slice(-12).join("\n");
}
