import {
  GraphIndex,
  type GraphFile,
  type GraphMatches,
  type GraphMetric,
} from "../../adapters/usearch/graph-index.js";
import type { VectorArena } from "./vector-arena.js";

/** Fewer vectors than this are scanned in less time than a graph takes. */
export const GRAPH_SIZE_MIN = 1_000;

/** Removed nodes cost memory and steps of every search: above this share the graph is built anew. */
const REMOVED_SHARE_MAX = 0.3;

/** Places taken over from removed nodes cost recall, about 0.2 % per full turnover. */
const REUSED_SHARE_MAX = 2;

/** One call of `work` stays below this, give or take one insertion: searches wait for it. */
const WORK_MS = 4;

const IN_GRAPH = 1;
const IN_NEXT = 2;

/**
 * The HNSW graph over the slots of an arena. New vectors wait in the tail, which searches scan, until
 * `work` moves them; a graph with too many removed nodes is replaced by a new one built beside it.
 *
 * Invariant: a live slot is in the tail or in the graph, never in both; a free slot is in neither.
 */
export class VectorGraph {
  readonly #arena: VectorArena;
  readonly #metric: GraphMetric;
  #graph: GraphIndex | undefined;
  #next: GraphIndex | undefined;
  /** Slots below are in `#next` if they are live and in the graph. */
  #cursor = 0;
  #membership = new Uint8Array(64);
  /** Slots, oldest first. */
  readonly #tail = new Set<number>();

  constructor(arena: VectorArena, metric: GraphMetric) {
    this.#arena = arena;
    this.#metric = metric;
  }

  get tail(): ReadonlySet<number> {
    return this.#tail;
  }

  /** Vectors that wait for `work`; without a graph the scanned ones are where they belong. */
  get waiting(): number {
    return this.#graph === undefined && this.#arena.size < GRAPH_SIZE_MIN ? 0 : this.#tail.size;
  }

  get size(): number {
    return this.#graph?.size ?? 0;
  }

  get isRebuilding(): boolean {
    return this.#next !== undefined;
  }

  get memoryBytes(): number {
    const graphs = (this.#graph?.memoryBytes ?? 0) + (this.#next?.memoryBytes ?? 0);
    return graphs + this.#membership.byteLength + this.#tail.size * 16;
  }

  isInGraph(slot: number): boolean {
    return (this.#membership[slot]! & IN_GRAPH) !== 0;
  }

  add(slot: number): void {
    if (slot >= this.#membership.length) {
      const membership = new Uint8Array(Math.max(slot + 1, this.#membership.length * 2));
      membership.set(this.#membership);
      this.#membership = membership;
    }
    this.#tail.add(slot);
  }

  remove(slot: number): void {
    const membership = this.#membership[slot]!;
    if ((membership & IN_GRAPH) !== 0) this.#graph?.remove(slot);
    if ((membership & IN_NEXT) !== 0) this.#next?.remove(slot);
    this.#membership[slot] = 0;
    this.#tail.delete(slot);
  }

  /** Slots of the nearest vectors outside the tail. */
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

  /** Takes over all live slots of the arena, those that `isInGraph` says with the loaded graph. */
  restore(graph: GraphIndex | undefined, isInGraph: (slot: number) => boolean): void {
    this.#graph = graph;
    this.#membership = new Uint8Array(Math.max(64, this.#arena.slotCount));
    for (let slot = 0; slot < this.#arena.slotCount; slot += 1) {
      if (!this.#arena.isLive(slot)) continue;
      if (graph !== undefined && isInGraph(slot)) this.#membership[slot] = IN_GRAPH;
      else this.#tail.add(slot);
    }
  }

  #chooseGraphs(): void {
    if (this.#graph === undefined) {
      if (this.#arena.size >= GRAPH_SIZE_MIN) this.#graph = new GraphIndex(this.#shape());
      return;
    }
    // Half the size that makes a graph: else a collection at the border would build one again and again.
    if (this.#arena.size < GRAPH_SIZE_MIN / 2) {
      this.#next = undefined;
      this.restore(undefined, () => false);
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
      graph.add(slot, this.#arena.vectorAt(slot));
      this.#membership[slot]! |= IN_GRAPH;
      this.#tail.delete(slot);
      if (this.#next !== undefined && slot < this.#cursor) this.#addToNext(this.#next, slot);
      moved = true;
      if (performance.now() >= endMs) break;
    }
    return moved;
  }

  #rebuild(next: GraphIndex, endMs: number): boolean {
    while (this.#cursor < this.#arena.slotCount) {
      const slot = this.#cursor;
      this.#cursor += 1;
      if (this.#arena.isLive(slot)) this.#addToNext(next, slot);
      if (performance.now() >= endMs) return true;
    }
    this.#graph = next;
    this.#next = undefined;
    for (let slot = 0; slot < this.#arena.slotCount; slot += 1) {
      const isIn = (this.#membership[slot]! & IN_NEXT) !== 0;
      this.#membership[slot] = isIn ? IN_GRAPH : 0;
      if (isIn) this.#tail.delete(slot);
    }
    return true;
  }

  #addToNext(next: GraphIndex, slot: number): void {
    if ((this.#membership[slot]! & IN_NEXT) !== 0) return;
    next.add(slot, this.#arena.vectorAt(slot));
    this.#membership[slot]! |= IN_NEXT;
  }
}

function isWorn(graph: GraphIndex): boolean {
  const removed = graph.slots - graph.size;
  return removed > graph.slots * REMOVED_SHARE_MAX || graph.reused > graph.slots * REUSED_SHARE_MAX;
}
