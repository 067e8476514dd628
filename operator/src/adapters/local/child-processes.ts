import { join } from "node:path";
import type { NodeWorkload, WorkloadEvent, WorkloadStatus, Workloads } from "../../ports/workloads.js";
import { NodeChild } from "./child-process.js";

export interface ChildProcessesOptions {
  /** The node program: dist/main.js of the data plane. */
  readonly program: string;
  /** Each node has a folder here. */
  readonly directory: string;
  /** 3080, 7000 and 3090 where free; false: any free ports, for clusters that run side by side. */
  readonly wellKnownPorts: boolean;
  /** For every node; what the environment of this process says goes before it. */
  readonly defaultEnv?: Readonly<Record<string, string>>;
  /** First delay before an ended process is started again, default 200 ms; doubles up to 30 s. */
  readonly backOffBaseMs?: number;
  /** From SIGTERM to SIGKILL, default 10 s. */
  readonly stopTimeoutMs?: number;
}

const BACK_OFF_MAX_MS = 30_000;
const STABLE_RUN_MS = 30_000;

/** Workloads of one machine: each node is a child process of this one and ends with it. */
export class ChildProcesses implements Workloads {
  readonly #options: ChildProcessesOptions;
  readonly #children = new Map<string, NodeChild>();
  readonly #listeners = new Set<(event: WorkloadEvent) => void>();
  #nextIndex = 0;

  constructor(options: ChildProcessesOptions) {
    this.#options = options;
  }

  async ensure(workload: NodeWorkload): Promise<void> {
    const present = this.#children.get(workload.name);
    if (present?.isFor(workload)) return;
    if (present) await this.remove(workload.name);
    const { program, directory, wellKnownPorts, backOffBaseMs = 200, stopTimeoutMs = 10_000 } = this.#options;
    const child = new NodeChild(workload, {
      program,
      directory: join(directory, workload.name),
      index: this.#nextIndex,
      wellKnownPorts,
      defaultEnv: this.#options.defaultEnv ?? {},
      backOff: { baseMs: backOffBaseMs, maxMs: BACK_OFF_MAX_MS, stableMs: STABLE_RUN_MS },
      stopTimeoutMs,
      random: Math.random,
      onEvent: (event) => {
        for (const listener of this.#listeners) listener(event);
      },
    });
    this.#nextIndex += 1;
    this.#children.set(workload.name, child);
    await child.start();
  }

  async remove(name: string): Promise<void> {
    const child = this.#children.get(name);
    if (!child) return;
    await child.stop();
    child.close();
    this.#children.delete(name);
  }

  list(): readonly WorkloadStatus[] {
    return [...this.#children.values()].map((child) => child.status);
  }

  watch(listener: (event: WorkloadEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#children.keys()].map((name) => this.remove(name)));
  }

  /** One node's process itself, for tests and demonstrations of failure. */
  child(name: string): NodeChild | undefined {
    return this.#children.get(name);
  }
}
