/** Free space of the file system that holds a directory, asked for now and then: asking may block on a sick disk. */
import { statfs } from "node:fs/promises";
import type { Logger } from "pino";

const POLL_MS = 2000;

export class DiskSpace {
  readonly #path: string;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  freeBytes = 0;

  constructor(path: string, logger: Logger) {
    this.#path = path;
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
    } catch (error) {
      this.#logger.warn({ path: this.#path, detail: String(error) }, "the disk does not answer");
    }
  }
}
