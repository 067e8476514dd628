/**
 * What a node does about a store that ended with an input/output error. After a failed fsync the system
 * may show what is not on the disk, for as long as it remembers the pages, and call it clean (Rebello et
 * al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). So the process ends, and the next
 * start copies the store into a new file before it trusts it: what the copies then report is on the disk.
 */
import { existsSync } from "node:fs";
import { mkdir, open as openFile, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { open } from "lmdb";
import type { Logger } from "pino";

/** Time for the primaries to move to sound nodes; each further failure waits four times as long, */
const FIRST_WAIT_MS = 3000;
const WAIT_FACTOR = 4;
/** up to this, so that a disk that stays at fault is no reason to start over and over again. */
export const LONGEST_WAIT_MS = 600_000;
/** When the failure can't be noted, so that the next start will not know of it. */
const UNNOTED_WAIT_MS = 30_000;
/** A sick disk may not answer at all. */
const NOTE_TIMEOUT_MS = 2000;

const MARKER = "failed.json";
const LAST_FAILURE = "store-failure.json";

/** Notes the failure for the next start, and says in how many milliseconds that is to be tried. */
export async function noteStoreFailure(
  dataDirectory: string,
  storeDirectory: string,
  detail: string,
  nowMs: number,
): Promise<number> {
  const path = join(dataDirectory, LAST_FAILURE);
  const note = async (): Promise<number> => {
    const last = await lastFailure(path);
    const isRecent = nowMs - last.at < last.waitMs + LONGEST_WAIT_MS;
    const waitMs = isRecent ? Math.min(LONGEST_WAIT_MS, WAIT_FACTOR * last.waitMs) : FIRST_WAIT_MS;
    await writeSynced(join(storeDirectory, MARKER), JSON.stringify({ at: nowMs, detail }));
    await writeSynced(path, JSON.stringify({ at: nowMs, waitMs, detail }));
    return waitMs;
  };
  const late = setTimeout(NOTE_TIMEOUT_MS, UNNOTED_WAIT_MS, { ref: false });
  return await Promise.race([note().catch(() => UNNOTED_WAIT_MS), late]);
}

/** Before any store is opened. What can't be copied keeps its mark, and is opened as it is. */
export async function rewriteFailedStores(
  dataDirectory: string,
  stores: number,
  logger: Logger,
): Promise<void> {
  for (let store = 0; store < stores; store += 1) {
    const directory = join(dataDirectory, "stores", String(store));
    if (!existsSync(join(directory, MARKER))) continue;
    try {
      await rewrite(directory);
      logger.warn({ store }, "a store that had failed was written anew");
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      logger.error({ store, detail }, "a store that had failed can't be written anew: check its disk");
    }
  }
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
  await rm(join(directory, MARKER));
  await sync(directory);
}

async function lastFailure(path: string): Promise<{ readonly at: number; readonly waitMs: number }> {
  const none = { at: Number.NEGATIVE_INFINITY, waitMs: 0 };
  try {
    const { at, waitMs } = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    return typeof at === "number" && typeof waitMs === "number" ? { at, waitMs } : none;
  } catch {
    // There was none, or its note is half written, which is no reason to wait.
    return none;
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  await sync(path);
}

async function sync(path: string): Promise<void> {
  const file = await openFile(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
