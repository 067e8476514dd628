/**
 * The documents and queries of the measurements, made from a seed: vectors in Gaussian clusters, as
 * embeddings lie, and texts whose terms are as unevenly frequent as words are (Zipf).
 */
import { SeededRandom } from "./seeded-random.js";

export interface DataSetShape {
  readonly documents: number;
  readonly dimensions: number;
  readonly clusters: number;
  readonly terms: number;
  readonly wordsPerText: number;
  readonly queries: number;
  readonly seed: number;
}

export interface DataSet {
  readonly shape: DataSetShape;
  /** One after the other. */
  readonly vectors: Float32Array;
  readonly texts: readonly string[];
  readonly numbers: Int32Array;
  readonly queryVectors: Float32Array;
  readonly queryTexts: readonly string[];
}

const ZIPF_EXPONENT = 1.07;
/** Five digits behind the point, as exported embeddings have: a vector and its JSON are then one thing. */
const VECTOR_STEPS = 100_000;

const CONSONANTS = "bcdfghklmnprstvz";
const VOWELS = "aeiou";
const SYLLABLES = CONSONANTS.length * VOWELS.length;

export function makeDataSet(shape: DataSetShape): DataSet {
  const random = new SeededRandom(shape.seed);
  const centres = Float32Array.from({ length: shape.clusters * shape.dimensions }, () => random.gaussian());
  const vectors = makeVectors(shape, shape.documents, centres, random);
  const drawRank = zipfSampler(shape.terms, random);
  const texts = Array.from({ length: shape.documents }, () => {
    const words = random.integer(shape.wordsPerText - 10, shape.wordsPerText + 11);
    return Array.from({ length: words }, () => termOf(drawRank())).join(" ");
  });
  const numbers = Int32Array.from({ length: shape.documents }, () => random.integer(0, 1000));
  const queryVectors = makeVectors(shape, shape.queries, centres, random);
  const queryTexts = Array.from({ length: shape.queries }, () =>
    Array.from({ length: random.integer(2, 4) }, () =>
      termOf(Math.floor(Math.exp(random.next() * Math.log(shape.terms)))),
    ).join(" "),
  );
  return { shape, vectors, texts, numbers, queryVectors, queryTexts };
}

function makeVectors(
  { clusters, dimensions }: DataSetShape,
  count: number,
  centres: Float32Array,
  random: SeededRandom,
): Float32Array {
  const vectors = new Float32Array(count * dimensions);
  for (let row = 0; row < count; row += 1) {
    const centre = random.integer(0, clusters) * dimensions;
    for (let i = 0; i < dimensions; i += 1) {
      vectors[row * dimensions + i] = toDecimal(centres[centre + i]! + random.gaussian());
    }
  }
  return vectors;
}

function toDecimal(value: number): number {
  return Math.round(value * VECTOR_STEPS) / VECTOR_STEPS;
}

/** Draws ranks from 1; rank r comes in proportion to 1 / r^1.07. */
function zipfSampler(terms: number, random: SeededRandom): () => number {
  const cumulative = new Float64Array(terms);
  let sum = 0;
  for (let rank = 1; rank <= terms; rank += 1) {
    sum += rank ** -ZIPF_EXPONENT;
    cumulative[rank - 1] = sum;
  }
  return () => {
    const wanted = random.next() * sum;
    let low = 0;
    let high = terms - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (cumulative[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  };
}

/** Without a common factor with the number of words, so that ranks beside each other get unlike words. */
const SCATTER = 201_827;

/** A word of three syllables, another one for each rank below 512,000. */
export function termOf(rank: number): string {
  let term = "";
  for (let rest = (rank * SCATTER) % SYLLABLES ** 3, i = 0; i < 3; i += 1) {
    const syllable = rest % SYLLABLES;
    rest = (rest - syllable) / SYLLABLES;
    term += CONSONANTS[syllable % CONSONANTS.length]! + VOWELS[Math.floor(syllable / CONSONANTS.length)]!;
  }
  return term;
}

export function vectorOf(vectors: Float32Array, row: number, dimensions: number): Float32Array {
  return vectors.subarray(row * dimensions, (row + 1) * dimensions);
}

export function vectorJson(vector: Float32Array): string {
  return `[${Array.from(vector, toDecimal).join(",")}]`;
}

export function documentId(row: number): string {
  return `d${row}`;
}

export function rowOfId(id: string): number {
  return Number(id.slice(1));
}

/** Bulk bodies of at most `lines` documents each. */
export function bulkBodies(
  { shape, vectors, texts, numbers }: DataSet,
  count: number,
  lines: number,
): Buffer[] {
  const bodies: Buffer[] = [];
  for (let from = 0; from < count; from += lines) {
    let body = "";
    for (let row = from; row < Math.min(count, from + lines); row += 1) {
      const embedding = vectorJson(vectorOf(vectors, row, shape.dimensions));
      const document = `{"body":"${texts[row]!}","number":${numbers[row]!},"embedding":${embedding}}`;
      body += `{"id":"${documentId(row)}","document":${document}}\n`;
    }
    bodies.push(Buffer.from(body));
  }
  return bodies;
}

const PAYLOADS = 64;

/** Bulk bodies of documents of 1 KB that have nothing to index; ids are random, as keys mostly are. */
export class PlainDocuments {
  readonly #random: SeededRandom;
  readonly #payloads: readonly string[];

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#payloads = Array.from({ length: PAYLOADS }, () => this.#payload());
  }

  nextBody(lines: number): Buffer {
    let body = "";
    for (let line = 0; line < lines; line += 1) {
      const id = this.#random
        .integer(0, 2 ** 48)
        .toString(16)
        .padStart(12, "0");
      const payload = this.#payloads[this.#random.integer(0, PAYLOADS)]!;
      body += `{"id":"${id}","document":{"payload":"${payload}"}}\n`;
    }
    return Buffer.from(body);
  }

  #payload(): string {
    let text = "";
    while (text.length < 1000)
      text += this.#random
        .integer(0, 2 ** 50)
        .toString(36)
        .padStart(10, "0");
    return text.slice(0, 1000);
  }
}
