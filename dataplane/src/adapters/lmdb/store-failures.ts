/**
 * What a node does about a store that ended with an input/output error. After a failed fsync the system
 * may show what is not on the disk, for as long as it remembers the pages, and call it clean (Rebello et
 * al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). So the process ends, and the next
 * start copies the store into a new file before it trusts it: what the copies then report is on the disk.
 */
import { existsSync } from "node:fs";
import { mkdir, open as openFile, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { open } from "lmdb";
import type { Logger } from "pino";

/** Another failure within this time is not met by another start: the disk is at fault, and stays so. */
export const RESTART_PAUSE_MS = 600_000;
/** A sick disk may not answer at all. */
const NOTE_TIMEOUT_MS = 2000;

const MARKER = "failed.json";
const LAST_FAILURE = "store-failure.json";

/**
 * Notes the failure for the next start. Returns in how many milliseconds that may be tried: 0 for at once,
 * undefined when nothing could be noted, so that the next start would not know of it.
 */
export async function noteStoreFailure(
  dataDirectory: string,
  storeDirectory: string,
  detail: string,
  nowMs: number,
): Promise<number | undefined> {
  const path = join(dataDirectory, LAST_FAILURE);
  const note = async (): Promise<number> => {
    const lastMs = await lastFailureMs(path);
    await writeSynced(join(storeDirectory, MARKER), JSON.stringify({ at: nowMs, detail }));
    const waitMs = Math.max(0, Math.min(RESTART_PAUSE_MS, lastMs + RESTART_PAUSE_MS - nowMs));
    if (waitMs === 0) await writeSynced(path, JSON.stringify({ at: nowMs, detail }));
    return waitMs;
  };
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, NOTE_TIMEOUT_MS, undefined).unref());
  return await Promise.race([note().catch(() => undefined), late]);
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

async function lastFailureMs(path: string): Promise<number> {
  try {
    const { at } = JSON.parse(await readFile(path, "utf8")) as { readonly at?: unknown };
    return typeof at === "number" ? at : Number.NEGATIVE_INFINITY;
  } catch {
    // There was none, or its note is half written, which is no reason to keep the node from starting.
    return Number.NEGATIVE_INFINITY;
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
