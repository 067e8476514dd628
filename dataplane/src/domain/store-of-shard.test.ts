import { describe, expect, test } from "vitest";
import { storeOfShard, workerOfShard } from "./store-of-shard.js";

describe("store of shard", () => {
  test("keeps the published FNV-1a values, because stored data is found again by them", () => {
    const modulus = 2 ** 32;
    expect(storeOfShard("", modulus)).toBe(0x811c9dc5);
    expect(storeOfShard("a", modulus)).toBe(0xe40c292c);
    expect(storeOfShard("foobar", modulus)).toBe(0xbf9cf968);
  });

  test("spreads uids over all stores", () => {
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4000; i++) {
      const store = storeOfShard(`0f8fad5b-d9cb-469f-a165-${String(i).padStart(12, "0")}`, 4);
      counts[store] = (counts[store] ?? 0) + 1;
    }
    for (const count of counts) expect(count).toBeGreaterThan(800);
  });

  test("gives a store to one worker whatever the number of workers", () => {
    for (let i = 0; i < 100; i++) {
      const uid = `shard-${i}`;
      expect(workerOfShard(uid, 4, 2)).toBe(storeOfShard(uid, 4) % 2);
      expect(workerOfShard(uid, 4, 8)).toBe(storeOfShard(uid, 4));
    }
  });
});
