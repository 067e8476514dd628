import type { DocumentHits } from "../engine-port.js";

/**
 * Documents kept beyond the wanted ones because their score equals the last: the caller cuts ties by id,
 * which is not known here. Bounded, as thousands of equal vectors are possible.
 */
const TIES_MAX = 1_000;

/** The best `size` of the documents offered, and those that tie with the last of them. */
export class TopHits {
  readonly #size: number;
  /** A binary heap with the worst hit at the root. */
  readonly #docs: number[] = [];
  readonly #scores: number[] = [];
  /** Documents left out whose score equals the root's. */
  #ties: number[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  offer(doc: number, score: number): void {
    if (this.#docs.length < this.#size) {
      this.#push(doc, score);
      return;
    }
    const worst = this.#scores[0];
    if (worst === undefined || score < worst) return;
    if (score === worst) {
      if (this.#ties.length < TIES_MAX) this.#ties.push(doc);
      return;
    }
    const evicted = this.#docs[0]!;
    this.#replaceRoot(doc, score);
    if (this.#scores[0] !== worst) this.#ties = [];
    else if (this.#ties.length < TIES_MAX) this.#ties.push(evicted);
  }

  /** Best first, equal scores by document number. */
  toHits(): DocumentHits {
    const last = this.#scores[0] ?? 0;
    const kept = this.#docs.length;
    const order = new Uint32Array(kept + this.#ties.length);
    for (let i = 0; i < order.length; i += 1) order[i] = i;
    const docAt = (at: number): number => (at < kept ? this.#docs[at]! : this.#ties[at - kept]!);
    const scoreAt = (at: number): number => (at < kept ? this.#scores[at]! : last);
    order.sort((a, b) => scoreAt(b) - scoreAt(a) || docAt(a) - docAt(b));
    const docs = new Uint32Array(order.length);
    const scores = new Float64Array(order.length);
    for (let i = 0; i < order.length; i += 1) {
      docs[i] = docAt(order[i]!);
      scores[i] = scoreAt(order[i]!);
    }
    return { docs, scores };
  }

  #push(doc: number, score: number): void {
    let at = this.#docs.length;
    this.#docs.push(doc);
    this.#scores.push(score);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#scores[parent]! <= score) break;
      this.#docs[at] = this.#docs[parent]!;
      this.#scores[at] = this.#scores[parent]!;
      at = parent;
    }
    this.#docs[at] = doc;
    this.#scores[at] = score;
  }

  #replaceRoot(doc: number, score: number): void {
    const length = this.#docs.length;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && this.#scores[child + 1]! < this.#scores[child]!) child += 1;
      if (this.#scores[child]! >= score) break;
      this.#docs[at] = this.#docs[child]!;
      this.#scores[at] = this.#scores[child]!;
      at = child;
    }
    this.#docs[at] = doc;
    this.#scores[at] = score;
  }
}
