/**
 * How many starts in a row ended before the node had run for a while. A damaged store may end the process in
 * native code, each time anew, and nothing but such a count tells the next start of it.
 */
import { join } from "node:path";
import { writeFileAtomic } from "./atomic-file.js";
import { readIfThere } from "./format-file.js";

/** A node that has run for this long is not ended by what it found at its start. */
const SETTLED_MS = 20_000;

export class StartCount {
  readonly #path: string;
  readonly #settled: NodeJS.Timeout;
  /** Of the starts before this one. */
  readonly unfinished: number;

  /** Counts this start. */
  static async open(dataDirectory: string): Promise<StartCount> {
    const path = join(dataDirectory, "starts.json");
    const unfinished = countIn(await readIfThere(path));
    await writeFileAtomic(path, JSON.stringify({ unfinished: unfinished + 1 }));
    return new StartCount(path, unfinished);
  }

  private constructor(path: string, unfinished: number) {
    this.#path = path;
    this.unfinished = unfinished;
    this.#settled = setTimeout(() => void this.finish(), SETTLED_MS);
    this.#settled.unref();
  }

  /** The node runs, or ends because it was told to. Never rejects: at worst stores are checked for nothing. */
  async finish(): Promise<void> {
    clearTimeout(this.#settled);
    await writeFileAtomic(this.#path, JSON.stringify({ unfinished: 0 })).catch(() => undefined);
  }
}

function countIn(text: string | undefined): number {
  try {
    const { unfinished } = JSON.parse(text ?? "{}") as { readonly unfinished?: unknown };
    return Number.isSafeInteger(unfinished) ? (unfinished as number) : 0;
  } catch {
    // Half written when the process ended: that start did not finish either.
    return 1;
  }
}
