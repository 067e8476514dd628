/**
 * Sets stores aside that can't be read, so that a node does not end in them at every start. Their copies are
 * then reported as not there and filled anew from other nodes; an empty store never passes for the old one,
 * since allocation ids are gone with it. The old files stay beside, for whoever needs them.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { storeOfShard } from "../../domain/store-of-shard.js";

/** Starts that ended early, in a row, before the stores are suspected; checking reads all of them. */
export const UNFINISHED_STARTS = 2;
const CHECK_TIMEOUT_MS = 600_000;
const WORDS_BYTES = 2000;

const PROGRAM = fileURLToPath(new URL("../../check-store/main.js", import.meta.url));

/** @param program that checks one store; its exit code 0 says that it can be used */
export async function setDamagedStoresAside(
  dataDirectory: string,
  stores: number,
  logger: Logger,
  program = PROGRAM,
): Promise<void> {
  for (let store = 0; store < stores; store += 1) {
    const path = join(dataDirectory, "stores", String(store));
    if (!existsSync(path)) continue;
    const damage = await damageOf(path, program);
    if (damage === undefined) continue;
    const aside = `${path}.damaged`;
    await rm(aside, { recursive: true, force: true });
    await rename(path, aside);
    // A new store counts its slots from 1 again: indexes of the old one would pass for its own.
    await removeIndexesOf(dataDirectory, store, stores);
    logger.error(
      { store, aside, reason: "CopyFailed", detail: damage },
      "a store is damaged and was set aside: its copies are filled anew from other nodes",
    );
  }
}

/** What is wrong with the store; undefined when nothing is. */
async function damageOf(path: string, program: string): Promise<string | undefined> {
  const child = spawn(process.execPath, [program, path], { stdio: ["ignore", "ignore", "pipe"] });
  let words = "";
  child.stderr.on("data", (bytes: Buffer) => (words = (words + bytes.toString()).slice(-WORDS_BYTES)));
  const timer = setTimeout(() => child.kill("SIGKILL"), CHECK_TIMEOUT_MS);
  return await new Promise((resolve) => {
    // That the check could not be made says nothing of the store.
    child.once("error", () => resolve(undefined));
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
      resolve(code === 0 ? undefined : `reading it ended with ${how}: ${words.trim()}`);
    });
  });
}

async function removeIndexesOf(dataDirectory: string, store: number, stores: number): Promise<void> {
  const indexes = join(dataDirectory, "indexes");
  if (!existsSync(indexes)) return;
  for (const shard of await readdir(indexes)) {
    if (storeOfShard(shard, stores) === store)
      await rm(join(indexes, shard), { recursive: true, force: true });
  }
}
