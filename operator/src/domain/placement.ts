/**
 * Where shard copies go. Greedy: each copy goes to the least loaded node (copies per weight) of a
 * domain that has no copy of the shard yet; ties go to the less loaded domain, then by a hash of
 * seed and names, so that equal input gives equal output whatever its order. Copies that exist never
 * move. Two heaps (of domains, and of nodes in each) make it O(copies x log nodes).
 *
 * NoTwoCopiesInOneDomain holds for the result if it held for the copies given.
 */
import type { Reason } from "@prism/api/reason";
import { NodeHeap } from "./node-heap.js";
import type { NodeId } from "./shard-record.js";

export interface PlacementNode {
  readonly id: NodeId;
  /** What may be lost as a whole: a zone, a rack, a host. */
  readonly domain: string;
  /** Share of the copies this node should hold, relative to the others; above 0. */
  readonly weight: number;
  /** Whether it takes new copies: false for one that is away, leaves or has no space. */
  readonly accepting: boolean;
}

export interface ShardToPlace {
  readonly key: string;
  /** Copies wanted, the primary included. */
  readonly factor: number;
  /** Nodes that hold a copy already. */
  readonly held: readonly NodeId[];
  /** The node of the primary, when the shard has one. */
  readonly primary: NodeId | undefined;
}

export interface PlacedShard {
  readonly key: string;
  /** Nodes for the missing copies; of a shard without primary, the first is to be the primary. */
  readonly added: readonly NodeId[];
  /** One for each copy that has no place. */
  readonly unplaced: readonly Reason[];
}

interface NodeLoad {
  readonly node: PlacementNode;
  readonly tie: number;
  copies: number;
  primaries: number;
}

interface DomainLoad {
  readonly name: string;
  readonly tie: number;
  readonly nodes: NodeHeap<NodeLoad>;
  weight: number;
  copies: number;
}

export function placeShards(
  nodes: readonly PlacementNode[],
  shards: readonly ShardToPlace[],
  seed: string,
): readonly PlacedShard[] {
  const loads = loadsOf(nodes, shards, seed);
  const domains = domainsOf(loads, seed);
  const open = new NodeHeap<DomainLoad>(domainBefore);
  for (const domain of domains.values()) if (domain.nodes.size > 0) open.push(domain);
  return shards.map((shard) => placeShard(shard, loads, domains, open));
}

function placeShard(
  shard: ShardToPlace,
  loads: ReadonlyMap<NodeId, NodeLoad>,
  domains: ReadonlyMap<string, DomainLoad>,
  open: NodeHeap<DomainLoad>,
): PlacedShard {
  const used = new Set<string>();
  for (const id of shard.held) {
    const load = loads.get(id);
    if (load) used.add(load.node.domain);
  }
  const chosen: NodeLoad[] = [];
  const setAside: DomainLoad[] = [];
  const missing = Math.max(0, shard.factor - shard.held.length);
  while (chosen.length < missing) {
    const domain = open.pop();
    if (!domain) break;
    setAside.push(domain);
    if (used.has(domain.name)) continue;
    const load = domain.nodes.pop();
    if (!load) continue;
    load.copies += 1;
    domain.copies += 1;
    domain.nodes.push(load);
    chosen.push(load);
  }
  for (const domain of setAside) open.push(domain);
  const unplaced = missing - chosen.length;
  const reason = unplaced > 0 ? unplacedReason(shard, domains.size) : undefined;
  if (shard.primary === undefined) choosePrimary(chosen);
  return {
    key: shard.key,
    added: chosen.map((load) => load.node.id),
    unplaced: reason ? Array.from({ length: unplaced }, () => reason) : [],
  };
}

/** Puts the node with the fewest primaries first; only later shards see the new count. */
function choosePrimary(chosen: NodeLoad[]): void {
  chosen.sort((left, right) => {
    const difference = left.primaries / left.node.weight - right.primaries / right.node.weight;
    return difference || left.tie - right.tie;
  });
  const first = chosen[0];
  if (first) first.primaries += 1;
}

function unplacedReason(shard: ShardToPlace, domains: number): Reason {
  return domains < shard.factor ? "NotEnoughDomains" : "NoNodeWithCapacity";
}

function loadsOf(
  nodes: readonly PlacementNode[],
  shards: readonly ShardToPlace[],
  seed: string,
): Map<NodeId, NodeLoad> {
  const loads = new Map<NodeId, NodeLoad>();
  for (const node of nodes) {
    loads.set(node.id, { node, tie: hash(`${seed}/${node.id}`), copies: 0, primaries: 0 });
  }
  for (const shard of shards) {
    for (const id of shard.held) {
      const load = loads.get(id);
      if (load) load.copies += 1;
    }
    const primary = shard.primary === undefined ? undefined : loads.get(shard.primary);
    if (primary) primary.primaries += 1;
  }
  return loads;
}

function domainsOf(loads: ReadonlyMap<NodeId, NodeLoad>, seed: string): Map<string, DomainLoad> {
  const domains = new Map<string, DomainLoad>();
  for (const load of loads.values()) {
    const name = load.node.domain;
    let domain = domains.get(name);
    if (!domain) {
      domain = { name, tie: hash(`${seed}/${name}`), nodes: new NodeHeap(nodeBefore), weight: 0, copies: 0 };
      domains.set(name, domain);
    }
    domain.weight += load.node.weight;
    domain.copies += load.copies;
    if (load.node.accepting) domain.nodes.push(load);
  }
  return domains;
}

function nodeBefore(left: NodeLoad, right: NodeLoad): boolean {
  const difference = ratio(left) - ratio(right);
  if (difference !== 0) return difference < 0;
  if (left.tie !== right.tie) return left.tie < right.tie;
  return left.node.id < right.node.id;
}

function domainBefore(left: DomainLoad, right: DomainLoad): boolean {
  const leftBest = left.nodes.peek();
  const rightBest = right.nodes.peek();
  if (!leftBest || !rightBest) return leftBest !== undefined;
  const difference =
    ratio(leftBest) - ratio(rightBest) || left.copies / left.weight - right.copies / right.weight;
  if (difference !== 0) return difference < 0;
  if (left.tie !== right.tie) return left.tie < right.tie;
  return left.name < right.name;
}

/** The load after one more copy, so that a heavier node is filled first from the start. */
function ratio(load: NodeLoad): number {
  return (load.copies + 1) / load.node.weight;
}

/** FNV-1a, 32 bits, over UTF-16 code units. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  }
  return value >>> 0;
}
