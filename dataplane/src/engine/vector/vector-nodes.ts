import type { VectorArena } from "./vector-arena.js";

const NONE = -1;

/** Bytes of an entry of the hash map, as V8 lays it out. */
const MAP_ENTRY_BYTES = 40;

/**
 * Slots with equal vectors, bit by bit, share a node of the graph. With a node each, a few dozen equal
 * vectors would link to each other alone, and a search that came among them would find nothing else:
 * documents with the same text have the same embedding, so they are no rarity.
 *
 * Invariant: a node has at least one slot; all its slots hold the same vector; no two nodes do.
 */
export class VectorNodes {
  readonly #arena: VectorArena;
  /** By slot: its node, and the slots before and after it in the node's list. */
  #node = new Int32Array(0);
  #previous = new Int32Array(0);
  #next = new Int32Array(0);
  /** By node: first slot, hash of the vector, and the next node with that hash. */
  #first = new Int32Array(0);
  #hash = new Int32Array(0);
  #sameHash = new Int32Array(0);
  readonly #byHash = new Map<number, number>();
  readonly #free: number[] = [];
  #count = 0;

  constructor(arena: VectorArena) {
    this.#arena = arena;
  }

  /** Nodes ever in use at once: live ones are below. */
  get count(): number {
    return this.#count;
  }

  get memoryBytes(): number {
    return this.#node.byteLength * 3 + this.#first.byteLength * 3 + this.#byHash.size * MAP_ENTRY_BYTES;
  }

  /** -1: the slot has none. */
  nodeOf(slot: number): number {
    return this.#node[slot] ?? NONE;
  }

  /** -1: no such node now. */
  firstSlotOf(node: number): number {
    return this.#first[node] ?? NONE;
  }

  /** The next slot of the same node, or -1. */
  slotAfter(slot: number): number {
    return this.#next[slot]!;
  }

  /** Gives the slot the node of its vector, a new one if it is the first with it. */
  assign(slot: number): number {
    const hash = this.#hashOf(slot);
    for (let node = this.#byHash.get(hash) ?? NONE; node !== NONE; node = this.#sameHash[node]!) {
      if (this.#isEqual(this.#first[node]!, slot)) {
        this.#link(slot, node);
        return node;
      }
    }
    const node = this.#free.pop() ?? this.#count;
    this.#open(node, slot, hash);
    return node;
  }

  /** Gives the slot the node that a file says it has. */
  restore(slot: number, node: number): void {
    if (this.firstSlotOf(node) === NONE) this.#open(node, slot, this.#hashOf(slot));
    else this.#link(slot, node);
  }

  /** Call once after the last `restore`. */
  restoreFree(): void {
    for (let node = 0; node < this.#count; node += 1) if (this.#first[node] === NONE) this.#free.push(node);
  }

  /** Returns the slot's node if it has no slot left and is gone, else -1. */
  release(slot: number): number {
    const node = this.nodeOf(slot);
    if (node === NONE) return NONE;
    const previous = this.#previous[slot]!;
    const next = this.#next[slot]!;
    this.#node[slot] = NONE;
    if (next !== NONE) this.#previous[next] = previous;
    if (previous !== NONE) this.#next[previous] = next;
    else this.#first[node] = next;
    if (this.#first[node] !== NONE) return NONE;
    this.#close(node);
    return node;
  }

  #open(node: number, slot: number, hash: number): void {
    if (node >= this.#first.length) {
      this.#first = grown(this.#first, node);
      this.#hash = grown(this.#hash, node);
      this.#sameHash = grown(this.#sameHash, node);
    }
    this.#count = Math.max(this.#count, node + 1);
    this.#hash[node] = hash;
    this.#sameHash[node] = this.#byHash.get(hash) ?? NONE;
    this.#byHash.set(hash, node);
    this.#link(slot, node);
  }

  #close(node: number): void {
    const hash = this.#hash[node]!;
    const following = this.#sameHash[node]!;
    let at = this.#byHash.get(hash)!;
    if (at === node) {
      if (following === NONE) this.#byHash.delete(hash);
      else this.#byHash.set(hash, following);
    } else {
      while (this.#sameHash[at] !== node) at = this.#sameHash[at]!;
      this.#sameHash[at] = following;
    }
    this.#free.push(node);
  }

  #link(slot: number, node: number): void {
    if (slot >= this.#node.length) {
      this.#node = grown(this.#node, slot);
      this.#previous = grown(this.#previous, slot);
      this.#next = grown(this.#next, slot);
    }
    const first = this.#first[node]!;
    this.#node[slot] = node;
    this.#previous[slot] = NONE;
    this.#next[slot] = first;
    if (first !== NONE) this.#previous[first] = slot;
    this.#first[node] = slot;
  }

  /** FNV-1a (Fowler, Noll, Vo) by words, finished by the mixer of MurmurHash3. */
  #hashOf(slot: number): number {
    const words = this.#arena.wordsAt(slot);
    let hash = 0x811c9dc5;
    for (let i = 0; i < words.length; i += 1) hash = Math.imul(hash ^ words[i]!, 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return hash ^ (hash >>> 16);
  }

  #isEqual(a: number, b: number): boolean {
    const left = this.#arena.wordsAt(a);
    const right = this.#arena.wordsAt(b);
    return left.every((word, i) => word === right[i]);
  }
}

function grown(array: Int32Array, index: number): Int32Array<ArrayBuffer> {
  const result = new Int32Array(Math.max(index + 1, array.length * 2, 64)).fill(NONE);
  result.set(array);
  return result;
}
