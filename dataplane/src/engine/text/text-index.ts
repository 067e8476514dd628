/**
 * Full-text search over all text fields of a shard copy: an inverted index in segments that never change
 * once sealed, with BM25 statistics that are exact after every addition and removal. A document is found
 * by the next search after `add`.
 */
import type { TextQuery, TextStatistics } from "../../domain/shard-query.js";
import { Bitmap } from "../bitmap.js";
import type { IndexStamp, QueryAnswer, SearchContext, TextEngine } from "../engine-port.js";
import type { ParsedDocument } from "../parsed-document.js";
import { Accumulator } from "./accumulator.js";
import { BestHits } from "./best-hits.js";
import { planMerge } from "./merge-policy.js";
import { planQuery } from "./query-plan.js";
import { searchSegment } from "./search-segment.js";
import { SegmentBuilder } from "./segment-builder.js";
import { SegmentMerge } from "./segment-merge.js";
import { findAscending, type Segment } from "./segment.js";
import { TextFieldTerms, type TextField } from "./text-field-terms.js";
import { loadTextIndex, saveTextIndex } from "./text-index-file.js";

/** Postings that one call of `work` handles: about 3 ms. */
const WORK_POSTINGS = 200_000;

export class TextIndex implements TextEngine {
  readonly #fields = new Map<string, TextFieldTerms>();
  /** Ascending in document numbers, all below those of the builder. */
  #segments: Segment[] = [];
  #builder = new SegmentBuilder();
  #merge: SegmentMerge | undefined;
  #lastDoc = -1;
  readonly #accumulator = new Accumulator();

  constructor(fields: readonly TextField[]) {
    this.setFields(fields);
  }

  setFields(fields: readonly TextField[]): void {
    for (const field of fields) {
      const known = this.#fields.get(field.name);
      if (known === undefined) {
        this.#fields.set(field.name, new TextFieldTerms(field, this.#fields.size));
      } else if (known.analyzerName !== field.analyzer) {
        throw new Error(`text field ${field.name}: the analyzer cannot change`);
      }
    }
  }

