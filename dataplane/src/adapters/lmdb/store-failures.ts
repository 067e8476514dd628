/**
 * What a node does about a store that ended with an input/output error. After a failed fsync the system
 * may show what is not on the disk, for as long as it remembers the pages, and call it clean (Rebello et
 * al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). So the process ends, and the next
 * start copies the store into a new file before it trusts it: what the copies then report is on the disk.
 */
import { existsSync } from "node:fs";
import { mkdir, open as openFile, rename, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { setTimeout } from "node:timers/promises";
import { open } from "lmdb";
import type { Logger } from "pino";
import { writeFileAtomic } from "../files/atomic-file.js";
import { readIfThere } from "../files/format-file.js";

/** Time for the primaries to move to sound nodes; each further failure waits four times as long, */
const FIRST_WAIT_MS = 3000;
const WAIT_FACTOR = 4;
/** up to this, so that a disk that stays at fault is no reason to start over and over again. */
export const LONGEST_WAIT_MS = 600_000;
/** When the failure can't be noted, so that the next start will not know of it. */
const UNNOTED_WAIT_MS = 30_000;
/** A sick disk may not answer at all. */
const NOTE_TIMEOUT_MS = 2000;

/** In the data directory, not in the store's own: there nothing may be written any more. */
const FILE = "store-failure.json";

interface StoreFailures {
  /** Milliseconds since 1970, of the newest. */
  readonly at: number;
  readonly waitMs: number;
  /** Directories of stores that are to be written anew, as seen from the data directory. */
  readonly stores: readonly string[];
}

/** Notes the failure for the next start, and says in how many milliseconds that is to be tried. */
export async function noteStoreFailure(
  dataDirectory: string,
  storeDirectory: string,
  nowMs: number,
): Promise<number> {
  const note = async (): Promise<number> => {
    const { at, waitMs: lastMs, stores } = await readFailures(dataDirectory);
    const isRecent = nowMs - at < lastMs + LONGEST_WAIT_MS;
    const waitMs = isRecent ? Math.min(LONGEST_WAIT_MS, WAIT_FACTOR * lastMs) : FIRST_WAIT_MS;
    const failed = [...new Set([...stores, relative(dataDirectory, storeDirectory)])];
    await writeFailures(dataDirectory, { at: nowMs, waitMs, stores: failed });
    return waitMs;
  };
  const late = setTimeout(NOTE_TIMEOUT_MS, UNNOTED_WAIT_MS, { ref: false });
  return await Promise.race([note().catch(() => UNNOTED_WAIT_MS), late]);
}

/** Before any store is opened. One that can't be copied stays noted, and is opened as it is. */
export async function rewriteFailedStores(dataDirectory: string, logger: Logger): Promise<void> {
  const failures = await readFailures(dataDirectory);
  const left: string[] = [];
  for (const directory of failures.stores) {
    const path = join(dataDirectory, directory);
    // Set aside meanwhile: what is there no more needs no trust.
    if (!existsSync(join(path, "data.mdb"))) continue;
    try {
      await rewrite(path);
      logger.warn({ directory }, "a store that had failed was written anew");
    } catch (error) {
      left.push(directory);
      const detail = error instanceof Error ? error.message : String(error);
      logger.error({ directory, detail }, "a store that had failed can't be written anew: check its disk");
    }
  }
  if (left.length < failures.stores.length) await writeFailures(dataDirectory, { ...failures, stores: left });
}

async function rewrite(directory: string): Promise<void> {
  const aside = join(directory, "rewrite");
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside);
  const root = open({ path: directory, maxDbs: 8, readOnly: true });
  try {
    await root.backup(aside, false);
  } finally {
    await root.close();
  }
  await sync(join(aside, "data.mdb"));
  await rename(join(aside, "data.mdb"), join(directory, "data.mdb"));
  await rm(aside, { recursive: true });
  await sync(directory);
}

async function readFailures(dataDirectory: string): Promise<StoreFailures> {
  const none = { at: Number.NEGATIVE_INFINITY, waitMs: 0, stores: [] };
  const text = await readIfThere(join(dataDirectory, FILE));
  try {
    return text === undefined ? none : (JSON.parse(text) as StoreFailures);
  } catch {
    // Damaged: no reason to keep the node from starting.
    return none;
  }
}

async function writeFailures(dataDirectory: string, failures: StoreFailures): Promise<void> {
  await writeFileAtomic(join(dataDirectory, FILE), JSON.stringify(failures));
}

async function sync(path: string): Promise<void> {
  const file = await openFile(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
