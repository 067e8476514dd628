/** A moment by which an answer must be there, on the clock of performance.now(). */
export class Deadline {
  readonly atMs: number;
  readonly totalMs: number;

  private constructor(atMs: number, totalMs: number) {
    this.atMs = atMs;
    this.totalMs = totalMs;
  }

  static in(timeoutMs: number): Deadline {
    return new Deadline(performance.now() + timeoutMs, timeoutMs);
  }

  /** An earlier deadline of the same request, so that there is time left to answer after it. */
  before(spareMs: number): Deadline {
    return new Deadline(this.atMs - spareMs, Math.max(0, this.totalMs - spareMs));
  }

  /** A deadline after a share of the time left. */
  share(part: number): Deadline {
    return Deadline.in(this.leftMs * part);
  }

  get leftMs(): number {
    return Math.max(0, this.atMs - performance.now());
  }

  get hasPassed(): boolean {
    return performance.now() >= this.atMs;
  }
}
