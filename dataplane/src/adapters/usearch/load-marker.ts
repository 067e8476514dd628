import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";

/** A process may die of something else while it loads; twice at the same file is taken for the file's doing. */
const ATTEMPTS_MAX = 2;

/**
 * Remembers on disk that native code is reading a file. An abort in there takes the process with it and
 * leaves the marker behind; without it, a node would die of the same file at every start.
 */
export class LoadMarker {
  readonly #path: string;
  #attempts: number;

  constructor(file: string) {
    this.#path = `${file}.loading`;
    this.#attempts = readAttempts(this.#path);
  }

  get isExhausted(): boolean {
    return this.#attempts >= ATTEMPTS_MAX;
  }

  set(): void {
    this.#attempts += 1;
    const file = openSync(this.#path, "w");
    try {
      writeSync(file, String(this.#attempts));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  clear(): void {
    this.#attempts = 0;
    rmSync(this.#path, { force: true });
  }
}

function readAttempts(path: string): number {
  try {
    const attempts = Number(readFileSync(path, "utf8"));
    // A marker that was being written when the process died counts as one attempt.
    return Number.isInteger(attempts) && attempts > 0 ? attempts : 1;
  } catch {
    return 0;
  }
}
