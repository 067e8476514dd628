/**
 * One node of the local cluster: a child process, kept running until it is removed.
 *
 *   starting --listening.json--> running --exit--> backOff --delay--> starting ...
 *
 * The delay doubles with each exit and starts over after a stable run. A process that can't even be
 * started counts as one that ended. The node ends itself when its standard input closes, so it can't
 * outlive this process however that ends.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { NodeWorkload, WorkloadEvent, WorkloadState, WorkloadStatus } from "../../ports/workloads.js";
import { areFree, choosePorts, type NodePorts } from "./free-ports.js";
import { LastWords } from "./last-words.js";
import { LogFile } from "./log-file.js";

/**
 * V8 begins with a heap of some 20 MB and marks all of it for each 6 MB more, which under writes is every
 * second; and what a request holds while it waits for disks outlives the small young generation.
 */
const RUNTIME_FLAGS = ["--max-semi-space-size=32", "--initial-old-space-size=96"];

export interface ChildOptions {
  /** The node program: dist/main.js of the data plane. */
  readonly program: string;
  /** Folder of this node: its data, its log, its ports. */
  readonly directory: string;
  readonly index: number;
  readonly wellKnownPorts: boolean;
  readonly defaultEnv: Readonly<Record<string, string>>;
  readonly backOff: { readonly baseMs: number; readonly maxMs: number; readonly stableMs: number };
  /** From SIGTERM to SIGKILL. */
  readonly stopTimeoutMs: number;
  readonly random: () => number;
  readonly onEvent: (event: WorkloadEvent) => void;
}

interface Listening {
  readonly pid: number;
  readonly peerAddress: string;
  readonly httpUrl: string;
  readonly adminUrl: string;
}

const POLL_MS = 15;
/** Longer than a node takes that is told to stop. */
const PORTS_WAIT_MS = 10_000;

export class NodeChild {
  readonly #options: ChildOptions;
  readonly #workload: NodeWorkload;
  readonly #log: LogFile;
  #child: ChildProcess | undefined;
  #state: WorkloadState = "starting";
  #sinceMs = Date.now();
  #startedAtMs = 0;
  #exitsInARow = 0;
  #lastExit: string | undefined;
  #retryAtMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #listening: Listening | undefined;
  #wanted = true;
  #starting: Promise<void> = Promise.resolve();

  constructor(workload: NodeWorkload, options: ChildOptions) {
    this.#workload = workload;
    this.#options = options;
    this.#log = new LogFile(join(options.directory, "node.log"));
  }

  get status(): WorkloadStatus {
    return {
      name: this.#workload.name,
      state: this.#state,
      sinceMs: this.#sinceMs,
      exitsInARow: this.#exitsInARow,
      lastExit: this.#lastExit,
      retryAtMs: this.#retryAtMs,
      pid: this.#child?.pid,
      peerAddress: this.#listening?.peerAddress,
      httpUrl: this.#listening?.httpUrl,
      adminUrl: this.#listening?.adminUrl,
    };
  }

