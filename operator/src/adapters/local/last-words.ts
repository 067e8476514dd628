/**
 * Why a node's process ended, from what it wrote: the detail of its last fatal log line, else its last
 * line that is no log line. Bounded, whatever a process writes.
 */
const LINE_BYTES_KEPT = 4096;
const LONGEST_WORDS = 500;
const FATAL = 60;

export class LastWords {
  #rest = "";
  #fatal = "";
  #plain = "";

  hear(chunk: Uint8Array): void {
    const lines = (this.#rest + Buffer.from(chunk).toString("utf8")).split("\n");
    this.#rest = (lines.pop() ?? "").slice(-LINE_BYTES_KEPT);
    for (const line of lines) this.#take(line);
  }

  /** "" when it said nothing that explains anything. */
  get text(): string {
    if (this.#rest !== "") this.#take(this.#rest);
    this.#rest = "";
    return (this.#fatal || this.#plain).slice(0, LONGEST_WORDS);
  }

  #take(line: string): void {
    if (line.trim() === "") return;
    if (!line.startsWith("{")) {
      this.#plain = line.trim();
      return;
    }
    try {
      const { level, detail, msg } = JSON.parse(line) as { level?: unknown; detail?: unknown; msg?: unknown };
      if (level === FATAL) this.#fatal = [detail, msg].find((text) => typeof text === "string") ?? "";
    } catch {
      // A line that was cut says nothing.
    }
  }
}
