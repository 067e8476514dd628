/** What lmdb says of a commit that failed, and what that means. */
import { setTimeout as sleep } from "node:timers/promises";

const CAUSE_TIMEOUT_MS = 1000;

/** lmdb gives the cause of a failed commit as a promise beside a general error, and not always. */
export async function causeOf(failed: unknown): Promise<Error> {
  const commitError: unknown = (failed as { commitError?: unknown }).commitError;
  if (!(commitError instanceof Promise)) return failed as Error;
  const late = new AbortController();
  const general = sleep(CAUSE_TIMEOUT_MS, failed as Error, { ref: false, signal: late.signal });
  try {
    await Promise.race([commitError, general]);
    return failed as Error;
  } catch (cause) {
    return cause as Error;
  } finally {
    late.abort();
  }
}

/**
 * The whole batch is awaited; unheard, one rejected part of it would end the thread. Most parts share one
 * promise, which needs to be heard once.
 */
export class Unheard {
  #last: Promise<boolean> | undefined;

  add(part: Promise<boolean>): void {
    if (part === this.#last) return;
    this.#last = part;
    part.catch(() => undefined);
  }
}

const ENOSPC = 28;
const EIO = 5;
const MDB_MAP_FULL = -30792;
/** With less than this left an input/output error is LMDB's name for a write that the file system cut short. */
const FULL_BYTES = 16 * 1024 * 1024;

/**
 * Writing again is safe after either: the failed transaction's pages are referenced by nothing, and
 * are written anew by the next one.
 */
export function isDiskFull(error: Error, freeBytes: number): boolean {
  const { code } = error as { code?: unknown };
  if (code === EIO) return freeBytes < FULL_BYTES;
  return code === "ENOSPC" || code === ENOSPC || code === MDB_MAP_FULL;
}
