/** Why a mutation that nobody notices may go unnoticed. */
export interface MutationNote {
  readonly file: string;
  /** Part of the line it is in. */
  readonly line: string;
  /** Of the change; any when absent. */
  readonly what?: string;
  readonly why: string;
}

export const MUTATION_NOTES: readonly MutationNote[] = [
  {
    file: "log-sender.ts",
    line: "progress.needsSnapshot = !isWaitedFor;",
    why: "The copy answers what it can't match with a mismatch, which asks for the snapshot one message later.",
  },
  {
    file: "primary-role.ts",
    line: "silenceMs(progress, nowMs) > replicaTimeoutMs",
    what: "> -> >=",
    why: "One millisecond of a timeout.",
  },
  {
    file: "hand-off.ts",
    line: "if (askedMs === undefined)",
    why: "Decides only when the hand-off is noted in the log, not what is asked.",
  },
  {
    file: "primary-role.ts",
    line: "else if (advanced)",
    why: "The same answer sets when the copy was last heard of, and silence counts from the later of the two.",
  },
  {
    file: "copy-log.ts",
    line: "else if (this.#spans.length > 0 && this.#spans[0].fromSeq <= seq) {",
    why: "Spans have no gaps: after the loop the first one begins at or below the new base + 1, and both say the same of it.",
  },
  {
    file: "shard-copy.ts",
    line: "this.#confirmTo = event.from;",
    why: "The primary's next message is confirmed too: what the snapshot brought is counted one message later.",
  },
  {
    file: "replica-role.ts",
    line: "this.#confirmed = Math.max(this.#confirmed, lastSeq);",
    what: "Math.max -> Math.min",
    why: "It confirms less than it holds, and the primary's next message makes up for it: a primary never counts down.",
  },
];
