/**
 * Makes one segment of neighbouring ones without their removed documents, in steps of bounded work, while
 * the sources go on being searched. What is removed meanwhile is marked in the result at the end.
 */
import { LONG_FREQUENCY } from "./posting.js";
import { RemovedPlaces, Segment, type FieldPostings } from "./segment.js";

const GONE = 0xffffffff;

export interface MergeResult {
  readonly segment: Segment;
  /** By field number: terms whose postings were left out, and how many, in pairs. */
  readonly dropped: readonly (readonly number[])[];
}

export class SegmentMerge {
  readonly sources: readonly Segment[];
  readonly #fieldCount: number;
  readonly #docs: Uint32Array;
  /** By source: the place in the result of each place, or GONE. */
  readonly #places: readonly Uint32Array[];
  readonly #fields: (FieldPostings | undefined)[] = [];
  readonly #dropped: number[][] = [];
  #field: FieldMerge | undefined;

  constructor(sources: readonly Segment[]) {
    this.sources = sources;
    this.#fieldCount = Math.max(...sources.map((source) => source.fields.length));
    this.#docs = new Uint32Array(
      sources.reduce((sum, { docs, removed }) => sum + docs.length - removed.count, 0),
    );
    let next = 0;
    this.#places = sources.map(({ docs, removed }) => {
      const places = new Uint32Array(docs.length).fill(GONE);
      for (let place = 0; place < docs.length; place += 1) {
        if (removed.has(place)) continue;
        this.#docs[next] = docs[place]!;
        places[place] = next;
        next += 1;
      }
      return places;
    });
  }

  /** Handles about `budget` postings; true when the merge is complete. */
  step(budget: number): boolean {
    let left = budget;
    while (left > 0) {
      const number = this.#fields.length;
      if (number === this.#fieldCount) return true;
      if (this.#field === undefined) {
        this.#field = new FieldMerge(this.sources, this.#places, number, this.#docs.length);
        left -= this.#docs.length;
      }
      left = this.#field.step(left);
      if (!this.#field.isDone) continue;
      this.#fields.push(this.#field.result());
      this.#dropped.push(this.#field.dropped);
      this.#field = undefined;
    }
    return this.#fields.length === this.#fieldCount;
  }

  result(): MergeResult {
    const removed = new RemovedPlaces(this.#docs.length);
    for (const [s, source] of this.sources.entries()) {
      const places = this.#places[s]!;
      if (source.removed.count === 0) continue;
      for (let place = 0; place < places.length; place += 1) {
        if (places[place] !== GONE && source.removed.has(place)) removed.add(places[place]!);
      }
    }
    return { segment: new Segment(this.#docs, this.#fields, removed), dropped: this.#dropped };
  }
}

class FieldMerge {
  readonly dropped: number[] = [];
  readonly #columns: readonly (FieldPostings | undefined)[];
  readonly #places: readonly Uint32Array[];
  /** By source: the next row to take. */
  readonly #rows: Uint32Array;
  readonly #terms: Uint32Array;
  readonly #offsets: Uint32Array;
  readonly #postings: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #longFrequencies = new Map<number, number>();
  #termCount = 0;
  #postingCount = 0;
  #nextTerm: number;

  constructor(sources: readonly Segment[], places: readonly Uint32Array[], field: number, documents: number) {
    this.#columns = sources.map((source) => source.fields[field]);
    this.#places = places;
    this.#rows = new Uint32Array(sources.length);
    const termLimit = this.#columns.reduce((sum, column) => sum + (column?.terms.length ?? 0), 0);
    this.#terms = new Uint32Array(termLimit);
    this.#offsets = new Uint32Array(termLimit + 1);
    this.#postings = new Uint32Array(
      this.#columns.reduce((sum, column) => sum + (column?.postings.length ?? 0), 0),
    );
    this.#lengths = new Uint32Array(documents);
    for (const [s, column] of this.#columns.entries()) {
      if (column === undefined) continue;
      const target = places[s]!;
      for (let place = 0; place < target.length; place += 1) {
        if (target[place] !== GONE) this.#lengths[target[place]!] = column.lengths[place]!;
      }
    }
    this.#nextTerm = this.#smallestTerm();
  }

  get isDone(): boolean {
    return this.#nextTerm === GONE;
  }

  /** Merges term after term until the budget is used up; what is left of it. */
  step(budget: number): number {
    let left = budget;
    while (left > 0 && this.#nextTerm !== GONE) {
      const term = this.#nextTerm;
      const before = this.#postingCount;
      let seen = 0;
      for (let s = 0; s < this.#columns.length; s += 1) {
        const column = this.#columns[s];
        const row = this.#rows[s]!;
        if (column === undefined || column.terms[row] !== term) continue;
        this.#rows[s] = row + 1;
        seen += column.offsets[row + 1]! - column.offsets[row]!;
        this.#copy(column, this.#places[s]!, column.offsets[row]!, column.offsets[row + 1]!);
      }
      const kept = this.#postingCount - before;
      if (kept < seen) this.dropped.push(term, seen - kept);
      if (kept > 0) {
        this.#terms[this.#termCount] = term;
        this.#termCount += 1;
        this.#offsets[this.#termCount] = this.#postingCount;
      }
      left -= seen + this.#columns.length * 2;
      this.#nextTerm = this.#smallestTerm();
    }
    return left;
  }

  result(): FieldPostings | undefined {
    if (this.#postingCount === 0) return undefined;
    return {
      terms: this.#terms.slice(0, this.#termCount),
      offsets: this.#offsets.slice(0, this.#termCount + 1),
      postings:
        this.#postingCount === this.#postings.length
          ? this.#postings
          : this.#postings.slice(0, this.#postingCount),
      longFrequencies: this.#longFrequencies,
      lengths: this.#lengths,
    };
  }

  #copy(column: FieldPostings, places: Uint32Array, from: number, to: number): void {
    const source = column.postings;
    const target = this.#postings;
    let next = this.#postingCount;
    for (let i = from; i < to; i += 1) {
      const posting = source[i]!;
      const place = places[posting >>> 8]!;
      if (place === GONE) continue;
      const frequency = posting & 255;
      if (frequency === LONG_FREQUENCY) this.#longFrequencies.set(next, column.longFrequencies.get(i)!);
      target[next] = (place << 8) | frequency;
      next += 1;
    }
    this.#postingCount = next;
  }

  #smallestTerm(): number {
    let smallest = GONE;
    for (let s = 0; s < this.#columns.length; s += 1) {
      const terms = this.#columns[s]?.terms;
      const row = this.#rows[s]!;
      if (terms !== undefined && row < terms.length && terms[row]! < smallest) smallest = terms[row]!;
    }
    return smallest;
  }
}
