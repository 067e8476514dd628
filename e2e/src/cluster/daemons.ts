/**
 * Background processes that outlive the function, and where wanted the process, that started them. Each has
 * a record on disk with its command, so that it can be stopped or started again by another process later.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

interface DaemonRecord {
  readonly command: readonly string[];
  readonly pid: number;
  /** Of the process, in clock ticks since boot: a process that got the same pid later has another. */
  readonly startTicks: string;
}

export interface DaemonsOptions {
  /** Records and logs go here. */
  readonly directory: string;
  /** Killed by the system when the process that starts them ends, however it ends. */
  readonly endWithParent?: boolean;
}

const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 20;

export class Daemons {
  readonly #directory: string;
  readonly #prefix: readonly string[];

  constructor({ directory, endWithParent = false }: DaemonsOptions) {
    this.#directory = directory;
    this.#prefix = endWithParent ? ["setpriv", "--pdeathsig", "KILL"] : [];
    for (const name of ["daemons", "log"]) mkdirSync(join(directory, name), { recursive: true });
  }

  /** @throws {Error} when the program can't be started. */
  async start(name: string, command: readonly string[]): Promise<void> {
    const log = openSync(this.logOf(name), "a");
    const [program, ...args] = [...this.#prefix, ...command];
    const child = spawn(program!, args, {
      detached: true,
      stdio: ["ignore", log, log],
      cwd: this.#directory,
    });
    closeSync(log);
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    child.unref();
    const pid = child.pid!;
    const record: DaemonRecord = { command, pid, startTicks: statOf(pid)?.startTicks ?? "" };
    writeFileSync(this.#recordOf(name), JSON.stringify(record));
  }

  /** Starts what was started under this name before, with the same command. */
  async startAgain(name: string): Promise<void> {
    const record = this.#read(name);
    if (record === undefined) throw new Error(`${name} was never started in ${this.#directory}`);
    if (!this.isRunning(name)) await this.start(name, record.command);
  }

  isRunning(name: string): boolean {
    const record = this.#read(name);
    const stat = record === undefined ? undefined : statOf(record.pid);
    // A zombie has ended: where process 1 does not reap at once, it stays in the table for a while.
    return stat !== undefined && stat.startTicks === record?.startTicks && stat.state !== "Z";
  }

  pidOf(name: string): number {
    const record = this.#read(name);
    if (record === undefined || !this.isRunning(name)) throw new Error(`${name} does not run`);
    return record.pid;
  }

  /** Ends that one process, and waits for its end. The record stays: it can be started again. */
  async stop(name: string, signal: "SIGTERM" | "SIGKILL" = "SIGKILL"): Promise<void> {
    const record = this.#read(name);
    if (record === undefined) return;
    const deadlineMs = performance.now() + STOP_TIMEOUT_MS;
    let next = signal;
    while (this.isRunning(name)) {
      process.kill(record.pid, next);
      if (performance.now() > deadlineMs) throw new Error(`${name} (process ${record.pid}) does not end`);
      if (performance.now() > deadlineMs - STOP_TIMEOUT_MS / 2) next = "SIGKILL";
      await delay(POLL_MS);
    }
  }

  names(): string[] {
    return readdirSync(join(this.#directory, "daemons")).map((file) => file.replace(/\.json$/, ""));
  }

  logOf(name: string): string {
    return join(this.#directory, "log", `${name}.log`);
  }

  #recordOf(name: string): string {
    return join(this.#directory, "daemons", `${name}.json`);
  }

  #read(name: string): DaemonRecord | undefined {
    try {
      return JSON.parse(readFileSync(this.#recordOf(name), "utf8")) as DaemonRecord;
    } catch {
      return undefined;
    }
  }
}

/** proc(5): the name, in parentheses, may hold spaces; state is the first field behind it, the start time the twentieth. */
function statOf(pid: number): { readonly state: string; readonly startTicks: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0]!, startTicks: fields[19]! };
  } catch {
    return undefined;
  }
}
