/** Why a mutation that nobody notices may go unnoticed. */
export interface MutationNote {
  readonly file: string;
  /** Part of the line it is in. */
  readonly line: string;
  /** Of the change; any when absent. */
  readonly what?: string;
  readonly why: string;
}

const HELD_SINCE = "A gap in the tests that was closed after this run.";

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
  {
    file: "primary-role.ts",
    line: "behindMs > slowReplicaTimeoutMs",
    what: "> -> >=",
    why: "One millisecond of a timeout.",
  },
  {
    file: "log-sender.ts",
    line: "progress.pinSeq = this.#self.log.baseSeq;",
    why: "Higher only where the copy had matched before, in another history: what is trimmed then costs another snapshot.",
  },
  {
    file: "log-sender.ts",
    line: "if (!this.#isOpen || progress.snapshotId !== undefined || progress.needsSnapshot)",
    what: "|| -> &&",
    why: "Nobody owes an answer before the log is open or while a snapshot is due, and only to those who do it is sent again.",
  },
  {
    file: "log-sender.ts",
    line: "progress.needsSnapshot = false;",
    why: "Looked at again only after the snapshot has ended or was broken off; then the next is begun one message sooner.",
  },
  {
    file: "read-rounds.ts",
    line: "return false;",
    what: "false -> true",
    why: "Without a round nobody waits for its end.",
  },
  {
    file: "primary-role.ts",
    line: "progress.pinnedMs = nowMs;",
    why: HELD_SINCE,
  },
  {
    file: "primary-role.ts",
    line: "progress.windowBase = progress.nextSeq - 1;",
    why: HELD_SINCE,
  },
  {
    file: "shard-copy.ts",
    line: "this.#disconnected.add(event.copy);",
    why: HELD_SINCE,
  },
  {
    file: "log-sender.ts",
    line: 'out.note({ what: "snapshotStarted"',
    why: HELD_SINCE,
  },
  {
    file: "primary-role.ts",
    line: 'out.note({ what: "ready"',
    why: HELD_SINCE,
  },
  {
    file: "primary-role.ts",
    line: "let through = Math.min(retainFromSeq - 1, log.globalCheckpoint);",
    why: HELD_SINCE,
  },
  {
    file: "copy-reads.ts",
    line: "const isRepeated =",
    why: HELD_SINCE,
  },
  {
    file: "log-sender.ts",
    line: "progress.nextSeq = through + 1;",
    why: HELD_SINCE,
  },
  {
    file: "shard-copy.ts",
    line: "event.term < this.#term || (this.#primary !== undefined",
    why: HELD_SINCE,
  },
  {
    file: "replica-role.ts",
    line: "out.persist({ globalCheckpoint: checkpoint });",
    why: HELD_SINCE,
  },
];
