/** A node's settings as its resources ask for them: threads, memory, and where it listens. */
import { parseQuantity } from "@prism/api/quantity";
import type { ResourceSettings } from "@prism/api/workload";
import { shortHash } from "./short-hash.js";

/** Of every node: the same in its settings, its pod, its services and who may reach it. */
export const PORTS = { http: 3080, peers: 7000, admin: 3090 } as const;

/** The network thread and the runtime's own threads need a processor too; more workers than this rarely pay. */
const MOST_WORKERS = 8;
/** The rest of a container's memory is the runtime itself and the page cache's share. */
const MEMORY_SHARE = 0.9;
const MiB = 1024 * 1024;
/** As nodes plan it (dataplane/src/domain/memory-budget.ts): a thread's heap can only be limited where its program starts. */
const NETWORK_HEAP_SHARE = 0.15;
const SMALLEST_HEAP_BYTES = 96 * MiB;
const LARGEST_HEAP_BYTES = 4096 * MiB;
/** Commits of all stores wait in one pool of threads. */
const FEWEST_POOL_THREADS = 16;

export interface NodeSettingsFile {
  /** Made of the content: pods keep the file that they were made with when the next one is written. */
  readonly key: string;
  readonly text: string;
}

/** Worker threads: one for each processor but one; undefined lets the node count its processors. */
export function workersFor({ requests, limits }: ResourceSettings): number | undefined {
  const cpu = limits.cpu ?? requests.cpu;
  if (cpu === undefined) return undefined;
  return Math.min(MOST_WORKERS, Math.max(1, Math.ceil(parseQuantity(cpu)) - 1));
}

/** Undefined lets the node read its container's limit, or take a share of the machine. */
export function memoryBudgetFor({ requests, limits }: ResourceSettings): number | undefined {
  const memory = limits.memory ?? requests.memory;
  return memory === undefined ? undefined : Math.floor(parseQuantity(memory) * MEMORY_SHARE);
}

/** The limit of the network thread's heap; undefined leaves it to the runtime. */
export function networkHeapMegabytesFor(resources: ResourceSettings): number | undefined {
  const budgetBytes = memoryBudgetFor(resources);
  if (budgetBytes === undefined) return undefined;
  const bytes = Math.max(SMALLEST_HEAP_BYTES, budgetBytes * NETWORK_HEAP_SHARE);
  return Math.floor(Math.min(LARGEST_HEAP_BYTES, bytes) / MiB);
}

/** libuv's pool, in which disks are written to and names looked up. */
export function poolThreadsFor(resources: ResourceSettings): number {
  return Math.max(FEWEST_POOL_THREADS, 8 + 2 * (workersFor(resources) ?? MOST_WORKERS));
}

/** What all nodes of the cluster have in common, as the node program reads it (dataplane/src/config.ts). */
export function nodeSettingsFile(resources: ResourceSettings): NodeSettingsFile {
  const memoryBudgetBytes = memoryBudgetFor(resources);
  const settings = {
    httpAddress: `0.0.0.0:${PORTS.http}`,
    peerAddress: `0.0.0.0:${PORTS.peers}`,
    adminAddress: `0.0.0.0:${PORTS.admin}`,
    workers: String(workersFor(resources) ?? 0),
    ...(memoryBudgetBytes === undefined ? {} : { limits: { memoryBudgetBytes } }),
  };
  const text = `${JSON.stringify(settings, undefined, 2)}\n`;
  return { key: `node-${shortHash(text)}.json`, text };
}
