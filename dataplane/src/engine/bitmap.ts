/** A growable set of document numbers: one bit each in a Uint32Array. */
export class Bitmap {
  words: Uint32Array;

  constructor(capacity = 0) {
    this.words = new Uint32Array((capacity + 31) >>> 5);
  }

  static full(size: number): Bitmap {
    const bitmap = new Bitmap(size);
    bitmap.words.fill(0xffffffff);
    const rest = size & 31;
    if (rest !== 0) bitmap.words[bitmap.words.length - 1] = 2 ** rest - 1;
    return bitmap;
  }

  has(doc: number): boolean {
    return ((this.words[doc >>> 5] ?? 0) & (1 << (doc & 31))) !== 0;
  }

  add(doc: number): void {
    const word = doc >>> 5;
    if (word >= this.words.length) this.#grow(word + 1);
    this.words[word]! |= 1 << (doc & 31);
  }

  remove(doc: number): void {
    const word = doc >>> 5;
    if (word < this.words.length) this.words[word]! &= ~(1 << (doc & 31));
  }

  count(): number {
    let total = 0;
    for (let word of this.words) {
      word -= (word >>> 1) & 0x55555555;
      word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
      total += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
    }
    return total;
  }

  clone(): Bitmap {
    const copy = new Bitmap();
    copy.words = this.words.slice();
    return copy;
  }

  /** Its members, each greater by `offset`. */
  shifted(offset: number): Bitmap {
    const { words } = this;
    const skipped = offset >>> 5;
    const bits = offset & 31;
    const moved = new Bitmap((skipped + words.length + 1) * 32);
    for (let i = 0; i < words.length; i += 1) {
      const word = words[i]!;
      moved.words[skipped + i]! |= word << bits;
      if (bits !== 0) moved.words[skipped + i + 1] = word >>> (32 - bits);
    }
    return moved;
  }

  and(other: Bitmap): this {
    for (let i = 0; i < this.words.length; i += 1) this.words[i]! &= other.words[i] ?? 0;
    return this;
  }

  or(other: Bitmap): this {
    if (other.words.length > this.words.length) this.#grow(other.words.length);
    for (let i = 0; i < other.words.length; i += 1) this.words[i]! |= other.words[i]!;
    return this;
  }

  andNot(other: Bitmap): this {
    const shared = Math.min(this.words.length, other.words.length);
    for (let i = 0; i < shared; i += 1) this.words[i]! &= ~other.words[i]!;
    return this;
  }

  /** Calls `visit` with every member, ascending. */
  forEach(visit: (doc: number) => void): void {
    for (let i = 0; i < this.words.length; i += 1) {
      let word = this.words[i]!;
      while (word !== 0) {
        visit((i << 5) + 31 - Math.clz32(word & -word));
        word &= word - 1;
      }
    }
  }

  #grow(words: number): void {
    const grown = new Uint32Array(Math.max(words, this.words.length * 2, 8));
    grown.set(this.words);
    this.words = grown;
  }
}
