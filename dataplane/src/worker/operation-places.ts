/**
 * Where operations are, by their ids and oldest first: a queue in typed arrays, with a hash table whose
 * entries with equal hashes are chained, the newest first. Some ten thousand operations a second come and
 * go; as objects they would keep the collector of the heap busy.
 */

const CAPACITY_MIN = 1024;
const PRIME = 0x01000193;
const OTHER_PRIME = 0x85ebca6b;
/** Other in each thread, so that nobody can choose ids that meet in one chain. */
const SEED = Math.floor(Math.random() * 0x100000000);

export class OperationPlaces {
  /** By place, which is a running number modulo the capacity. */
  #seqs = new Float64Array(CAPACITY_MIN);
  #times = new Float64Array(CAPACITY_MIN);
  #hashes = new Uint32Array(CAPACITY_MIN);
  #others = new Uint32Array(CAPACITY_MIN);
  /** The next older one of the same chain, plus 1; 0: none. */
  #chain = new Uint32Array(CAPACITY_MIN);
  #heads = new Uint32Array(CAPACITY_MIN);
  #oldest = 0;
  #end = 0;

  get size(): number {
    return this.#end - this.#oldest;
  }

  get oldestSeq(): number {
    return this.#seqs[this.#oldest % this.#seqs.length]!;
  }

  get oldestMs(): number {
    return this.#times[this.#oldest % this.#times.length]!;
  }

  add(operationId: string, seq: number, timeMs: number): void {
    if (this.size === this.#seqs.length) this.#grow();
    const place = this.#end % this.#seqs.length;
    this.#end += 1;
    this.#seqs[place] = seq;
    this.#times[place] = timeMs;
    const hash = hashOf(operationId, SEED, PRIME);
    this.#hashes[place] = hash;
    this.#others[place] = hashOf(operationId, ~SEED, OTHER_PRIME);
    this.#link(place, hash);
  }

  removeOldest(): void {
    const place = this.#oldest % this.#seqs.length;
    this.#oldest += 1;
    const head = this.#hashes[place]! % this.#heads.length;
    // The oldest is the last of its chain.
    let before = -1;
    let at = this.#heads[head]! - 1;
    while (at !== place) {
      before = at;
      at = this.#chain[at]! - 1;
    }
    if (before === -1) this.#heads[head] = 0;
    else this.#chain[before] = 0;
  }

  /** Seqs of operations whose ids have the hash of this one, the newest first: nearly always none or the one. */
  find(operationId: string): number[] {
    const seqs: number[] = [];
    const hash = hashOf(operationId, SEED, PRIME);
    let at = this.#heads[hash % this.#heads.length]! - 1;
    if (at < 0) return seqs;
    const other = hashOf(operationId, ~SEED, OTHER_PRIME);
    for (; at >= 0; at = this.#chain[at]! - 1) {
      if (this.#hashes[at] === hash && this.#others[at] === other) seqs.push(this.#seqs[at]!);
    }
    return seqs;
  }

  #link(place: number, hash: number): void {
    const head = hash % this.#heads.length;
    this.#chain[place] = this.#heads[head]!;
    this.#heads[head] = place + 1;
  }

  /** To twice the capacity, with the oldest at the start. */
  #grow(): void {
    const { size } = this;
    const from = this.#oldest % this.#seqs.length;
    const unrolled = <A extends Float64Array | Uint32Array>(old: A, larger: A): A => {
      larger.set(old.subarray(from), 0);
      larger.set(old.subarray(0, from), old.length - from);
      return larger;
    };
    this.#seqs = unrolled(this.#seqs, new Float64Array(2 * size));
    this.#times = unrolled(this.#times, new Float64Array(2 * size));
    this.#hashes = unrolled(this.#hashes, new Uint32Array(2 * size));
    this.#others = unrolled(this.#others, new Uint32Array(2 * size));
    this.#chain = new Uint32Array(2 * size);
    this.#heads = new Uint32Array(2 * size);
    this.#oldest = 0;
    this.#end = size;
    for (let place = 0; place < size; place += 1) this.#link(place, this.#hashes[place]!);
  }
}

/** FNV-1a (Fowler, Noll and Vo) over UTF-16 units, mixed at the end (Appleby, MurmurHash3). */
function hashOf(text: string, seed: number, prime: number): number {
  let hash = seed | 0;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), prime);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
