/** How far a run has come: seeds end in any order, and a run that goes on elsewhere begins with the first that has not ended. */
export class SeedFront {
  readonly #ahead = new Set<number>();
  #next: number;

  constructor(fromSeed: number) {
    this.#next = fromSeed;
  }

  /** All below have ended. */
  get next(): number {
    return this.#next;
  }

  ended(seed: number): void {
    this.#ahead.add(seed);
    while (this.#ahead.delete(this.#next)) this.#next += 1;
  }
}
