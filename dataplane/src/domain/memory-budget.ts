/**
 * Divides the memory a node may use. Without it each thread's heap may grow to the default limit of
 * the runtime, which knows nothing of the index beside it.
 */

const MiB = 1024 * 1024;

/** Part of a container's limit that is planned with: the rest is the runtime itself and the page cache's share. */
const LIMIT_SHARE = 0.9;
/** Part of a whole machine that a node takes when nothing limits it: others live there too. */
const MACHINE_SHARE = 0.5;

const MAIN_HEAP_SHARE = 0.15;
const WORKER_HEAP_SHARE = 0.25;
const BUFFER_SHARE = 0.1;
const SMALLEST_HEAP_BYTES = 96 * MiB;
const LARGEST_HEAP_BYTES = 4096 * MiB;
/** Below this the threads alone do not fit. */
const SMALLEST_BUDGET_BYTES = 256 * MiB;

export interface MemoryBudget {
  readonly totalBytes: number;
  /** Where the total comes from, for the log. */
  readonly source: string;
  /** Somebody decided how much: more is not just impolite. */
  readonly isLimited: boolean;
  readonly mainHeapBytes: number;
  readonly workerHeapBytes: number;
  /** Of all workers together. */
  readonly indexBytes: number;
  readonly bufferBytes: number;
}

export interface MemoryFacts {
  /** The configured budget; 0 to derive it. */
  readonly configuredBytes: number;
  /** The container's limit; undefined for none. */
  readonly limitBytes: number | undefined;
  readonly machineBytes: number;
}

export function planMemory(facts: MemoryFacts, workers: number): MemoryBudget {
  const { bytes, source, isLimited } = totalOf(facts);
  const totalBytes = Math.max(SMALLEST_BUDGET_BYTES, Math.floor(bytes));
  const mainHeapBytes = heap(totalBytes * MAIN_HEAP_SHARE);
  const workerHeapBytes = heap((totalBytes * WORKER_HEAP_SHARE) / workers);
  const bufferBytes = Math.floor(totalBytes * BUFFER_SHARE);
  const rest = totalBytes - mainHeapBytes - workers * workerHeapBytes - bufferBytes;
  return {
    totalBytes,
    source,
    isLimited,
    mainHeapBytes,
    workerHeapBytes,
    // Many workers on little memory: their smallest heaps may leave less than nothing.
    indexBytes: Math.max(rest, Math.floor(totalBytes * 0.1)),
    bufferBytes,
  };
}

function totalOf(facts: MemoryFacts): { bytes: number; source: string; isLimited: boolean } {
  const { configuredBytes, limitBytes, machineBytes } = facts;
  if (configuredBytes > 0) {
    return { bytes: configuredBytes, source: "limits.memoryBudgetBytes", isLimited: true };
  }
  if (limitBytes !== undefined && limitBytes < machineBytes) {
    const source = `${LIMIT_SHARE} of the container's limit`;
    return { bytes: limitBytes * LIMIT_SHARE, source, isLimited: true };
  }
  const source = `${MACHINE_SHARE} of the machine's memory`;
  return { bytes: machineBytes * MACHINE_SHARE, source, isLimited: false };
}

function heap(bytes: number): number {
  return Math.floor(Math.min(LARGEST_HEAP_BYTES, Math.max(SMALLEST_HEAP_BYTES, bytes)));
}
