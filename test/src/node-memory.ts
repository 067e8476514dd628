/** How much memory node processes hold after they have collected their garbage; see ../shim/collect-garbage.cjs. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { waitUntil } from "./wait-until.js";

export interface NodeMemory {
  /** Heaps of all threads, and what hangs on them outside. */
  readonly usedBytes: number;
  /**
   * Resident memory of all threads' heaps, with what is free in them. A heap grows to bounds of its own, the faster
   * the more garbage there is, and gives little back: what is free in it says nothing of what the node holds.
   */
  readonly heapBytes: number;
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
