import { closeSync, mkdirSync, openSync, renameSync, fstatSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/**
 * The log of one child process: appended to, and moved to `<path>.1` when it grows too large, so that
 * a node that complains for ever can't fill the disk. A line that can't be written is lost: the disk of
 * one node's log must not end the process that watches all nodes.
 */
export class LogFile {
  readonly #path: string;
  readonly #maxBytes: number;
  #descriptor: number | undefined;
  #bytes = 0;
  #closed = false;

  constructor(path: string, maxBytes = 16 * 1024 * 1024) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  write(chunk: Uint8Array): void {
    if (this.#closed) return;
    try {
      this.#descriptor ??= this.#open();
      if (this.#bytes + chunk.length > this.#maxBytes && this.#bytes > 0) {
        this.#end();
        renameSync(this.#path, `${this.#path}.1`);
        this.#descriptor = this.#open();
      }
      this.#bytes += writeSync(this.#descriptor, chunk);
    } catch {
      // As the class says; the next line tries again.
      this.#end();
    }
  }

  close(): void {
    this.#closed = true;
    this.#end();
  }

  #open(): number {
    mkdirSync(dirname(this.#path), { recursive: true });
    const descriptor = openSync(this.#path, "a");
    this.#bytes = fstatSync(descriptor).size;
    return descriptor;
  }

  #end(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
