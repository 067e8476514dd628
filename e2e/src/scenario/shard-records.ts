/** A namespace's shard records, as the API server tells of their changes. */
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { kubeBinaries } from "../cluster/kube-binary.js";

/** Not a tab: kubectl aligns what stands behind one. */
const LINE = '{.metadata.name}{"="}{.status.inSync}{"\\n"}';

export class ShardRecords {
  readonly #process: ChildProcess;
  /** How many copies are in sync, by shard. */
  readonly #inSync = new Map<string, number>();

  private constructor(process: ChildProcess) {
    this.#process = process;
    createInterface({ input: process.stdout! }).on("line", (line) => {
      const [shard = "", inSync = ""] = line.split("=");
      this.#inSync.set(shard, (JSON.parse(inSync === "" ? "[]" : inSync) as readonly string[]).length);
    });
  }

  static async watch(namespace: string): Promise<ShardRecords> {
    const kubectl = join(await kubeBinaries(), "kubectl");
    const args = ["--namespace", namespace, "get", "prismshards", "--watch", "-o", `jsonpath=${LINE}`];
    const env = { ...process.env, KUBECONFIG: process.env["PRISM_KUBECONFIG"] };
    return new ShardRecords(spawn(kubectl, args, { env, stdio: ["ignore", "pipe", "ignore"] }));
  }

  /** Sizes of the in-sync sets as they are now, of all shards. */
  get inSync(): readonly number[] {
    return [...this.#inSync.values()];
  }

  stop(): void {
    this.#process.kill();
  }
}
