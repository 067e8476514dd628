import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
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

test.runIf(existsSync("/proc/self/stat"))(
  "a lock of a process that ended and was not waited for is taken over",
  async () => {
    const path = lockPath();
    // The child ends when the shell has become a program that waits for nobody.
    const shell = spawn("sh", ["-c", "sleep 0.3 & echo $!; exec sleep 30"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      const [chunk] = (await once(shell.stdout, "data")) as [Buffer];
      const pid = Number(chunk.toString().trim());
      await expect
        .poll(() => readFileSync(`/proc/${pid}/stat`, "utf8"), { timeout: 10_000 })
        .toMatch(/\) Z /);
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
      const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
      writeFileSync(path, JSON.stringify({ pid, startedAt: `${fields[19]}@${boot}` }));
      takeLock(path)();
    } finally {
      shell.kill("SIGKILL");
    }
  },
);
