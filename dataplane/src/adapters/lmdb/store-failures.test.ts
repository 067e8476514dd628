import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ShardStore } from "./shard-store.js";
import { noteStoreFailure, RESTART_PAUSE_MS, rewriteFailedStores } from "./store-failures.js";
import { numberKey } from "./store-key.js";

const logger = pino({ level: "silent" });
let directory: string;
let store: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "prism-failures-"));
  store = join(directory, "stores", "0");
  mkdirSync(store, { recursive: true });
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

function open(): ShardStore {
  return new ShardStore(store, { sync: false, onDiskFull: () => undefined, onFailure: () => undefined });
}

describe("a store that failed", () => {
  test("lets the node start anew at once, and not again within the pause", async () => {
    const note = (nowMs: number): Promise<number | undefined> =>
      noteStoreFailure(directory, store, "EIO", nowMs);
    expect(await note(1000)).toBe(0);
    expect(await note(61_000)).toBe(RESTART_PAUSE_MS - 60_000);
    expect(await note(1000 + RESTART_PAUSE_MS)).toBe(0);
  });

  test("does not let the node start anew when that start could not know of it", async () => {
    expect(await noteStoreFailure(directory, join(directory, "gone"), "EIO", 1000)).toBeUndefined();
  });

  test("is a new file at the next start, with all it held, and is not touched at the one after", async () => {
    const before = open();
    before.put("documents", numberKey(1, 7), Buffer.from("seven"));
    await before.durable();
    await before.close();
    const inode = statSync(join(store, "data.mdb")).ino;
    await noteStoreFailure(directory, store, "EIO", 1000);
    await rewriteFailedStores(directory, 1, logger);
    const rewritten = statSync(join(store, "data.mdb")).ino;
    expect(rewritten).not.toBe(inode);
    expect([existsSync(join(store, "failed.json")), existsSync(join(store, "rewrite"))]).toEqual([
      false,
      false,
    ]);
    await rewriteFailedStores(directory, 1, logger);
    expect(statSync(join(store, "data.mdb")).ino).toBe(rewritten);
    const after = open();
    expect([...after.documentNumbers(1)]).toEqual([7]);
    await after.close();
  });
});
