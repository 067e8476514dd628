import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { placeShards, type PlacementNode, type ShardToPlace } from "./placement.js";
import type { NodeId } from "./shard-record.js";

function nodes(...zones: readonly string[]): PlacementNode[] {
  return zones.map((domain, i) => ({ id: `n${i}` as NodeId, domain, weight: 1, accepting: true }));
}

function newShards(count: number, factor: number): ShardToPlace[] {
  return Array.from({ length: count }, (_, i) => ({ key: `s${i}`, factor, held: [], primary: undefined }));
}

function countBy<T>(items: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}

function spread(counts: readonly number[]): number {
  return Math.max(...counts) - Math.min(...counts);
}

const cluster = fc
  .record({
    zones: fc.integer({ min: 1, max: 5 }),
    sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 5, maxLength: 5 }),
    weights: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 20, maxLength: 20 }),
    away: fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }),
  })
  .map(({ zones, sizes, weights, away }) => {
    const all: PlacementNode[] = [];
    for (let zone = 0; zone < zones; zone += 1) {
      for (let i = 0; i < (sizes[zone] ?? 1); i += 1) {
        const at = all.length;
        const id = `n${zone}-${i}` as NodeId;
        all.push({ id, domain: `z${zone}`, weight: weights[at] ?? 1, accepting: away[at] !== true });
      }
    }
    return all;
  });

describe("placement", () => {
  test("never puts two copies of a shard in one domain, and leaves a copy out only without a domain for it", () => {
    fc.assert(
      fc.property(
        cluster,
        fc.array(fc.record({ factor: fc.integer({ min: 1, max: 4 }), held: fc.nat(3), pick: fc.nat(1000) }), {
          maxLength: 30,
        }),
        (all, wanted) => {
          const shards = wanted.map(({ factor, held, pick }, i): ShardToPlace => {
            // Copies that exist stand in distinct domains already.
            const chosen: NodeId[] = [];
            const domains = new Set<string>();
            for (let at = 0; at < all.length && chosen.length < Math.min(held, factor); at += 1) {
              const node = all[(at + pick) % all.length];
              if (!node || domains.has(node.domain)) continue;
              domains.add(node.domain);
              chosen.push(node.id);
            }
            return { key: `s${i}`, factor, held: chosen, primary: chosen[0] };
          });
          const placed = placeShards(all, shards, "seed");
          const domainOf = new Map(all.map((node) => [node.id, node]));
          placed.forEach((result, i) => {
            const shard = shards[i] as ShardToPlace;
            const copies = [...shard.held, ...result.added];
            const domains = copies.map((id) => domainOf.get(id)?.domain);
            expect(new Set(domains).size).toBe(copies.length);
            for (const id of result.added) expect(domainOf.get(id)?.accepting).toBe(true);
            expect(copies.length + result.unplaced.length).toBe(Math.max(shard.factor, shard.held.length));
            const open = new Set(
              all
                .filter((node) => node.accepting && !domains.includes(node.domain))
                .map((node) => node.domain),
            );
            expect(result.unplaced.length === 0 || open.size === 0).toBe(true);
            const enough = new Set(all.map((node) => node.domain)).size >= shard.factor;
            for (const reason of result.unplaced) {
              expect(reason).toBe(enough ? "NoNodeWithCapacity" : "NotEnoughDomains");
            }
          });
        },
      ),
    );
  });

  test("the same input gives the same places whatever the order of the nodes", () => {
    fc.assert(
      fc.property(cluster, fc.integer({ min: 1, max: 20 }), fc.nat(100), (all, count, turn) => {
        const shards = newShards(count, 3);
        const rotated = [...all.slice(turn % all.length), ...all.slice(0, turn % all.length)];
        expect(placeShards(rotated, shards, "seed")).toEqual(placeShards(all, shards, "seed"));
      }),
    );
  });

  test("copies and primaries are even over equal nodes in equal zones", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 2, max: 4 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 3 }),
        (perZone, zones, count, factor) => {
          const all = nodes(...Array.from({ length: perZone * zones }, (_, i) => `z${i % zones}`));
          const placed = placeShards(all, newShards(count, Math.min(factor, zones)), "seed");
          const copies = countBy(placed.flatMap((shard) => shard.added));
          const primaries = countBy(placed.map((shard) => shard.added[0]));
          expect(spread(all.map((node) => copies.get(node.id) ?? 0))).toBeLessThanOrEqual(1);
          expect(spread(all.map((node) => primaries.get(node.id) ?? 0))).toBeLessThanOrEqual(2);
        },
      ),
    );
  });

  test("a node of twice the weight gets twice the copies", () => {
    const all = nodes("a", "b", "c").map((node, i) => ({ ...node, weight: i === 0 ? 2 : 1 }));
    const placed = placeShards(all, newShards(40, 1), "seed");
    const copies = countBy(placed.flatMap((shard) => shard.added));
    expect(all.map((node) => copies.get(node.id))).toEqual([20, 10, 10]);
  });

  test("a new node takes what is new, and nothing moves to it", () => {
    const all = nodes("a", "b", "c", "a");
    const held: ShardToPlace[] = Array.from({ length: 10 }, (_, i) => ({
      key: `old${i}`,
      factor: 3,
      held: ["n0", "n1", "n2"] as NodeId[],
      primary: "n0" as NodeId,
    }));
    const placed = placeShards(all, [...held, ...newShards(5, 3)], "seed");
    expect(placed.slice(0, 10).every((shard) => shard.added.length === 0)).toBe(true);
    expect(placed.slice(10).every((shard) => shard.added.includes("n3" as NodeId))).toBe(true);
    expect(placed.slice(10).map((shard) => shard.added[0])).not.toContain("n0");
  });

  test("places 10,000 shards on 1,000 nodes", () => {
    const all = nodes(...Array.from({ length: 1000 }, (_, i) => `z${i % 3}`));
    const placed = placeShards(all, newShards(10_000, 3), "seed");
    const copies = countBy(placed.flatMap((shard) => shard.added));
    // One zone has a node more than the others: 29.9 copies for each node there, 30.03 elsewhere.
    expect(spread([...copies.values()])).toBeLessThanOrEqual(2);
    expect(copies.size).toBe(1000);
  });
});
