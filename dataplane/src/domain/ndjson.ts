/** Splits a stream of bytes into lines, never holding more than one line that is not whole yet. */

export type NdjsonLine =
  /** `bytes` has no line end; it is a view unless the line came in pieces. */
  | { readonly kind: "line"; readonly number: number; readonly bytes: Uint8Array }
  | { readonly kind: "tooLong"; readonly number: number };

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export class NdjsonSplitter {
  readonly #maxLineBytes: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #skipping = false;
  #lines = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** Lines so far, the one that is not whole yet included; empty lines count. */
  get lineNumber(): number {
    return this.#lines + 1;
  }

  /** The lines that this chunk completes. Empty lines are counted and left out. */
  *push(chunk: Uint8Array): Generator<NdjsonLine> {
    let from = 0;
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, from);
      if (newline === -1) break;
      this.#take(chunk.subarray(from, newline));
      from = newline + 1;
      const line = this.#complete();
      if (line !== undefined) yield line;
    }
    this.#take(chunk.subarray(from));
  }

  /** The last line, if it has no line end. */
  finish(): NdjsonLine | undefined {
    return this.#bytes === 0 && !this.#skipping ? undefined : this.#complete();
  }

  #take(piece: Uint8Array): void {
    if (this.#skipping || piece.length === 0) return;
    this.#bytes += piece.length;
    if (this.#bytes > this.#maxLineBytes) {
      this.#skipping = true;
      this.#pieces = [];
    } else {
      this.#pieces.push(piece);
    }
  }

  #complete(): NdjsonLine | undefined {
    this.#lines += 1;
    const number = this.#lines;
    const pieces = this.#pieces;
    const tooLong = this.#skipping;
    const length = this.#bytes;
    this.#pieces = [];
    this.#bytes = 0;
    this.#skipping = false;
    if (tooLong) return { kind: "tooLong", number };
    const bytes = trimmed(pieces.length === 1 ? pieces[0]! : concatenated(pieces, length));
    return bytes.length === 0 ? undefined : { kind: "line", number, bytes };
  }
}

function trimmed(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes;
}

function concatenated(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
