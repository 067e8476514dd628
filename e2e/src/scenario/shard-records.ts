/** Every change of a namespace's shard records, as the API server tells of them: nothing between two looks is missed. */
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { kubeBinaries } from "../cluster/kube-binary.js";

/** Not a tab: kubectl aligns what stands behind one. */
const LINE = '{.metadata.name}{"="}{.status.inSync}{"\\n"}';

export class ShardRecords {
  readonly #process: ChildProcess;
  /** By shard. */
  readonly #smallest = new Map<string, number>();

  private constructor(process: ChildProcess) {
    this.#process = process;
    createInterface({ input: process.stdout! }).on("line", (line) => {
      const [shard = "", inSync = ""] = line.split("=");
      const copies = (JSON.parse(inSync === "" ? "[]" : inSync) as readonly string[]).length;
      this.#smallest.set(shard, Math.min(copies, this.#smallest.get(shard) ?? Number.POSITIVE_INFINITY));
    });
  }

  static async watch(namespace: string): Promise<ShardRecords> {
    const kubectl = join(await kubeBinaries(), "kubectl");
    const args = ["--namespace", namespace, "get", "prismshards", "--watch", "-o", `jsonpath=${LINE}`];
    const env = { ...process.env, KUBECONFIG: process.env["PRISM_KUBECONFIG"] };
    return new ShardRecords(spawn(kubectl, args, { env, stdio: ["ignore", "pipe", "ignore"] }));
  }

  /** The smallest in-sync set that any shard has had. */
  get smallestInSync(): number {
    return Math.min(...this.#smallest.values());
  }

  get count(): number {
    return this.#smallest.size;
  }

  stop(): void {
    this.#process.kill();
  }
}
