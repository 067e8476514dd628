/**
 * Scores of one segment's documents while a query is answered term by term, by place in the segment. All
 * arrays are shared by all segments and searches: between two segments every entry is 0 (CleanBetweenSegments),
 * or scores of one would count in the next.
 */
export class Accumulator {
  scores = new Float64Array(0);
  /** Number of requirements found so far, in the order in which they are checked. */
  found = new Uint32Array(0);
  /** Places with an entry that is not 0, in the order they were met. */
  touched = new Uint32Array(0);
  touchedCount = 0;

  prepare(documents: number): void {
    if (documents <= this.scores.length) return;
    const capacity = Math.max(documents, this.scores.length * 2);
    this.scores = new Float64Array(capacity);
    this.found = new Uint32Array(capacity);
    this.touched = new Uint32Array(capacity);
  }

  /** Takes every score back. */
  clear(): void {
    for (let i = 0; i < this.touchedCount; i += 1) this.scores[this.touched[i]!] = 0;
    this.touchedCount = 0;
  }

  get memoryBytes(): number {
    return this.scores.length * 16;
  }
}
