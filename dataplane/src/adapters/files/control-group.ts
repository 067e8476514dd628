/**
 * What the control group of this process lets it use. The runtime knows nothing of a quota of processors, and
 * gives each thread the heap of a whole machine.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Where a container sees its own group, in both versions of control groups. */
const ROOT = "/sys/fs/cgroup";

/** Undefined when there is no limit; version 1 says so with a number above all memory, which the caller compares. */
export function readMemoryLimit(root = ROOT): number | undefined {
  const text = read(root, "memory.max") ?? read(root, "memory/memory.limit_in_bytes");
  return positive(text);
}

/** Processors' worth of time that the group may use, such as 1.5; undefined when there is no quota. */
export function readProcessorQuota(root = ROOT): number | undefined {
  // "max 100000" where there is none.
  const [quota, period] = read(root, "cpu.max")?.split(" ") ?? [
    // -1 where there is none.
    read(root, "cpu/cpu.cfs_quota_us"),
    read(root, "cpu/cpu.cfs_period_us"),
  ];
  const quotaUs = positive(quota);
  const periodUs = positive(period);
  return quotaUs === undefined || periodUs === undefined ? undefined : quotaUs / periodUs;
}

function read(root: string, name: string): string | undefined {
  try {
    return readFileSync(join(root, name), "utf8").trim();
  } catch {
    // This version is not mounted.
    return undefined;
  }
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isFinite(value) && value > 0 ? value : undefined;
}
