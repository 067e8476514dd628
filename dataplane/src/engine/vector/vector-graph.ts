import {
  GraphIndex,
  type GraphFile,
  type GraphMatches,
  type GraphMetric,
} from "../../adapters/usearch/graph-index.js";
import type { VectorArena } from "./vector-arena.js";
import { VectorNodes } from "./vector-nodes.js";

/** Fewer vectors than this are scanned in less time than a graph takes. */
export const GRAPH_SIZE_MIN = 1_000;

/** Removed nodes cost memory and steps of every search: above this share the graph is built anew. */
const REMOVED_SHARE_MAX = 0.3;

/** Places taken over from removed nodes cost recall, about 0.2 % per full turnover. */
const REUSED_SHARE_MAX = 2;

/** One call of `work` stays below this, give or take one insertion: searches wait for it. */
const WORK_MS = 4;

/**
 * The HNSW graph over the vectors of an arena. New vectors wait in the tail, which searches scan, until
 * `work` moves them; a graph with too many removed nodes is replaced by a new one built beside it.
 *
 * Invariant: a live slot is in the tail or has a node, never both; a free slot neither. All nodes are in
 * the graph, and those below the cursor in the next graph too.
 */
export class VectorGraph {
  readonly #arena: VectorArena;
  readonly #metric: GraphMetric;
  #nodes: VectorNodes;
  #graph: GraphIndex | undefined;
  #next: GraphIndex | undefined;
  #cursor = 0;
  /** Slots, oldest first. */
  readonly #tail = new Set<number>();

  constructor(arena: VectorArena, metric: GraphMetric) {
    this.#arena = arena;
    this.#metric = metric;
    this.#nodes = new VectorNodes(arena);
  }

  get tail(): ReadonlySet<number> {
    return this.#tail;
  }

  /** Vectors that wait for `work`; without a graph the scanned ones are where they belong. */
  get waiting(): number {
    return this.#graph === undefined && this.#arena.size < GRAPH_SIZE_MIN ? 0 : this.#tail.size;
  }

  get nodes(): VectorNodes {
    return this.#nodes;
  }

  /** Nodes in the graph: distinct vectors. */
  get size(): number {
    return this.#graph?.size ?? 0;
  }

  get memoryBytes(): number {
    const graphs = (this.#graph?.memoryBytes ?? 0) + (this.#next?.memoryBytes ?? 0);
    return graphs + this.#nodes.memoryBytes + this.#tail.size * 16;
  }

  add(slot: number): void {
    this.#tail.add(slot);
  }

  remove(slot: number): void {
    if (this.#tail.delete(slot)) return;
    const node = this.#nodes.release(slot);
    if (node < 0) return;
    this.#graph?.remove(node);
    this.#next?.remove(node);
  }

  /** Nodes of the nearest vectors outside the tail. */
  search(vector: Float32Array, results: number): GraphMatches {
    return (
      this.#graph?.search(vector, results) ?? { keys: new Uint32Array(0), distances: new Float32Array(0) }
    );
  }

  /** A bounded piece of moving or rebuilding; false when there was nothing to do. */
  work(): boolean {
    this.#chooseGraphs();
    if (this.#graph === undefined) return false;
    const start = performance.now();
    // Half the time each, so that neither the tail nor the old graph grows worse without an end.
    const tailEnd = start + (this.#next === undefined ? WORK_MS : WORK_MS / 2);
    const moved = this.#moveTail(this.#graph, tailEnd);
    const rebuilt = this.#next !== undefined && this.#rebuild(this.#next, start + WORK_MS);
    return moved || rebuilt;
  }

  save(path: string): GraphFile | undefined {
    return this.#graph === undefined || this.#graph.size === 0 ? undefined : this.#graph.save(path);
  }

  /**
   * Takes over all live slots of the arena, with the nodes that they have in the loaded graph (-1: none).
   * Returns false, with all of them in the tail, when the graph has not just these nodes.
   */
  restore(graph: GraphIndex | undefined, nodeOf: (slot: number) => number): boolean {
    this.#nodes = new VectorNodes(this.#arena);
    this.#tail.clear();
    const distinct = new Set<number>();
    for (let slot = 0; slot < this.#arena.slotCount; slot += 1) {
      if (!this.#arena.isLive(slot)) continue;
      const node = graph === undefined ? -1 : nodeOf(slot);
      if (node < 0) {
        this.#tail.add(slot);
        continue;
      }
      distinct.add(node);
      this.#nodes.restore(slot, node);
    }
    if (graph !== undefined && graph.size !== distinct.size) return this.restore(undefined, () => -1);
    this.#nodes.restoreFree();
    this.#graph = graph;
    return graph !== undefined;
  }

  #chooseGraphs(): void {
    if (this.#graph === undefined) {
      if (this.#arena.size >= GRAPH_SIZE_MIN) this.#graph = new GraphIndex(this.#shape());
      return;
    }
    // Half the size that makes a graph: else a collection at the border would build one again and again.
    if (this.#arena.size < GRAPH_SIZE_MIN / 2) {
      this.#next = undefined;
      this.restore(undefined, () => -1);
      return;
    }
    if (this.#next === undefined && isWorn(this.#graph)) {
      this.#next = new GraphIndex(this.#shape());
      this.#cursor = 0;
    }
  }

  #shape() {
    return { dimensions: this.#arena.dimensions, metric: this.#metric };
  }

  #moveTail(graph: GraphIndex, endMs: number): boolean {
    let moved = false;
    for (const slot of this.#tail) {
      const node = this.#nodes.assign(slot);
      this.#tail.delete(slot);
      moved = true;
      if (this.#nodes.slotAfter(slot) < 0) {
        graph.add(node, this.#arena.vectorAt(slot));
        if (node < this.#cursor) this.#next?.add(node, this.#arena.vectorAt(slot));
      }
      if (performance.now() >= endMs) break;
    }
    return moved;
  }

  #rebuild(next: GraphIndex, endMs: number): boolean {
    while (this.#cursor < this.#nodes.count) {
      const slot = this.#nodes.firstSlotOf(this.#cursor);
      if (slot >= 0) next.add(this.#cursor, this.#arena.vectorAt(slot));
      this.#cursor += 1;
      if (performance.now() >= endMs) return true;
    }
    this.#graph = next;
    this.#next = undefined;
    return true;
  }
}

function isWorn(graph: GraphIndex): boolean {
  const removed = graph.slots - graph.size;
  return removed > graph.slots * REMOVED_SHARE_MAX || graph.reused > graph.slots * REUSED_SHARE_MAX;
}
