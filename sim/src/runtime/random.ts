/**
 * Seeded random numbers. Every part of a simulated world draws from a stream of its own, so that
 * leaving one fault out does not change what all others do.
 */

/** Numbers in [0, 1): sfc32 (C. Doty-Humphrey, PractRand), 128 bits of state. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  constructor(seed: number, stream: string) {
    let hash = 2166136261;
    for (let i = 0; i < stream.length; i += 1) {
      hash = Math.imul(hash ^ stream.charCodeAt(i), 16777619);
    }
    this.#a = seed | 0;
    this.#b = hash | 0;
    this.#c = Math.trunc(seed / 4294967296) | 0;
    this.#counter = 1;
    for (let i = 0; i < 12; i += 1) this.next();
  }

  next(): number {
    const t = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return (t >>> 0) / 4294967296;
  }

  /** An integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = this.below(256);
  }

  /** As a UUID of version 4 looks. */
  uuid(): string {
    const hex = (digits: number): string =>
      this.below(16 ** Math.min(8, digits))
        .toString(16)
        .padStart(digits, "0");
    return `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(8)}${hex(4)}`;
  }
}