  isFor(workload: NodeWorkload): boolean {
    return isDeepStrictEqual(this.#workload, workload);
  }

  /** Resolves when the process exists or can't be made; `status` and events say whether it works. */
  start(): Promise<void> {
    this.#wanted = true;
    this.#starting = this.#starting
      .then(() => this.#spawn())
      .catch((error: unknown) => this.#onEnd(null, null, (error as Error).message));
    return this.#starting;
  }

  /** Sends a signal to the process as it is now; it is started again when that ends it. */
  kill(signal: NodeJS.Signals): boolean {
    return this.#child?.kill(signal) ?? false;
  }

  /** Ends the process and does not start it again. Resolves when it is gone. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#wanted = false;
    this.#clearTimer();
    await this.#starting;
    const child = this.#child;
    if (child) {
      const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill(signal);
      const forced = setTimeout(() => child.kill("SIGKILL"), this.#options.stopTimeoutMs);
      await gone;
      clearTimeout(forced);
    }
    this.#enter("stopped");
  }

  close(): void {
    this.#log.close();
  }

  async #spawn(): Promise<void> {
    if (!this.#wanted || this.#child) return;
    const { directory, program } = this.#options;
    const dataDirectory = join(directory, "data");
    await mkdir(dataDirectory, { recursive: true });
    await rm(join(dataDirectory, "listening.json"), { force: true });
    const ports = await this.#ports();
    if (!this.#wanted) return;
    this.#enter("starting");
    this.#startedAtMs = Date.now();
    this.#listening = undefined;
    const child = spawn(process.execPath, [...RUNTIME_FLAGS, program, ...this.#flags(dataDirectory, ports)], {
      stdio: ["pipe", "pipe", "pipe"],
      // A group of its own: Ctrl-C in a terminal is for the control plane, which ends its nodes in order.
      detached: true,
      env: { ...this.#options.defaultEnv, ...process.env, UV_THREADPOOL_SIZE: "32", ...this.#workload.env },
    });
    this.#child = child;
    const words = new LastWords();
    const hear = (chunk: Buffer): void => {
      words.hear(chunk);
      this.#log.write(chunk);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.stdin.on("error", () => undefined);
    child.once("error", (error) => {
      hear(Buffer.from(`cannot start the node: ${error.message}\n`));
      if (child.pid === undefined) this.#onExit(child, null, null, words);
    });
    child.once("exit", (code, signal) => this.#onExit(child, code, signal, words));
    this.#awaitListening(child, join(dataDirectory, "listening.json"));
  }

  #flags(dataDirectory: string, ports: NodePorts): string[] {
    const { name, workers } = this.#workload;
    const flags = ["--name", name, "--data", dataDirectory];
    flags.push("--http-address", `127.0.0.1:${ports.http}`);
    flags.push("--peer-address", `127.0.0.1:${ports.peer}`);
    flags.push("--admin-address", `127.0.0.1:${ports.admin}`);
    if (workers > 0) flags.push("--workers", String(workers));
    flags.push("--exit-with-parent");
    return flags;
  }

  /** The ports of the last start, unless somebody else took them meanwhile. */
  async #ports(): Promise<NodePorts> {
    const path = join(this.#options.directory, "ports.json");
    const kept = (await readJson(path)) as NodePorts | undefined;
    if (kept && (await this.#getFree(kept))) return kept;
    const ports = await choosePorts(this.#options.index, this.#options.wellKnownPorts);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.new`, JSON.stringify(ports));
    await rename(`${path}.new`, path);
    return ports;
  }

  /** The node of a control plane that was killed may still be ending: clients know it by these ports. */
  async #getFree(ports: NodePorts): Promise<boolean> {
    const deadlineMs = performance.now() + PORTS_WAIT_MS;
    while (!(await areFree(ports))) {
      if (!this.#wanted || performance.now() > deadlineMs) return false;
      await sleep(POLL_MS);
    }
    return true;
  }

  #awaitListening(child: ChildProcess, path: string): void {
    const look = async (): Promise<void> => {
      const found = (await readJson(path)) as Listening | undefined;
      if (this.#child !== child) return;
      if (found?.pid !== child.pid || !found?.peerAddress) {
        setTimeout(() => void look(), POLL_MS).unref();
        return;
      }
      this.#listening = found;
      this.#enter("running");
      const { name } = this.#workload;
      this.#options.onEvent({ kind: "listening", name, peerAddress: found.peerAddress });
    };
    void look();
  }

  #onExit(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null, words: LastWords): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#listening = undefined;
    this.#onEnd(code, signal, words.text);
  }

  #onEnd(code: number | null, signal: NodeJS.Signals | null, detail: string): void {
    const { name } = this.#workload;
    const expected = !this.#wanted;
    const how = signal ?? (code === null ? "not started" : `exit code ${code}`);
    this.#lastExit = detail === "" ? how : `${how}: ${detail}`;
    if (this.#wanted) this.#scheduleRestart();
    this.#options.onEvent({ kind: "exited", name, code, signal, detail, expected });
  }

  #scheduleRestart(): void {
    const { baseMs, maxMs, stableMs } = this.#options.backOff;
    const stable = Date.now() - this.#startedAtMs >= stableMs;
    this.#exitsInARow = stable ? 1 : this.#exitsInARow + 1;
    const delayMs = Math.min(maxMs, baseMs * 2 ** Math.min(this.#exitsInARow - 1, 20));
    // Nodes that fall together do not rise together.
    const jittered = delayMs * (0.75 + this.#options.random() * 0.5);
    this.#retryAtMs = Date.now() + jittered;
    this.#enter("backOff");
    this.#timer = setTimeout(() => {
      this.#retryAtMs = undefined;
      void this.start();
    }, jittered);
  }

  #clearTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#retryAtMs = undefined;
  }

  #enter(state: WorkloadState): void {
    this.#state = state;
    this.#sinceMs = Date.now();
  }
}

/** The file's content; undefined when it is missing or half written. */
async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (missing || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
