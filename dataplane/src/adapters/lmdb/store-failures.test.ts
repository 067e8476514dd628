import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ShardStore } from "./shard-store.js";
import { noteStoreFailure, LONGEST_WAIT_MS, rewriteFailedStores } from "./store-failures.js";
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
  test("lets the node start anew soon, and ever later when it fails again", async () => {
    const note = (nowMs: number): Promise<number> => noteStoreFailure(directory, store, nowMs);
    const waits: number[] = [];
    for (let nowMs = 1000; waits.length < 7; nowMs += waits.at(-1)! + 10_000) waits.push(await note(nowMs));
    expect(waits).toEqual([3000, 12_000, 48_000, 192_000, LONGEST_WAIT_MS, LONGEST_WAIT_MS, LONGEST_WAIT_MS]);
    expect(await note(1e9)).toBe(3000);
  });

  test("lets the node start anew after a while when the failure can't be noted", async () => {
    expect(await noteStoreFailure(join(directory, "gone"), store, 1000)).toBe(30_000);
  });

  test("is a new file at the next start, with all it held, and is not touched at the one after", async () => {
    const before = open();
    before.put("documents", numberKey(1, 7), Buffer.from("seven"));
    await before.durable();
    await before.close();
    const inode = statSync(join(store, "data.mdb")).ino;
    await noteStoreFailure(directory, store, 1000);
    await rewriteFailedStores(directory, logger);
    const rewritten = statSync(join(store, "data.mdb")).ino;
    expect(rewritten).not.toBe(inode);
    expect(existsSync(join(store, "rewrite"))).toBe(false);
    await rewriteFailedStores(directory, logger);
    expect(statSync(join(store, "data.mdb")).ino).toBe(rewritten);
    const after = open();
    expect([...after.documentNumbers(1)]).toEqual([7]);
    await after.close();
  });

  test("and was set aside is forgotten", async () => {
    await noteStoreFailure(directory, store, 1000);
    rmSync(store, { recursive: true });
    await rewriteFailedStores(directory, logger);
    mkdirSync(store);
    await open().close();
    const inode = statSync(join(store, "data.mdb")).ino;
    await rewriteFailedStores(directory, logger);
    expect(statSync(join(store, "data.mdb")).ino).toBe(inode);
  });
});
