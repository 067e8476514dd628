import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { DirectoryInUse, takeLock } from "./lock-file.js";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

function lockPath(): string {
  const directory = mkdtempSync(join(tmpdir(), "prism-lock-"));
  directories.push(directory);
  return join(directory, "lock");
}

test("a lock that a living process holds is refused, and free again when given back", () => {
  const path = lockPath();
  const release = takeLock(path);
  expect(() => takeLock(path)).toThrow(DirectoryInUse);
  release();
  expect(existsSync(path)).toBe(false);
  takeLock(path)();
});

test("a lock of a process that is gone, or half written, is taken over", () => {
  const path = lockPath();
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  writeFileSync(path, JSON.stringify({ pid, startedAt: "" }));
  takeLock(path)();
  writeFileSync(path, "");
  const release = takeLock(path);
  expect(readFileSync(path, "utf8")).toContain(`"pid":${process.pid}`);
  release();
});

test("a lock whose process id is another process's by now is taken over", () => {
  const path = lockPath();
  for (const pid of [process.pid, process.ppid]) {
    writeFileSync(path, JSON.stringify({ pid, startedAt: "1@another-boot" }));
    takeLock(path)();
    expect(existsSync(path)).toBe(false);
  }
});
