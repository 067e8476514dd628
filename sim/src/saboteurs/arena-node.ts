/** One node of the arena: a copy of the shard with its memory, its disk, and what is on its way between. */
import type { AllocationId, HistoryId, ShardUid } from "@prism/dataplane/domain/cluster-map";
import type { DurableCopy, PersistChange } from "@prism/dataplane/domain/replication/event";
import type { LogEntry, TermSpan } from "@prism/dataplane/domain/replication/log-entry";
import type { ShardCopy } from "@prism/dataplane/domain/replication/shard-copy";

export const SHARD = "shard" as ShardUid;
/** The first one; a reset begins another. */
export const HISTORY = "history" as HistoryId;

/** The arena keeps whole logs, so that trimmed entries can be compared too: index i is seq i + 1. */
export interface Disk {
  readonly copy: DurableCopy;
  /** Version of the record that gave the copy its id: an older one says nothing to it. */
  readonly identityVersion: number;
  readonly entries: readonly LogEntry[];
}

export interface ArenaNode {
  /** A node whose volume is lost comes back under another one. */
  name: string;
  disk: Disk | undefined;
  memory: LogEntry[];
  copy: ShardCopy | undefined;
  pending: { readonly ticket: number; readonly change: PersistChange }[];
  readonly aside: Map<string, readonly LogEntry[]>;
  starts: number;
}

export function arenaNode(name: string): ArenaNode {
  return {
    name,
    disk: undefined,
    memory: [],
    copy: undefined,
    pending: [],
    aside: new Map(),
    starts: 0,
  };
}

export function idOf(node: ArenaNode): AllocationId {
  return node.disk?.copy.allocationId ?? ("" as AllocationId);
}

export function withChange(disk: Disk, change: PersistChange, aside: ArenaNode["aside"]): Disk {
  let { copy, entries } = disk;
  const { installSnapshot, truncateAfter, append, trimThrough } = change;
  if (installSnapshot !== undefined) {
    entries = aside.get(installSnapshot.snapshotId)!;
    copy = { ...copy, baseSeq: installSnapshot.seq, baseTerm: installSnapshot.term };
  }
  if (truncateAfter !== undefined) entries = entries.slice(0, truncateAfter);
  if (append !== undefined) entries = [...entries, ...append];
  if (trimThrough !== undefined) copy = { ...copy, baseSeq: trimThrough.seq, baseTerm: trimThrough.term };
  return {
    identityVersion: disk.identityVersion,
    entries,
    copy: {
      ...copy,
      term: change.term ?? copy.term,
      activatedTerm: change.activatedTerm ?? copy.activatedTerm,
      historyId: change.historyId ?? copy.historyId,
      globalCheckpoint: change.globalCheckpoint ?? copy.globalCheckpoint,
      lastSeq: entries.length,
      lastTimeMs: entries.at(-1)?.timeMs ?? copy.lastTimeMs,
      termSpans: spansOf(entries, copy.baseSeq),
    },
  };
}

function spansOf(entries: readonly LogEntry[], baseSeq: number): TermSpan[] {
  const spans: TermSpan[] = [];
  for (let i = baseSeq; i < entries.length; i += 1) {
    const { seq, term } = entries[i]!;
    if (spans.at(-1)?.term !== term) spans.push({ fromSeq: seq, term });
  }
  return spans;
}
