/** The control plane as a process of its own, as `prism up` has it: nodes are processes below it. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { StatusResponse } from "@prism/api/status";

const PROGRAM = fileURLToPath(import.meta.resolve("@prism/operator/main"));
const POLL_MS = 50;
const TIMEOUT_MS = 120_000;

interface Listening {
  readonly pid: number;
  readonly httpUrl: string;
}

export class OperatorProcess {
  readonly #dataDirectory: string;
  #child: ChildProcess;

  /** Returns as soon as the process exists. */
  static async start(definition: unknown, dataDirectory: string): Promise<OperatorProcess> {
    await mkdir(dataDirectory, { recursive: true });
    // JSON is YAML.
    await writeFile(`${dataDirectory}.yaml`, JSON.stringify(definition));
    return new OperatorProcess(dataDirectory);
  }

  private constructor(dataDirectory: string) {
    this.#dataDirectory = dataDirectory;
    this.#child = this.#spawn();
  }

  /** After `killWith`. */
  startAgain(): void {
    this.#child = this.#spawn();
  }

  async status(): Promise<StatusResponse | undefined> {
    try {
      const text = await readFile(join(this.#dataDirectory, "operator.json"), "utf8");
      const { adminUrl, pid } = JSON.parse(text) as { readonly adminUrl: string; readonly pid: number };
      if (pid !== this.#child.pid) return undefined;
      return (await (await fetch(`${adminUrl}/status`)).json()) as StatusResponse;
    } catch {
      // Not up yet: whoever waits asks again.
      return undefined;
    }
  }

  async inSync(shards: number): Promise<StatusResponse> {
    const deadlineMs = performance.now() + TIMEOUT_MS;
    for (;;) {
      const status = await this.status();
      if (status?.status === "ok" && status.shards.length >= shards) return status;
      if (performance.now() > deadlineMs) throw new Error(`not all copies in sync after ${TIMEOUT_MS} ms`);
      await sleep(POLL_MS);
    }
  }

  async nodes(): Promise<ReadonlyMap<string, Listening>> {
    const directory = join(this.#dataDirectory, "nodes");
    const nodes = new Map<string, Listening>();
    for (const name of await readdir(directory)) {
      const text = await readFile(join(directory, name, "data", "listening.json"), "utf8");
      nodes.set(name, JSON.parse(text) as Listening);
    }
    return nodes;
  }

  /** Kills control plane and one node at one stroke; resolves when the control plane is gone. */
  async killWith(node: string): Promise<void> {
    const pid = (await this.nodes()).get(node)?.pid;
    if (pid === undefined) throw new Error(`${node} has no process`);
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    process.kill(pid, "SIGKILL");
    await gone;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await gone;
  }

  #spawn(): ChildProcess {
    const flags = ["--cluster", `${this.#dataDirectory}.yaml`, "--data", this.#dataDirectory];
    flags.push("--admin-port", "0", "--workers", "1", "--log-level", "error");
    return spawn(process.execPath, [PROGRAM, ...flags], { stdio: ["ignore", "ignore", "inherit"] });
  }
}
