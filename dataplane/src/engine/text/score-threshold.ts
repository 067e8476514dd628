/** The `size`-th highest of the scores offered: a heap of the highest, the lowest of them at the root. */
export class ScoreThreshold {
  readonly #size: number;
  #heap = new Float64Array(0);
  #count = 0;
  /** -Infinity while there are fewer scores than `size`; no lower score need be offered. */
  value = -Infinity;

  constructor(size: number) {
    this.#size = size;
    if (size === 0) this.value = Infinity;
  }

  offer(score: number): void {
    if (this.#count < this.#size) this.#rise(score);
    else if (score > this.value) this.#sink(score);
    if (this.#count === this.#size && this.#size > 0) this.value = this.#heap[0]!;
  }

  #rise(score: number): void {
    if (this.#count === this.#heap.length) this.#grow();
    const heap = this.#heap;
    let at = this.#count;
    this.#count += 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]! <= score) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = score;
  }

  #sink(score: number): void {
    const heap = this.#heap;
    const count = this.#count;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) break;
      if (child + 1 < count && heap[child + 1]! < heap[child]!) child += 1;
      if (heap[child]! >= score) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = score;
  }

  #grow(): void {
    const grown = new Float64Array(Math.min(this.#size, Math.max(16, this.#heap.length * 2)));
    grown.set(this.#heap);
    this.#heap = grown;
  }
}
