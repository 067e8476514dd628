/**
 * The terms of one field of a shard copy, each with a number that postings carry instead of the string.
 *
 * Two counts are kept per term: live documents that have it (document frequency, exact at all times) and
 * postings that exist, those of removed documents included. A term leaves, and its number is given to
 * another, only when no posting is left (TermOutlivesPostings): else old postings would count for a new term.
 */
export class TermDictionary {
  readonly #ids = new Map<string, number>();
  /** By term id; "" is a free id: no analyzer gives an empty term. */
  readonly #terms: string[] = [];
  readonly #free: number[] = [];
  #documentFrequency = new Uint32Array(1024);
  #postings = new Uint32Array(1024);
  #characters = 0;

  /** Ids are below this number. */
  get idLimit(): number {
    return this.#terms.length;
  }

  get size(): number {
    return this.#ids.size;
  }

  /** Strings, map entries and list slots as V8 lays them out on 64 bits, and the counts. */
  get memoryBytes(): number {
    return this.#ids.size * 72 + this.#characters + this.#documentFrequency.byteLength * 2;
  }

  find(term: string): number | undefined {
    return this.#ids.get(term);
  }

  /** The term's id, a new one if need be. A new term must get a posting before anything else is called. */
  intern(term: string): number {
    const known = this.#ids.get(term);
    if (known !== undefined) return known;
    const id = this.#free.pop() ?? this.#terms.length;
    this.#set(id, term);
    return id;
  }

  termOf(id: number): string {
    return this.#terms[id]!;
  }

  documentFrequencyOf(id: number): number {
    return this.#documentFrequency[id]!;
  }

  /** A live document got a posting of the term. */
  addPosting(id: number): void {
    this.#documentFrequency[id]! += 1;
    this.#postings[id]! += 1;
  }

  /** Documents that have the term were removed; their postings are still there. */
  removeDocuments(id: number, count: number): void {
    this.#documentFrequency[id]! -= count;
  }

  /** Postings of removed documents are gone. */
  dropPostings(id: number, count: number): void {
    this.#postings[id]! -= count;
    if (this.#postings[id] !== 0) return;
    const term = this.#terms[id]!;
    this.#ids.delete(term);
    this.#characters -= term.length;
    this.#set(id, "");
  }

  /** For loading: the terms by id, "" where an id is free, and their counts. */
  restore(terms: readonly string[], documentFrequency: Uint32Array): void {
    for (const [id, term] of terms.entries()) {
      this.#set(id, term);
      this.#documentFrequency[id] = documentFrequency[id]!;
    }
  }

  /** For loading: a segment has this many postings of the term. */
  restorePostings(id: number, count: number): void {
    this.#postings[id]! += count;
  }

  #set(id: number, term: string): void {
    if (id >= this.#documentFrequency.length) {
      this.#documentFrequency = grown(this.#documentFrequency);
      this.#postings = grown(this.#postings);
    }
    this.#terms[id] = term;
    if (term === "") {
      this.#documentFrequency[id] = 0;
      this.#free.push(id);
      return;
    }
    this.#ids.set(term, id);
    this.#characters += term.length;
  }
}

/** Twice as long, the new half 0. */
export function grown(counts: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const copy = new Uint32Array(counts.length * 2);
  copy.set(counts);
  return copy;
}
