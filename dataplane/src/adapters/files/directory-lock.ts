/**
 * Keeps two processes from one data directory. The lock file names its owner by pid and start time,
 * because a pid alone is soon another's: in a container it is the same at every start. A file whose
 * owner is gone is taken over.
 */
import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ExitCode, StartError } from "./start-error.js";

interface Owner {
  readonly pid: number;
  /** Clock ticks from the boot of the machine, "" where /proc does not tell. */
  readonly startedAt: string;
  /** Start times of another boot of the machine mean nothing. */
  readonly machineBoot: string;
}

/** Returns how to release it. @throws {StartError} with ExitCode.data when a living process holds it. */
export function lockDirectory(dataDirectory: string): () => void {
  const path = join(dataDirectory, "lock.json");
  const mine = JSON.stringify(ownerOf(process.pid));
  const temporary = `${path}.${randomUUID()}`;
  writeFileSync(temporary, mine);
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      if (linkIfFree(temporary, path)) return () => releaseIfMine(path, mine);
      removeIfStale(path);
    }
  } finally {
    rmSync(temporary, { force: true });
  }
  throw new StartError(ExitCode.data, `${path}: other processes keep taking the lock`);
}

function linkIfFree(from: string, path: string): boolean {
  try {
    // link fails when the name exists, and the name appears with its content: neither a race nor a half file.
    linkSync(from, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function removeIfStale(path: string): void {
  const content = readOrUndefined(path);
  if (content === undefined) return;
  const owner = parseOwner(content);
  if (owner !== undefined && isAlive(owner)) {
    throw new StartError(
      ExitCode.data,
      `${path}: process ${owner.pid} uses this data directory. Stop it, or give this node another one (--data).`,
    );
  }
  // Another starter may have replaced the stale file meanwhile: what was moved away is looked at again.
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if (readOrUndefined(aside) !== content) linkIfFree(aside, path);
  rmSync(aside, { force: true });
}

function releaseIfMine(path: string, mine: string): void {
  if (readOrUndefined(path) === mine) rmSync(path, { force: true });
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function parseOwner(content: string): Owner | undefined {
  try {
    const owner = JSON.parse(content) as Partial<Owner> | null;
    if (typeof owner?.pid !== "number") return undefined;
    return { pid: owner.pid, startedAt: owner.startedAt ?? "", machineBoot: owner.machineBoot ?? "" };
  } catch {
    return undefined;
  }
}

function ownerOf(pid: number): Owner {
  return { pid, startedAt: startTimeOf(pid), machineBoot: machineBoot() };
}

function isAlive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: it lives, as another user's.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const now = ownerOf(owner.pid);
  return now.startedAt === owner.startedAt && now.machineBoot === owner.machineBoot;
}

/**
 * Field 22 of /proc/<pid>/stat; the fields after the command's closing parenthesis start at 3, the
 * state. A process that has ended and that nobody has waited for (Z, X) holds nothing.
 */
function startTimeOf(pid: number): string {
  const stat = readOrUndefined(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields?.[0] === "Z" || fields?.[0] === "X" ? "ended" : (fields?.[19] ?? "");
}

function machineBoot(): string {
  return readOrUndefined("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
}
