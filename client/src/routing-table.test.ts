import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { RoutingResponse } from "@prism/api/routing";
import { describe, expect, it } from "vitest";
import { RoutingTable } from "./routing-table.js";

interface RingVectors {
  readonly hash: string;
  readonly keys: readonly string[];
  readonly rings: readonly { readonly shards: number; readonly owners: readonly number[] }[];
}

const VECTORS = fileURLToPath(new URL("../../proto/contract/ring-vectors.json", import.meta.url));

describe("the routing table", () => {
  it("finds the shard of every golden key that nodes find too", async () => {
    const vectors = JSON.parse(readFileSync(VECTORS, "utf8")) as RingVectors;
    expect(vectors.rings.length).toBeGreaterThan(2);
    for (const { shards, owners } of vectors.rings) {
      const routing: RoutingResponse = {
        collection: "notes",
        collectionUid: "uid",
        revision: 1,
        shardKey: null,
        ring: { algorithm: vectors.hash, virtualNodes: 64 },
        shards: Array.from({ length: shards }, (_, number) => ({
          number,
          term: 1,
          primary: { node: `n${number}`, zone: "a", httpUrl: `http://shard-${number}` },
          copies: [],
        })),
      };
      const table = new RoutingTable(async () => routing);
      table.holdersOf("notes", "", "write", 0);
      await expect.poll(() => table.holdersOf("notes", "", "write", 0)).toHaveLength(1);
      const found = vectors.keys.map((key) => table.holdersOf("notes", key, "write", 0)[0]);
      expect(found).toEqual(owners.map((shard) => `http://shard-${shard}`));
    }
  });
});