  /** Throws a RangeError when `doc` is not above all numbers before. */
  add(doc: number, document: ParsedDocument): void {
    if (doc <= this.#lastDoc) throw new RangeError(`document number ${doc} after ${this.#lastDoc}`);
    this.#lastDoc = doc;
    let place: number | undefined;
    for (const [name, values] of document.text) {
      const field = this.#fields.get(name);
      field?.addDocument(values, ({ length, terms, frequencies }) => {
        place ??= this.#builder.addDocument(doc);
        this.#builder.addField(place, field.number, length, terms, frequencies);
      });
    }
    if (this.#builder.isFull) this.#seal();
  }

  remove(doc: number, document: ParsedDocument): void {
    const found = this.#locate(doc);
    if (found === undefined || !found.segment.removed.add(found.place)) return;
    const { segment, place } = found;
    for (const field of this.#fields.values()) {
      const length =
        segment instanceof SegmentBuilder
          ? segment.lengthOf(field.number, place)
          : (segment.fields[field.number]?.lengths[place] ?? 0);
      if (length > 0) field.removeDocument(document.text.get(field.name) ?? [], length);
    }
  }

  retain(live: Bitmap): void {
    this.#seal();
    for (const segment of this.#segments) {
      const gone = new Uint8Array(segment.documents);
      let count = 0;
      for (let place = 0; place < segment.documents; place += 1) {
        if (live.has(segment.docs[place]!) || !segment.removed.add(place)) continue;
        gone[place] = 1;
        count += 1;
      }
      if (count > 0) this.#forget(segment, gone);
    }
  }

  statistics(field: string, query: string): TextStatistics {
    const known = this.#fields.get(field);
    if (known === undefined) return { documents: 0, totalLength: 0, documentFrequency: new Map() };
    const { analyzer } = known;
    const terms = analyzer.words(query).map((word) => analyzer.term(word));
    return known.statistics(new Set(terms.filter((term) => term !== undefined)));
  }

  search(
    query: TextQuery,
    statistics: ReadonlyMap<string, TextStatistics> | undefined,
    { accept, acceptCount, size, wantMatches }: SearchContext,
  ): QueryAnswer {
    const plan = planQuery(query, this.#fields, statistics);
    // The small ones first: what they give lets the large ones pass over more.
    const segments = [...this.#segments, this.#builder].sort((a, b) => a.documents - b.documents);
    const documents = segments.reduce((sum, segment) => sum + segment.documents, 0);
    const best = new BestHits(size, documents);
    const matches = wantMatches ? new Bitmap(this.#lastDoc + 1) : undefined;
    let total = 0;
    for (const segment of segments) {
      total += searchSegment(segment, plan, this.#accumulator, { accept, matches, best });
    }
    const explanation = { path: "postings", candidates: acceptCount, scanned: 0 } as const;
    return { hits: best.toHits(), matches, total, explanation };
  }

  work(): boolean {
    this.#merge ??= this.#startMerge();
    if (this.#merge === undefined) return false;
    if (this.#merge.step(WORK_POSTINGS)) this.#finishMerge(this.#merge);
    return true;
  }

  get memoryBytes(): number {
    let bytes = this.#builder.memoryBytes + this.#accumulator.memoryBytes;
    for (const field of this.#fields.values()) bytes += field.memoryBytes;
    for (const segment of this.#segments) bytes += segment.memoryBytes;
    return bytes;
  }

  save(directory: string, stamp: IndexStamp): void {
    this.#seal();
    saveTextIndex(directory, stamp, { fields: [...this.#fields.values()], segments: this.#segments });
  }

  load(directory: string): IndexStamp | undefined {
    const fields = [...this.#fields.values()].map(({ name, analyzerName }) => ({
      name,
      analyzer: analyzerName,
    }));
    this.close();
    this.setFields(fields);
    const loaded = loadTextIndex(directory, fields);
    if (loaded === undefined) return undefined;
    this.#fields.clear();
    for (const field of loaded.contents.fields) this.#fields.set(field.name, field);
    this.setFields(fields);
    this.#segments = [...loaded.contents.segments];
    this.#lastDoc = Math.max(loaded.stamp.lastDoc, this.#segments.at(-1)?.docs.at(-1) ?? -1);
    return loaded.stamp;
  }

  /** Forgets everything, the fields too. */
  close(): void {
    this.#fields.clear();
    this.#segments = [];
    this.#builder = new SegmentBuilder();
    this.#merge = undefined;
    this.#lastDoc = -1;
  }

  #seal(): void {
    if (this.#builder.documents > 0) this.#segments.push(this.#builder.seal());
  }

  #locate(doc: number): { segment: Segment | SegmentBuilder; place: number } | undefined {
    for (const segment of [this.#builder, ...this.#segments]) {
      const { docs, documents } = segment;
      if (documents === 0 || doc < docs[0]! || doc > docs[documents - 1]!) continue;
      const place = findAscending(docs, documents, doc);
      return place < 0 ? undefined : { segment, place };
    }
    return undefined;
  }

  /** Takes the documents at `gone` out of the statistics, by one pass over the segment's postings. */
  #forget(segment: Segment, gone: Uint8Array): void {
    for (const field of this.#fields.values()) {
      const column = segment.fields[field.number];
      if (column === undefined) continue;
      const { terms, offsets, postings, lengths } = column;
      for (let place = 0; place < gone.length; place += 1) {
        if (gone[place] === 0 || lengths[place] === 0) continue;
        field.documents -= 1;
        field.totalLength -= lengths[place]!;
      }
      for (let row = 0; row < terms.length; row += 1) {
        let count = 0;
        for (let i = offsets[row]!; i < offsets[row + 1]!; i += 1) count += gone[postings[i]! >>> 8]!;
        if (count > 0) field.dictionary.removeDocuments(terms[row]!, count);
      }
    }
  }

  #startMerge(): SegmentMerge | undefined {
    const run = planMerge(
      this.#segments.map(({ documents, removed, postingCount }) => ({
        documents,
        removedDocuments: removed.count,
        postings: postingCount,
      })),
    );
    return run && new SegmentMerge(this.#segments.slice(run.from, run.to));
  }

  #finishMerge(merge: SegmentMerge): void {
    const { segment, dropped } = merge.result();
    const from = this.#segments.indexOf(merge.sources[0]!);
    this.#segments.splice(from, merge.sources.length, ...(segment.documents > 0 ? [segment] : []));
    for (const field of this.#fields.values()) {
      const pairs = dropped[field.number] ?? [];
      for (let i = 0; i < pairs.length; i += 2) field.dictionary.dropPostings(pairs[i]!, pairs[i + 1]!);
    }
    this.#merge = undefined;
  }
}
