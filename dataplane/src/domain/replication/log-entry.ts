/** Entries of a shard's operation log: contiguous from `baseSeq + 1`, their terms never decreasing. */

export type LogEntryBody =
  | { readonly kind: "noop" }
  /** `record`: the document in stored form (document-record.ts); what a patch made is in full here. */
  | { readonly kind: "index"; readonly id: string; readonly record: Uint8Array }
  | { readonly kind: "delete"; readonly id: string }
  /** An operation that changed nothing (delete of a missing document): logged so that its retry is exact. */
  | { readonly kind: "unchanged"; readonly id: string };

export type WriteResult = "created" | "updated" | "deleted" | "unchanged";

export interface LogEntry {
  readonly seq: number;
  /** The term that created the entry; it never changes. */
  readonly term: number;
  /** "" for a no-op. */
  readonly operationId: string;
  readonly body: LogEntryBody;
  readonly result: WriteResult;
  /** The primary's clock, made non-decreasing along the log: the dedup window ends by it, not by each copy's clock. */
  readonly timeMs: number;
  /** The entry as the log stores it, where that is known: disks and messages take the bytes as they are. */
  readonly stored?: Uint8Array;
}

/** Runs of equal terms in the log, oldest first: the term of every held seq in a few numbers. */
export interface TermSpan {
  readonly fromSeq: number;
  readonly term: number;
}
