/** The one committed history of a shard, as it became known: what every copy's log is held against. */
import type { LogEntry } from "@prism/dataplane/domain/replication/log-entry";
import { InvariantViolation } from "./violation.js";

export class CommittedHistory {
  /** Index i is seq i + 1. */
  readonly entries: LogEntry[] = [];
  readonly #seqOfOperation = new Map<string, number>();
  /** By what the document says of its writer: one write under two ids is found by it. */
  readonly #seqOfContent = new Map<string, number>();

  get lastSeq(): number {
    return this.entries.length;
  }

  at(seq: number): LogEntry | undefined {
    return this.entries[seq - 1];
  }

  /** By the id the client chose, which entries carry with what it was asked for, or by what it wrote. */
  has(operationId: string): boolean {
    return this.#seqOfOperation.has(operationId) || this.#seqOfContent.has(operationId);
  }

  /** ExactlyOnce: no operation is committed a second time. */
  append(entry: LogEntry): void {
    if (entry.seq !== this.entries.length + 1) {
      throw new InvariantViolation(
        "SameLogUpToGlobalCheckpoint",
        `seq ${entry.seq} is committed and ${this.entries.length + 1} is not there`,
      );
    }
    once(this.#seqOfOperation, clientOperationId(entry), entry.seq);
    once(this.#seqOfContent, writerOf(entry), entry.seq);
    this.entries.push(entry);
  }

  /** The newest entry at or below `seq` that changed the document. */
  documentAt(id: string, seq: number): LogEntry | undefined {
    for (let i = Math.min(seq, this.entries.length) - 1; i >= 0; i -= 1) {
      const { body } = this.entries[i]!;
      if (body.kind !== "noop" && body.kind !== "unchanged" && body.id === id) return this.entries[i];
    }
    return undefined;
  }
}

function once(seqs: Map<string, number>, id: string, seq: number): void {
  if (id === "") return;
  const before = seqs.get(id);
  if (before !== undefined) {
    throw new InvariantViolation("ExactlyOnce", `operation ${id} is committed at ${before} and ${seq}`);
  }
  seqs.set(id, seq);
}

const WRITER = /"by":"([^"]*)"/;

/** Every document of the simulation's clients says which write made it. */
export function writerOf({ body }: LogEntry): string {
  if (body.kind !== "index") return "";
  return WRITER.exec(Buffer.from(body.record).toString("latin1"))?.[1] ?? "";
}

/** The write path marks an operation id with what it was used for, behind the last "#". */
export function clientOperationId({ operationId }: LogEntry): string {
  const mark = operationId.lastIndexOf("#");
  return mark < 0 ? operationId : operationId.slice(0, mark);
}

/** Terms identify entries: one primary per term gives each number once. */
export function sameEntry(left: LogEntry, right: LogEntry): boolean {
  return left.term === right.term && left.operationId === right.operationId && left.timeMs === right.timeMs;
}
