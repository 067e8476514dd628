/**
 * The segment that documents are added to, searchable at every moment. Postings stand in one growing pool
 * per field, each with the position of the same term's posting before it: adding one is two stores, and
 * sealing sorts all of them by following the chains once.
 */
import type { Accumulator } from "./accumulator.js";
import type { TermWeight } from "./bm25.js";
import { LONG_FREQUENCY, packPosting } from "./posting.js";
import { RemovedPlaces, Segment, type FieldPostings, type SearchableSegment } from "./segment.js";
import { grown } from "./term-dictionary.js";

/** Sealing takes about 2 ms at either limit; more would be felt by the searches that wait behind it. */
export const BUILDER_DOCUMENTS_MAX = 2048;
const BUILDER_POSTINGS_MAX = 2 ** 17;

export class SegmentBuilder implements SearchableSegment {
  documents = 0;
  readonly docs = new Uint32Array(BUILDER_DOCUMENTS_MAX);
  removed = new RemovedPlaces(BUILDER_DOCUMENTS_MAX);
  readonly #fields: (FieldBuilder | undefined)[] = [];
  #postings = 0;

  get isFull(): boolean {
    return this.documents >= BUILDER_DOCUMENTS_MAX || this.#postings >= BUILDER_POSTINGS_MAX;
  }

  get memoryBytes(): number {
    return this.#fields.reduce((sum, field) => sum + (field?.memoryBytes ?? 0), this.docs.byteLength);
  }

  /** The document's place. Its fields follow by `addField`. */
  addDocument(doc: number): number {
    const place = this.documents;
    this.docs[place] = doc;
    this.documents += 1;
    return place;
  }

  /** `frequencies` is by term id and holds those of `terms`. */
  addField(
    place: number,
    field: number,
    length: number,
    terms: readonly number[],
    frequencies: Uint32Array,
  ): void {
    const builder = (this.#fields[field] ??= new FieldBuilder());
    builder.lengths[place] = length;
    for (const term of terms) builder.add(term, place, frequencies[term]!);
    this.#postings += terms.length;
  }

  lengthOf(field: number, place: number): number {
    return this.#fields[field]?.lengths[place] ?? 0;
  }

  /** A sealed segment of all documents; the builder is empty afterwards. */
  seal(): Segment {
    const count = this.documents;
    const removed = new RemovedPlaces(count);
    removed.bits.set(this.removed.bits.subarray(0, removed.bits.length));
    removed.count = this.removed.count;
    const fields = Array.from(this.#fields, (field) => field?.seal(count));
    const segment = new Segment(this.docs.slice(0, count), fields, removed);
    this.documents = 0;
    this.removed = new RemovedPlaces(BUILDER_DOCUMENTS_MAX);
    this.#postings = 0;
    return segment;
  }

  score(field: number, term: number, weight: TermWeight, into: Accumulator): void {
    this.#fields[field]?.score(term, weight, into);
  }

  scoreFound(field: number, term: number, weight: TermWeight, required: number, into: Accumulator): void {
    this.#fields[field]?.scoreFound(term, weight, required, into);
  }

  markFound(field: number, term: number, requirement: number, into: Accumulator): void {
    this.#fields[field]?.markFound(term, requirement, into);
  }
}

class FieldBuilder {
  readonly lengths = new Uint32Array(BUILDER_DOCUMENTS_MAX);
  /** By term id: position of the term's last posting; 0: none. */
  #last = new Uint32Array(1024);
  #terms: number[] = [];
  #postings = new Uint32Array(1024);
  #previous = new Uint32Array(1024);
  #longFrequencies = new Map<number, number>();
  /** Position 0 stays unused, so that 0 can end a chain. */
  #end = 1;

  get memoryBytes(): number {
    return (
      this.lengths.byteLength +
      this.#last.byteLength +
      this.#postings.byteLength * 2 +
      this.#terms.length * 8 +
      this.#longFrequencies.size * 40
    );
  }

  add(term: number, place: number, frequency: number): void {
    while (term >= this.#last.length) this.#last = grown(this.#last);
    if (this.#end === this.#postings.length) {
      this.#postings = grown(this.#postings);
      this.#previous = grown(this.#previous);
    }
    const position = this.#end;
    this.#end += 1;
    const previous = this.#last[term]!;
    if (previous === 0) this.#terms.push(term);
    this.#postings[position] = packPosting(place, frequency);
    this.#previous[position] = previous;
    this.#last[term] = position;
    if (frequency >= LONG_FREQUENCY) this.#longFrequencies.set(position, frequency);
  }

  /** Undefined when no document has the field. */
  seal(documents: number): FieldPostings | undefined {
    if (this.#end === 1) return undefined;
    const terms = Uint32Array.from(this.#terms).sort();
    const offsets = new Uint32Array(terms.length + 1);
    const postings = new Uint32Array(this.#end - 1);
    const longFrequencies = new Map<number, number>();
    let next = postings.length;
    offsets[terms.length] = next;
    // Chains go from the last document to the first, so that filling from the end gives ascending places.
    for (let row = terms.length - 1; row >= 0; row -= 1) {
      const term = terms[row]!;
      for (let position = this.#last[term]!; position !== 0; position = this.#previous[position]!) {
        const posting = this.#postings[position]!;
        next -= 1;
        postings[next] = posting;
        if ((posting & 255) === LONG_FREQUENCY)
          longFrequencies.set(next, this.#longFrequencies.get(position)!);
      }
      offsets[row] = next;
      this.#last[term] = 0;
    }
    const lengths = this.lengths.slice(0, documents);
    this.lengths.fill(0);
    this.#terms = [];
    this.#longFrequencies = new Map();
    this.#end = 1;
    return { terms, offsets, postings, longFrequencies, lengths };
  }

  score(term: number, { weight, base, perToken }: TermWeight, into: Accumulator): void {
    for (let position = this.#last[term] ?? 0; position !== 0; position = this.#previous[position]!) {
      const posting = this.#postings[position]!;
      const place = posting >>> 8;
      const frequency = this.#frequencyAt(position, posting);
      const before = into.scores[place]!;
      if (before === 0) {
        into.touched[into.touchedCount] = place;
        into.touchedCount += 1;
      }
      into.scores[place] =
        before + (weight * frequency) / (frequency + base + perToken * this.lengths[place]!);
    }
  }

  scoreFound(
    term: number,
    { weight, base, perToken }: TermWeight,
    required: number,
    { scores, found }: Accumulator,
  ): void {
    for (let position = this.#last[term] ?? 0; position !== 0; position = this.#previous[position]!) {
      const posting = this.#postings[position]!;
      const place = posting >>> 8;
      if (found[place] !== required) continue;
      const frequency = this.#frequencyAt(position, posting);
      scores[place]! += (weight * frequency) / (frequency + base + perToken * this.lengths[place]!);
    }
  }

  markFound(term: number, requirement: number, into: Accumulator): void {
    for (let position = this.#last[term] ?? 0; position !== 0; position = this.#previous[position]!) {
      const place = this.#postings[position]! >>> 8;
      if (into.found[place] !== requirement) continue;
      into.found[place] = requirement + 1;
      if (requirement === 0) {
        into.touched[into.touchedCount] = place;
        into.touchedCount += 1;
      }
    }
  }

  #frequencyAt(position: number, posting: number): number {
    const frequency = posting & 255;
    return frequency === LONG_FREQUENCY ? this.#longFrequencies.get(position)! : frequency;
  }
}
