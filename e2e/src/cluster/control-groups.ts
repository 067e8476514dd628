/** The control groups (version 1) that a node's processes live in, one in each of the machine's hierarchies. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const ROOT = "/sys/fs/cgroup";
const PARENT = "prism-kube";
const CLEAR_TIMEOUT_MS = 15_000;

/** @throws {Error} when the machine has none: the nodes of this cluster need them. */
export function hierarchies(): string[] {
  const wanted = ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"];
  const missing = wanted.filter((type) => !existsSync(join(ROOT, type, "cgroup.procs")));
  if (missing.length > 0)
    throw new Error(`this machine has no control groups of version 1 for ${missing.join(", ")}`);
  return wanted;
}

export function groupOf(node: string): string {
  return `${PARENT}/${node}`;
}

export function makeGroups(node: string): void {
  for (const type of hierarchies()) {
    const parent = join(ROOT, type, PARENT);
    const group = join(ROOT, type, groupOf(node));
    for (const directory of [parent, group]) {
      mkdirSync(directory, { recursive: true });
      // A group of processors takes nobody in until it is told which ones.
      if (type === "cpuset") inheritProcessors(directory);
    }
  }
}

function inheritProcessors(directory: string): void {
  for (const file of ["cpuset.cpus", "cpuset.mems"])
    writeFileSync(join(directory, file), readFileSync(join(directory, "..", file)));
}

/** Stops all processes of the node where they are, or lets them go on. */
export function setFrozen(node: string, frozen: boolean): void {
  const file = join(ROOT, "freezer", groupOf(node), "freezer.state");
  if (existsSync(file)) writeFileSync(file, frozen ? "FROZEN" : "THAWED");
}

/**
 * Removes what the node's containers have left, as a restart of a real machine would: cAdvisor takes 3 s over each
 * group that it finds. Waits for the last processes, since a group with any in it can't be removed.
 */
export async function clearGroups(node: string): Promise<void> {
  const deadlineMs = performance.now() + CLEAR_TIMEOUT_MS;
  const groups = hierarchies().map((type) => join(ROOT, type, groupOf(node)));
  for (;;) {
    const left = groups.filter((group) => !removeGroup(group));
    if (left.length === 0) return;
    if (performance.now() > deadlineMs) throw new Error(`processes are left in ${left.join(", ")}`);
    await delay(50);
  }
}

/** When no node is left. */
export function removeParentGroups(): void {
  for (const type of hierarchies()) removeGroup(join(ROOT, type, PARENT));
}

function removeGroup(directory: string): boolean {
  if (!existsSync(directory)) return true;
  for (const entry of readdirSync(directory, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroup(join(directory, entry.name));
  try {
    rmdirSync(directory);
    return true;
  } catch {
    return false;
  }
}
