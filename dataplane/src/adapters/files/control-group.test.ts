import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readMemoryLimit, readProcessorQuota } from "./control-group.js";

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), "prism-cgroup-"))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

function mount(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), `${text}\n`);
  }
}

describe("the limits of a control group", () => {
  test.each([
    ["version 2", { "memory.max": "536870912", "cpu.max": "150000 100000" }],
    [
      "version 1",
      {
        "memory/memory.limit_in_bytes": "536870912",
        "cpu/cpu.cfs_quota_us": "150000",
        "cpu/cpu.cfs_period_us": "100000",
      },
    ],
  ])("are read in %s", (_version, files) => {
    mount(files);
    expect(readMemoryLimit(root)).toBe(512 * 1024 * 1024);
    expect(readProcessorQuota(root)).toBe(1.5);
  });

  test.each([
    ["version 2", { "memory.max": "max", "cpu.max": "max 100000" }],
    ["version 1", { "cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000" }],
    ["neither", {}],
  ])("are none where %s sets none", (_version, files) => {
    mount(files);
    expect(readMemoryLimit(root)).toBeUndefined();
    expect(readProcessorQuota(root)).toBeUndefined();
  });
});
