/**
 * The best hits of a search: the `size` best and, so that the caller can cut equal scores by id, all others
 * with the last of these scores. Of more than `4 * size` hits with that score those with the smallest document
 * numbers are kept.
 */
import type { DocumentHits } from "../engine-port.js";

const TIES_PER_SIZE = 4;

export class BestHits {
  readonly #size: number;
  /** A heap of the `size` best, the worst at the root. */
  readonly #scores: Float64Array;
  readonly #docs: Uint32Array;
  #count = 0;
  /** Documents with the root's score that are not in the heap. */
  #ties: number[] = [];
  /** Ties above this number cannot be among those kept. */
  #tieDocMax = Infinity;

  /** `limit`: how many hits there can be at most, if that is known to be less than `size`. */
  constructor(size: number, limit: number) {
    this.#size = Math.min(size, limit);
    this.#scores = new Float64Array(this.#size);
    this.#docs = new Uint32Array(this.#size);
  }

  get size(): number {
    return this.#size;
  }

  /** Hits with a lower score need not be offered. */
  get threshold(): number {
    if (this.#size === 0) return Infinity;
    return this.#count < this.#size ? -Infinity : this.#scores[0]!;
  }

  offer(doc: number, score: number): void {
    if (this.#count < this.#size) {
      this.#rise(this.#count, doc, score);
      this.#count += 1;
      return;
    }
    if (this.#size === 0) return;
    const worst = this.#scores[0]!;
    if (score < worst) return;
    if (score === worst) {
      this.#addTie(doc);
      return;
    }
    const displaced = this.#docs[0]!;
    this.#sink(doc, score);
    if (this.#scores[0] === worst) {
      this.#addTie(displaced);
    } else {
      this.#ties = [];
      this.#tieDocMax = Infinity;
    }
  }

  /** By score, then by document number. */
  toHits(): DocumentHits {
    const worst = this.#count === 0 ? 0 : this.#scores[0]!;
    const better: number[] = [];
    const ties = this.#ties;
    for (let i = 0; i < this.#count; i += 1) {
      if (this.#scores[i]! > worst) better.push(i);
      else ties.push(this.#docs[i]!);
    }
    better.sort((a, b) => this.#scores[b]! - this.#scores[a]! || this.#docs[a]! - this.#docs[b]!);
    ties.sort((a, b) => a - b);
    if (ties.length > this.#tieLimit) ties.length = this.#tieLimit;
    const docs = new Uint32Array(better.length + ties.length);
    const scores = new Float64Array(docs.length).fill(worst);
    for (const [rank, i] of better.entries()) {
      docs[rank] = this.#docs[i]!;
      scores[rank] = this.#scores[i]!;
    }
    docs.set(ties, better.length);
    return { docs, scores };
  }

  get #tieLimit(): number {
    return this.#size * TIES_PER_SIZE;
  }

  #addTie(doc: number): void {
    if (doc > this.#tieDocMax) return;
    this.#ties.push(doc);
    // Cut at twice the limit only: every tie is then sorted a constant number of times.
    if (this.#ties.length < this.#tieLimit * 2) return;
    this.#ties.sort((a, b) => a - b);
    this.#ties.length = this.#tieLimit;
    this.#tieDocMax = this.#ties[this.#tieLimit - 1]!;
  }

  #rise(from: number, doc: number, score: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#scores[parent]! <= score) break;
      this.#scores[at] = this.#scores[parent]!;
      this.#docs[at] = this.#docs[parent]!;
      at = parent;
    }
    this.#scores[at] = score;
    this.#docs[at] = doc;
  }

  /** Replaces the root. */
  #sink(doc: number, score: number): void {
    const scores = this.#scores;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#count) break;
      if (child + 1 < this.#count && scores[child + 1]! < scores[child]!) child += 1;
      if (scores[child]! >= score) break;
      scores[at] = scores[child]!;
      this.#docs[at] = this.#docs[child]!;
      at = child;
    }
    scores[at] = score;
    this.#docs[at] = doc;
  }
}
