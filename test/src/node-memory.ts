/** How much memory node processes hold after they have collected their garbage; see ../shim/collect-garbage.cjs. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { waitUntil } from "./wait-until.js";

export interface NodeMemory {
  /** Heaps of all threads, and what hangs on them outside. */
  readonly usedBytes: number;
  /**
   * Where all threads' new objects are made, in the resident memory. It grows from half a megabyte to twice
   * --max-semi-space-size per thread, the faster the more garbage there is, and stays there: what a node
   * has taken of it by some moment says nothing of what it holds.
   */
  readonly youngBytes: number;
  readonly rssBytes: number;
}

const PRELOAD = fileURLToPath(new URL("../shim/collect-garbage.cjs", import.meta.url));

export function memoryEnvironment(directory: string): Record<string, string> {
  return { NODE_OPTIONS: `--require=${PRELOAD}`, PRISM_TEST_MEMORY_FILE: join(directory, "memory") };
}

export async function measureMemory(directory: string, pid: number): Promise<NodeMemory> {
  const path = join(directory, `memory.${pid}`);
  await rm(path, { force: true });
  process.kill(pid, "SIGUSR2");
  return await waitUntil(`memory of process ${pid}`, 30_000, async () => {
    return JSON.parse(await readFile(path, "utf8")) as NodeMemory;
  });
}
