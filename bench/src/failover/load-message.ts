/** What the benchmark and its load, a process of its own, say to each other. */

export interface LoadSettings {
  readonly urls: readonly string[];
  readonly collection: string;
  readonly shards: number;
}

/** Times are milliseconds of the machine's monotonic clock, which all processes share. */
export interface ShardGap {
  readonly shard: number;
  /** The last acknowledgement before the fault. */
  readonly lastBeforeMs: number | undefined;
  /** The first acknowledgement of a write that was sent after the fault. */
  readonly firstAfterMs: number | undefined;
  /** The longest time between two acknowledgements one after the other, from the last before the fault on. */
  readonly longestMs: number;
}

export interface LoadCounts {
  readonly acknowledged: number;
  readonly unknown: number;
  /** Refused though nothing else writes these documents: an earlier write was lost or executed twice. */
  readonly conflicts: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly searches: number;
  readonly failedSearches: number;
  readonly partialSearches: number;
  readonly strongReads: number;
  readonly failedStrongReads: number;
  readonly staleStrongReads: number;
  readonly slowestWriteMs: number;
}

/** What the answers say that a document is: its version, or the versions it may have. */
export interface ExpectedDocument {
  readonly id: string;
  /** "<term>.<seq>" of the last acknowledged write; undefined: none was. */
  readonly version: string | undefined;
  /** A later write whose outcome is not known. */
  readonly isOpen: boolean;
}

export type ToLoad =
  | { readonly kind: "start"; readonly settings: LoadSettings }
  /** Acknowledgements before this moment, but for the last of each shard, are of no interest any more. */
  | { readonly kind: "forget" }
  | { readonly kind: "gaps"; readonly id: number; readonly faultMs: number }
  | { readonly kind: "counts"; readonly id: number }
  /** Ends the load, then says what every document should be. */
  | { readonly kind: "stop"; readonly id: number };

export type FromLoad =
  | { readonly kind: "gaps"; readonly id: number; readonly gaps: readonly ShardGap[] }
  | { readonly kind: "counts"; readonly id: number; readonly counts: LoadCounts }
  | {
      readonly kind: "stopped";
      readonly id: number;
      readonly counts: LoadCounts;
      readonly documents: readonly ExpectedDocument[];
    };

/** Of a version, "<term>.<seq>": of one shard they only grow. */
export function seqOf(version: string): number {
  return Number(version.split(".")[1]);
}

/** CLOCK_MONOTONIC, the same in every process of the machine. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
