/**
 * Which copy of a shard a read asks, and which next when that one fails: all in-sync copies, best
 * first. A copy that does not answer well is put last, never left out: it may be the only one.
 */
import type { AllocationId, MapNode, NodeId, ShardMap } from "./cluster-map.js";

/** What the coordinator itself knows of a node, beside the map. */
export interface NodeConditions {
  /** Calls sent to the node and not answered yet. */
  inFlight(node: NodeId): number;
  /** Whether a call can be sent now. */
  isReachable(node: NodeId): boolean;
  /** Whether calls wait there and none has been answered for a while. */
  isSilent(node: NodeId): boolean;
}

export interface RankedCopy {
  readonly node: NodeId;
  readonly allocation: AllocationId;
}

interface Candidate extends RankedCopy {
  readonly health: number;
  readonly distance: number;
  readonly load: number;
}

/**
 * In-sync copies in the order in which they are to be asked: healthy nodes first, then those that
 * are silent, suspect, dead, unreachable; among equals the own zone first, then the least loaded,
 * then the own node, then by node id.
 */
export function rankCopies(
  shard: ShardMap,
  nodes: ReadonlyMap<NodeId, MapNode>,
  self: NodeId,
  conditions: NodeConditions,
): readonly RankedCopy[] {
  const ownZone = nodes.get(self)?.zone;
  const inSync = new Set(shard.inSync);
  const candidates: Candidate[] = [];
  for (const copy of shard.copies) {
    if (!inSync.has(copy.id)) continue;
    candidates.push({
      node: copy.node,
      allocation: copy.id,
      health: healthOf(copy.node, nodes.get(copy.node), conditions),
      distance: copy.node === self || copy.zone === ownZone ? 0 : 1,
      load: conditions.inFlight(copy.node),
    });
  }
  candidates.sort(
    (a, b) =>
      a.health - b.health ||
      a.distance - b.distance ||
      a.load - b.load ||
      Number(b.node === self) - Number(a.node === self) ||
      (a.node < b.node ? -1 : 1),
  );
  return candidates.map(({ node, allocation }) => ({ node, allocation }));
}

/** 0 is healthy; the higher, the later the copy is asked. */
function healthOf(id: NodeId, node: MapNode | undefined, conditions: NodeConditions): number {
  if (!conditions.isReachable(id)) return 4;
  if (node === undefined || node.state === "dead") return 3;
  if (node.state === "suspect") return 2;
  return conditions.isSilent(id) ? 1 : 0;
}

/** The node of the primary; undefined when the record names a copy without a place. */
export function primaryNodeOf(shard: ShardMap): NodeId | undefined {
  return shard.copies.find((copy) => copy.id === shard.primary)?.node;
}
