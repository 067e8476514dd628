import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { kubeBinaries } from "../cluster/kube-binary.js";

const START_TIMEOUT_MS = 30_000;

/** A way to a Service of a cluster whose addresses this machine does not reach. It leads to one of its pods. */
export class PortForward {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, url: string) {
    this.#process = process;
    this.url = url;
  }

  /** @throws {Error} when kubectl ends, or says nothing in time. */
  static async open(namespace: string, service: string, port: number): Promise<PortForward> {
    const kubectl = join(await kubeBinaries(), "kubectl");
    const args = ["--namespace", namespace, "port-forward", `service/${service}`, `:${port}`];
    const env = { ...process.env, KUBECONFIG: process.env["PRISM_KUBECONFIG"] };
    const child = spawn(kubectl, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    const url = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no way to ${service}`)), START_TIMEOUT_MS);
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`kubectl port-forward ended with ${code}`)));
      createInterface({ input: child.stdout }).once("line", (line) => {
        clearTimeout(timer);
        resolve(`http://127.0.0.1:${/127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? ""}`);
      });
    }).catch((error: unknown) => {
      child.kill();
      throw error;
    });
    return new PortForward(child, url);
  }

  close(): void {
    this.#process.kill();
  }
}
