/** The one committed history of a shard, as it became known: what every copy's log is held against. */
import type { LogEntry } from "@prism/dataplane/domain/replication/log-entry";
import { InvariantViolation } from "./violation.js";

export class CommittedHistory {
  /** Index i is seq i + 1. */
  readonly entries: LogEntry[] = [];
  readonly #seqOfOperation = new Map<string, number>();

  get lastSeq(): number {
    return this.entries.length;
  }

  at(seq: number): LogEntry | undefined {
    return this.entries[seq - 1];
  }

  /** By the id the client chose; entries carry it with what it was asked for. */
  has(operationId: string): boolean {
    return this.#seqOfOperation.has(operationId);
  }

  /** ExactlyOnce: no operation is committed a second time. */
  append(entry: LogEntry): void {
    if (entry.seq !== this.entries.length + 1) {
      throw new InvariantViolation(
        "SameLogUpToGlobalCheckpoint",
        `seq ${entry.seq} is committed and ${this.entries.length + 1} is not there`,
      );
    }
    const id = clientOperationId(entry);
    if (id !== "") {
      const before = this.#seqOfOperation.get(id);
      if (before !== undefined) {
        throw new InvariantViolation(
          "ExactlyOnce",
          `operation ${id} is committed at ${before} and ${entry.seq}`,
        );
      }
      this.#seqOfOperation.set(id, entry.seq);
    }
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

/** The write path marks an operation id with what it was used for, behind the last "#". */
export function clientOperationId({ operationId }: LogEntry): string {
  const mark = operationId.lastIndexOf("#");
  return mark < 0 ? operationId : operationId.slice(0, mark);
}

/** Terms identify entries: one primary per term gives each number once. */
export function sameEntry(left: LogEntry, right: LogEntry): boolean {
  return left.term === right.term && left.operationId === right.operationId && left.timeMs === right.timeMs;
}
