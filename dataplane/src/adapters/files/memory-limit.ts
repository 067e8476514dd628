/** The memory limit of the control group this process runs in. */
import { readFileSync } from "node:fs";

/** Version 2, then version 1 of control groups, as mounted inside a container. */
const LIMIT_FILES = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"] as const;

/** Undefined when there is no limit; version 1 says so with a number above all memory, which the caller compares. */
export function readMemoryLimit(): number | undefined {
  for (const path of LIMIT_FILES) {
    try {
      const bytes = Number(readFileSync(path, "utf8").trim());
      return Number.isFinite(bytes) && bytes > 0 ? bytes : undefined;
    } catch {
      // This version is not mounted.
    }
  }
  return undefined;
}
