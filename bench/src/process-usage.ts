/** What a process has used, all its threads together, from Linux' /proc. */
import { readFileSync } from "node:fs";

/** Linux reports times in ticks of this many to the second, whatever its own clock does. */
const TICKS_PER_SECOND = 100;

/** Milliseconds of user and system time in the text of /proc/<pid>/stat. */
export function parseCpuMs(stat: string): number {
  // The program's name, in parentheses, may hold spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  if (!Number.isFinite(ticks)) throw new Error("the text is not that of /proc/<pid>/stat");
  return (ticks * 1000) / TICKS_PER_SECOND;
}

/** Bytes of resident memory in the text of /proc/<pid>/status. */
export function parseResidentBytes(status: string): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(status);
  if (match === null) throw new Error("the text is not that of /proc/<pid>/status");
  return Number(match[1]) * 1024;
}

/** The sum over the processes. Throws when one of them is gone. */
export function cpuMsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + parseCpuMs(readFileSync(`/proc/${pid}/stat`, "utf8")), 0);
}

/** The sum over the processes. Throws when one of them is gone. */
export function residentBytesOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + parseResidentBytes(readFileSync(`/proc/${pid}/status`, "utf8")), 0);
}
