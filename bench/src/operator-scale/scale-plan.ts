/** A cluster of a size as data: where its nodes stand, and what its records say while nothing is wrong. */

export interface ScalePlan {
  readonly nodes: number;
  readonly zones: number;
  readonly shards: number;
  readonly shardsPerCollection: number;
}

export interface PlannedNode {
  readonly name: string;
  readonly nodeId: string;
  readonly zone: string;
}

export interface PlannedShard {
  readonly collection: string;
  readonly number: number;
  /** The first one leads. Each in another zone. */
  readonly copies: readonly { readonly id: string; readonly node: string; readonly zone: string }[];
}

export const FACTOR = 3;

export function zoneNames({ zones }: ScalePlan): string[] {
  return Array.from({ length: zones }, (_, i) => `z${i}`);
}

/** As nodes are named where zones are filled in turn. */
export function planNodes(plan: ScalePlan): PlannedNode[] {
  return Array.from({ length: plan.nodes }, (_, i) => {
    const zone = `z${i % plan.zones}`;
    const name = `node-${zone}-${Math.floor(i / plan.zones)}`;
    return { name, nodeId: `id-of-${name}`, zone };
  });
}

export function collectionNames(plan: ScalePlan): string[] {
  const count = Math.ceil(plan.shards / plan.shardsPerCollection);
  return Array.from({ length: count }, (_, i) => `c${i}`);
}

/** Copies and primaries evenly over nodes and zones. */
export function planShards(plan: ScalePlan): PlannedShard[] {
  const byZone = new Map<string, PlannedNode[]>();
  for (const node of planNodes(plan)) byZone.set(node.zone, [...(byZone.get(node.zone) ?? []), node]);
  const zones = zoneNames(plan);
  return Array.from({ length: plan.shards }, (_, i) => ({
    collection: `c${Math.floor(i / plan.shardsPerCollection)}`,
    number: i % plan.shardsPerCollection,
    copies: Array.from({ length: Math.min(FACTOR, zones.length) }, (_unused, k) => {
      const zone = zones[(i + k) % zones.length]!;
      const nodes = byZone.get(zone)!;
      const node = nodes[Math.floor(i / zones.length) % nodes.length]!;
      return { id: `1-${k}-${i}`, node: node.nodeId, zone };
    }),
  }));
}
