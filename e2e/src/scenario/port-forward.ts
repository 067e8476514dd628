import { spawn, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { kubeBinaries } from "../cluster/kube-binary.js";

const START_TIMEOUT_MS = 30_000;
const AGAIN_MS = 200;

/**
 * A way to a Service of a cluster whose addresses this machine does not reach. It leads to one of its pods; when that
 * ends, another one is looked for, and the way has the same address again.
 */
export class PortForward {
  readonly url: string;
  readonly #command: readonly string[];
  #process: ChildProcess;
  #again: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(url: string, process: ChildProcess, command: readonly string[]) {
    this.url = url;
    this.#process = process;
    this.#command = command;
    this.#follow(process);
  }

  /** @throws {Error} when kubectl ends, or says nothing in time. */
  static async open(namespace: string, service: string, port: number): Promise<PortForward> {
    const kubectl = join(await kubeBinaries(), "kubectl");
    const command = [kubectl, "--namespace", namespace, "port-forward", `service/${service}`];
    const child = run([...command, `:${port}`]);
    const local = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no way to ${service}`)), START_TIMEOUT_MS);
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`kubectl port-forward ended with ${code}`)));
      createInterface({ input: child.stdout }).once("line", (line) => {
        clearTimeout(timer);
        resolve(/127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? "");
      });
    }).catch((error: unknown) => {
      child.kill();
      throw error;
    });
    return new PortForward(`http://127.0.0.1:${local}`, child, [...command, `${local}:${port}`]);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#again);
    this.#process.kill();
  }

  #follow(process: ChildProcess): void {
    // A pipe that nobody reads fills up, and kubectl would wait for that.
    process.stdout?.resume();
    const again = (): void => {
      if (this.#isClosed) return;
      this.#again = setTimeout(() => {
        this.#process = run(this.#command);
        this.#follow(this.#process);
      }, AGAIN_MS);
    };
    process.once("exit", again);
    process.once("error", again);
  }
}

/** kubectl does not end when its pod does, but with the next connection that it can't hand on. */
function run([program, ...args]: readonly string[]): ChildProcessByStdio<null, Readable, null> {
  const env = { ...process.env, KUBECONFIG: process.env["PRISM_KUBECONFIG"] };
  return spawn(program!, args, { env, stdio: ["ignore", "pipe", "inherit"] });
}
