import { existsSync, openSync, readFileSync, closeSync, unlinkSync, writeSync, renameSync } from "node:fs";

/** The data directory belongs to another process. */
export class DirectoryInUse extends Error {
  constructor(path: string, pid: number) {
    super(`${path} is held by process ${pid}; end it, or use another data directory`);
    this.name = "DirectoryInUse";
  }
}

/**
 * Takes the lock, or throws DirectoryInUse. A lock whose process is gone is taken over. Returns the
 * function that gives it back.
 */
export function takeLock(path: string): () => void {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const descriptor = openSync(path, "wx");
      writeSync(descriptor, `${process.pid}\n`);
      closeSync(descriptor);
      return () => releaseLock(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || attempt >= 3) throw error;
    }
    const pid = holderOf(path);
    if (pid !== undefined && isAlive(pid)) throw new DirectoryInUse(path, pid);
    // Renamed and not deleted in place: of two processes that find it stale, one moves it away, and
    // neither can delete the lock that the other has just taken.
    const aside = `${path}.${process.pid}.stale`;
    try {
      renameSync(path, aside);
      unlinkSync(aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

function releaseLock(path: string): void {
  if (existsSync(path) && holderOf(path) === process.pid) unlinkSync(path);
}

function holderOf(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, "utf8").trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
