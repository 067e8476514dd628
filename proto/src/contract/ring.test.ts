import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Ring, RING_HASH, VIRTUAL_NODES } from "./ring.js";
import { xxh32 } from "./xxh32.js";

interface Vectors {
  readonly hash: string;
  readonly keys: readonly string[];
  readonly rings: readonly { readonly shards: number; readonly owners: readonly number[] }[];
}

const vectors = JSON.parse(
  readFileSync(new URL("../../contract/ring-vectors.json", import.meta.url), "utf8"),
) as Vectors;

const hashOf = (text: string): number => xxh32(new TextEncoder().encode(text));

/** The same rule without sorting or searching: the least distance clockwise, then the lower shard. */
function dumbOwner(shards: number, key: string): number {
  const target = hashOf(key);
  let best = { distance: Infinity, shard: -1 };
  for (let shard = 0; shard < shards; shard += 1) {
    for (let node = 0; node < VIRTUAL_NODES; node += 1) {
      const distance = (hashOf(`${shard}/${node}`) - target + 2 ** 32) % 2 ** 32;
      if (distance < best.distance) best = { distance, shard };
    }
  }
  return best.shard;
}

describe("ring", () => {
  it("agrees with the golden file on every key", () => {
    expect(vectors.hash).toBe(RING_HASH);
    for (const { shards, owners } of vectors.rings) {
      const ring = new Ring(shards);
      expect(
        vectors.keys.map((key) => ring.shardOf(key)),
        `${shards} shards`,
      ).toEqual(owners);
    }
  });

  it("agrees with a search of all points", () => {
    const rings = new Map<number, Ring>();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.string({ unit: "binary" }), (shards, key) => {
        const ring = rings.get(shards) ?? new Ring(shards);
        rings.set(shards, ring);
        expect(ring.shardOf(key)).toBe(dumbOwner(shards, key));
      }),
    );
  });

  it("gives every shard its share of keys within a factor of two", () => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `document-${i}`);
    for (const shards of [2, 3, 8, 16]) {
      const ring = new Ring(shards);
      const counts = Array.from({ length: shards }, () => 0);
      for (const key of keys) counts[ring.shardOf(key)]! += 1;
      const fair = keys.length / shards;
      for (const count of counts) {
        expect(count).toBeGreaterThan(fair / 2);
        expect(count).toBeLessThan(fair * 2);
      }
    }
  });

  it("moves keys only to the new shard when one is added", () => {
    const before = new Ring(4);
    const after = new Ring(5);
    fc.assert(
      fc.property(fc.string(), (key) => {
        const owner = after.shardOf(key);
        expect(owner === 4 || owner === before.shardOf(key)).toBe(true);
      }),
    );
  });

  it("refuses a ring without shards", () => {
    expect(() => new Ring(0)).toThrow(RangeError);
    expect(() => new Ring(1.5)).toThrow(RangeError);
  });
});
