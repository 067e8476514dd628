/** Free space of the file system that holds a directory, asked for now and then: asking may block on a sick disk. */
import { statfs } from "node:fs/promises";
import type { Logger } from "pino";

const POLL_MS = 2000;
const ROOM_FACTOR = 1.25;

export class DiskSpace {
  readonly #path: string;
  readonly #reserveBytes: number;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  freeBytes = 0;
  /** Below the reserve, until well above it: who leads hangs on it, and should not come and go. */
  isFull = false;

  constructor(path: string, reserveBytes: number, logger: Logger) {
    this.#path = path;
    this.#reserveBytes = reserveBytes;
    this.#logger = logger;
  }

  async start(): Promise<void> {
    await this.#poll();
    this.#timer = setInterval(() => void this.#poll(), POLL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #poll(): Promise<void> {
    try {
      const { bavail, bsize } = await statfs(this.#path);
      this.freeBytes = bavail * bsize;
      this.isFull = this.freeBytes < this.#reserveBytes * (this.isFull ? ROOM_FACTOR : 1);
    } catch (error) {
      this.#logger.warn({ path: this.#path, detail: String(error) }, "the disk does not answer");
    }
  }
}
