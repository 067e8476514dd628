/** The operator as its own process, as a person starts it: its nodes are processes below it. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StatusResponse } from "@prism/api/status";
import { clusterOf, isQuiet } from "./cluster-under-test.js";
import { waitUntil } from "./wait-until.js";

const PROGRAM = fileURLToPath(import.meta.resolve("@prism/operator/main"));
const READY_TIMEOUT_MS = 60_000;

export interface OperatorOptions {
  /** Empty or with the data of an earlier run; the cluster file lies beside it. */
  readonly dataDirectory: string;
  readonly spec?: Readonly<Record<string, unknown>>;
  /** Of the operator, and so of its nodes. */
  readonly env?: Readonly<Record<string, string>>;
}

interface Listening {
  readonly pid: number;
  readonly httpUrl: string;
  readonly adminUrl: string;
}

export class OperatorProcess {
  readonly #options: OperatorOptions;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  #output = "";

  /** Returns as soon as the process exists. */
  static async start(options: OperatorOptions): Promise<OperatorProcess> {
    const clusterFile = `${options.dataDirectory}.yaml`;
    // JSON is YAML.
    await writeFile(clusterFile, JSON.stringify(clusterOf(options.spec)));
    const flags = ["--cluster", clusterFile, "--data", options.dataDirectory];
    const child = spawn(process.execPath, [PROGRAM, ...flags, "--admin-port", "0", "--workers", "2"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
    });
    return new OperatorProcess(options, child);
  }

  private constructor(options: OperatorOptions, child: ChildProcess) {
    this.#options = options;
    this.#child = child;
    this.#exit = once(child, "close");
    child.stdout?.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error("the operator did not start");
    return this.#child.pid;
  }

  /** All that the process has written. */
  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves with its exit code; null after a signal. */
  async ended(timeoutMs = READY_TIMEOUT_MS): Promise<number | null> {
    await waitUntil("the operator to end", timeoutMs, () => this.hasEnded);
    await this.#exit;
    return this.#child.exitCode;
  }

  async status(): Promise<StatusResponse> {
    const path = join(this.#options.dataDirectory, "operator.json");
    const { adminUrl, pid } = JSON.parse(await readFile(path, "utf8")) as { adminUrl: string; pid: number };
    if (pid !== this.pid) throw new Error("operator.json is of an earlier process");
    return (await (await fetch(`${adminUrl}/status`)).json()) as StatusResponse;
  }

  /** Waits until the status has this property. */
  async waitFor(
    what: string,
    condition: (status: StatusResponse) => boolean,
    timeoutMs = READY_TIMEOUT_MS,
  ): Promise<StatusResponse> {
    let last: StatusResponse | undefined;
    try {
      return await waitUntil(what, timeoutMs, async () => {
        last = await this.status();
        return condition(last) && last;
      });
    } catch (error) {
      const problems = last?.problems.map((problem) => `${problem.object} ${problem.reason}`).join(", ");
      const seen = `status ${last?.status ?? "none"} (${problems ?? ""}), output ${this.#output.slice(-2000)}`;
      throw new Error(`${what}: ${seen}`, { cause: error });
    }
  }

  /** All nodes run and every shard has all its copies in sync. */
  async ready(timeoutMs = READY_TIMEOUT_MS): Promise<StatusResponse> {
    return this.waitFor("a ready cluster", ({ status }) => status === "ok", timeoutMs);
  }

  /** Once nobody writes: ready, and every copy has all that is committed. */
  async settled(): Promise<StatusResponse> {
    return this.waitFor(
      "a settled cluster",
      ({ status, shards }) => status === "ok" && shards.every(isQuiet),
    );
  }

  /** What each node process says of itself. */
  async nodes(): Promise<readonly Listening[]> {
    const directory = join(this.#options.dataDirectory, "nodes");
    const nodes: Listening[] = [];
    for (const name of (await readdir(directory)).sort()) {
      const path = join(directory, name, "data", "listening.json");
      try {
        nodes.push(JSON.parse(await readFile(path, "utf8")) as Listening);
      } catch (error) {
        const isNotThere = (error as NodeJS.ErrnoException).code === "ENOENT" || error instanceof SyntaxError;
        if (!isNotThere) throw error;
      }
    }
    return nodes;
  }

  /** Ends the operator, which ends its nodes first. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#child.kill(signal);
    await this.ended();
  }

  /** Ends the operator and all its nodes at one stroke, as a power cut does. */
  async killAll(): Promise<void> {
    const pids = [this.pid, ...(await this.nodes()).map((node) => node.pid)];
    for (const pid of pids) kill(pid);
    await this.ended();
    await waitUntil("all processes to be gone", 10_000, () => pids.every((pid) => !isAlive(pid)));
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
