import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { storeOfShard } from "../../domain/store-of-shard.js";
import { StartCount } from "../files/start-count.js";
import { setDamagedStoresAside } from "./damaged-stores.js";
import { ShardStore } from "./shard-store.js";

const PROGRAM = fileURLToPath(new URL("../../../dist/check-store/main.js", import.meta.url));
const STORES = 2;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "prism-damaged-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const pathOf = (store: number): string => join(directory, "stores", String(store));

async function makeStore(store: number): Promise<void> {
  mkdirSync(pathOf(store), { recursive: true });
  const made = new ShardStore(pathOf(store), {
    sync: true,
    onDiskFull: () => undefined,
    onFailure: () => undefined,
  });
  for (let i = 0; i < 200; i += 1) made.put("documents", Buffer.from(`key ${i}`), Buffer.alloc(1000, i));
  await made.durable();
  await made.close();
}

async function check(): Promise<string[]> {
  await setDamagedStoresAside(directory, STORES, pino({ level: "silent" }), PROGRAM);
  return readdirSync(join(directory, "stores")).sort();
}

describe("stores before they are opened", () => {
  test("stay where they are when they can be read whole", async () => {
    for (const store of [0, 1]) await makeStore(store);
    expect(await check()).toEqual(["0", "1"]);
    // The check leaves nothing behind.
    expect(await check()).toEqual(["0", "1"]);
  });

  test.each([
    ["cut short", (path: string) => truncateSync(path, 40_000)],
    ["other bytes", (path: string) => writeFileSync(path, Buffer.alloc(200_000, 7))],
  ])("are set aside when they are %s, with the indexes of their shards alone", async (_, damage) => {
    for (const store of [0, 1]) await makeStore(store);
    const shards = Array.from({ length: 20 }, (_, i) => `shard-${i}`);
    for (const shard of shards) mkdirSync(join(directory, "indexes", shard), { recursive: true });
    damage(join(pathOf(1), "data.mdb"));
    expect(await check()).toEqual(["0", "1.damaged"]);
    const left = shards.filter((shard) => existsSync(join(directory, "indexes", shard)));
    expect(left).toEqual(shards.filter((shard) => storeOfShard(shard, STORES) === 0));
    expect(left.length).toBeLessThan(shards.length);
  });
});

describe("the count of starts", () => {
  test("grows with each that ends early, and starts over with one that ends in order", async () => {
    const counts: number[] = [];
    for (let i = 0; i < 3; i += 1) counts.push((await StartCount.open(directory)).unfinished);
    const last = await StartCount.open(directory);
    counts.push(last.unfinished);
    await last.finish();
    counts.push((await StartCount.open(directory)).unfinished);
    expect(counts).toEqual([0, 1, 2, 3, 0]);
  });
});
