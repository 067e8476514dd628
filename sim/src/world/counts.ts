/** How often a schedule met what it is meant to meet. */
export class Counts {
  readonly #counts = new Map<string, number>();

  count(situation: string, by = 1): void {
    this.#counts.set(situation, (this.#counts.get(situation) ?? 0) + by);
  }

  of(situation: string): number {
    return this.#counts.get(situation) ?? 0;
  }

  all(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
