import { closeSync, mkdirSync, openSync, renameSync, fstatSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/**
 * The log of one child process: appended to, and moved to `<path>.1` when it grows too large, so that
 * a node that complains for ever can't fill the disk.
 */
export class LogFile {
  readonly #path: string;
  readonly #maxBytes: number;
  #descriptor: number | undefined;
  #bytes: number;

  constructor(path: string, maxBytes = 16 * 1024 * 1024) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    mkdirSync(dirname(path), { recursive: true });
    this.#descriptor = openSync(path, "a");
    this.#bytes = fstatSync(this.#descriptor).size;
  }

  write(chunk: Uint8Array): void {
    if (this.#descriptor === undefined) return;
    if (this.#bytes + chunk.length > this.#maxBytes && this.#bytes > 0) {
      closeSync(this.#descriptor);
      renameSync(this.#path, `${this.#path}.1`);
      this.#descriptor = openSync(this.#path, "a");
      this.#bytes = 0;
    }
    this.#bytes += writeSync(this.#descriptor, chunk);
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
