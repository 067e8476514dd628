import { openSync, readFileSync, closeSync, unlinkSync, writeSync, renameSync } from "node:fs";

/** The data directory belongs to another process. */
export class DirectoryInUse extends Error {
  constructor(path: string, pid: number) {
    super(`${path} is held by process ${pid}; end it, or use another data directory`);
    this.name = "DirectoryInUse";
  }
}

interface Holder {
  readonly pid: number;
  /** Clock ticks from the boot of the machine, and which boot; "" where /proc does not tell. */
  readonly startedAt: string;
}

/**
 * Takes the lock, or throws DirectoryInUse. A lock whose process is gone is taken over; the start time
 * tells, because a pid alone is soon another's: in a container it is the same at every start. Returns
 * the function that gives it back.
 */
export function takeLock(path: string): () => void {
  const mine = JSON.stringify(processOf(process.pid));
  for (let attempt = 0; ; attempt += 1) {
    try {
      const descriptor = openSync(path, "wx");
      writeSync(descriptor, `${mine}\n`);
      closeSync(descriptor);
      return () => releaseLock(path, mine);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || attempt >= 3) throw error;
    }
    const holder = holderOf(path);
    if (holder !== undefined && isAlive(holder)) throw new DirectoryInUse(path, holder.pid);
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

function releaseLock(path: string, mine: string): void {
  if (readText(path)?.trim() === mine) unlinkSync(path);
}

function holderOf(path: string): Holder | undefined {
  try {
    const { pid, startedAt = "" } = JSON.parse(readText(path) ?? "") as Partial<Holder>;
    return typeof pid === "number" && Number.isInteger(pid) && pid > 0 ? { pid, startedAt } : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return processOf(holder.pid).startedAt === holder.startedAt;
}

/**
 * Fields 3 and 22 of /proc/<pid>/stat are the state and the start; those after the command's closing
 * parenthesis begin at 3. A process that has ended and that nobody has waited for (Z, X) holds nothing.
 */
function processOf(pid: number): Holder {
  const stat = readText(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  const hasEnded = fields?.[0] === "Z" || fields?.[0] === "X";
  const ticks = hasEnded ? "ended" : fields?.[19];
  const boot = readText("/proc/sys/kernel/random/boot_id")?.trim();
  return { pid, startedAt: ticks === undefined ? "" : `${ticks}@${boot ?? ""}` };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
