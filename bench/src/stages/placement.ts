/** How long the placement of a large cluster takes: it must not hold up a failover. */
import { placeShards, type PlacementNode, type ShardToPlace } from "@prism/operator/domain/placement";
import type { NodeId } from "@prism/operator/domain/shard-record";
import type { PlacementFigures } from "../results.js";

const FACTOR = 3;
const SEED = "bench";

export function measurePlacement(size: {
  readonly nodes: number;
  readonly zones: number;
  readonly shards: number;
}): PlacementFigures {
  const nodes = Array.from({ length: size.nodes }, (_, i): PlacementNode => ({
    id: `node-${i}` as NodeId,
    domain: `zone-${i % size.zones}`,
    weight: 1,
    accepting: true,
  }));
  const wanted = Array.from({ length: size.shards }, (_, i): ShardToPlace => ({
    key: `shard-${i}`,
    factor: FACTOR,
    held: [],
    primary: undefined,
  }));
  const freshStartMs = performance.now();
  const placed = placeShards(nodes, wanted, SEED);
  const freshMs = performance.now() - freshStartMs;

  const remaining = nodes.filter((node) => node.domain !== "zone-0");
  const isLeft = new Set(remaining.map((node) => node.id));
  const orphaned = placed.map(({ key, added }): ShardToPlace => {
    const held = added.filter((id) => isLeft.has(id));
    return { key, factor: FACTOR, held, primary: held[0] };
  });
  const lossStartMs = performance.now();
  const replaced = placeShards(remaining, orphaned, SEED);
  const zoneLossMs = performance.now() - lossStartMs;
  return {
    ...size,
    factor: FACTOR,
    freshMs,
    copiesPlaced: countAdded(placed),
    zoneLossMs,
    copiesReplaced: countAdded(replaced),
  };
}

function countAdded(shards: readonly { readonly added: readonly unknown[] }[]): number {
  return shards.reduce((sum, shard) => sum + shard.added.length, 0);
}
