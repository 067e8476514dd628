/**
 * The first `count` members of a stream under an order, by a heap whose root is the last of those
 * kept: most members cost one comparison.
 */
export class BoundedSelection {
  readonly #count: number;
  readonly #compare: (a: number, b: number) => number;
  readonly #heap: number[] = [];

  constructor(count: number, compare: (a: number, b: number) => number) {
    this.#count = count;
    this.#compare = compare;
  }

  offer(member: number): void {
    if (this.#heap.length < this.#count) {
      this.#heap.push(member);
      this.#rise();
    } else if (this.#count > 0 && this.#compare(member, this.#heap[0]!) < 0) {
      this.#heap[0] = member;
      this.#sink();
    }
  }

  toSorted(): number[] {
    return [...this.#heap].sort(this.#compare);
  }

  #rise(): void {
    const heap = this.#heap;
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#compare(heap[at]!, heap[parent]!) <= 0) return;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  #sink(): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let last = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && this.#compare(heap[child]!, heap[last]!) > 0) last = child;
      }
      if (last === at) return;
      [heap[at], heap[last]] = [heap[last]!, heap[at]!];
      at = last;
    }
  }
}
