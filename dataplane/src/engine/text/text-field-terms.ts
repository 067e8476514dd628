/** One text field of a shard copy: its analyzer, its terms, and exact statistics over live documents. */
import { analyze, createAnalyzer, type Analyzer, type AnalyzerName } from "../../domain/analysis/analyzer.js";
import type { TextStatistics } from "../../domain/shard-query.js";
import { grown, TermDictionary } from "./term-dictionary.js";

export interface TextField {
  readonly name: string;
  readonly analyzer: AnalyzerName;
}

/** The distinct terms of one document's field and, by term id, how often each occurs. Valid until the next call. */
export interface CountedTerms {
  readonly length: number;
  readonly terms: readonly number[];
  readonly frequencies: Uint32Array;
}

export class TextFieldTerms {
  readonly name: string;
  readonly number: number;
  readonly analyzerName: AnalyzerName;
  readonly analyzer: Analyzer;
  readonly dictionary: TermDictionary;
  /** Live documents with at least one term in the field; a value without terms is as if it were missing. */
  documents = 0;
  /** Tokens of these documents. */
  totalLength = 0;
  #frequencies = new Uint32Array(1024);

  constructor({ name, analyzer }: TextField, number: number) {
    this.name = name;
    this.number = number;
    this.analyzerName = analyzer;
    this.analyzer = createAnalyzer(analyzer);
    this.dictionary = new TermDictionary();
  }

  get memoryBytes(): number {
    return this.dictionary.memoryBytes + this.#frequencies.byteLength;
  }

  statistics(terms: Iterable<string>): TextStatistics {
    const documentFrequency = new Map<string, number>();
    for (const term of terms) {
      const id = this.dictionary.find(term);
      documentFrequency.set(term, id === undefined ? 0 : this.dictionary.documentFrequencyOf(id));
    }
    return { documents: this.documents, totalLength: this.totalLength, documentFrequency };
  }

  /** Adds a document's values to the statistics; `take` gets its terms, unless it has none. */
  addDocument(values: readonly string[], take: (counted: CountedTerms) => void): void {
    const terms: number[] = [];
    let length = 0;
    for (const value of values) {
      for (const term of analyze(this.analyzer, value)) {
        const id = this.dictionary.intern(term);
        while (id >= this.#frequencies.length) this.#frequencies = grown(this.#frequencies);
        if (this.#frequencies[id] === 0) terms.push(id);
        this.#frequencies[id]! += 1;
        length += 1;
      }
    }
    if (length === 0) return;
    for (const id of terms) this.dictionary.addPosting(id);
    this.documents += 1;
    this.totalLength += length;
    take({ length, terms, frequencies: this.#frequencies });
    for (const id of terms) this.#frequencies[id] = 0;
  }

  /** `length`: that which was added; `values`: the document's, from which its terms are found again. */
  removeDocument(values: readonly string[], length: number): void {
    this.documents -= 1;
    this.totalLength -= length;
    const distinct = new Set(values.flatMap((value) => analyze(this.analyzer, value)));
    for (const term of distinct) {
      const id = this.dictionary.find(term);
      if (id !== undefined) this.dictionary.removeDocuments(id, 1);
    }
  }
}
