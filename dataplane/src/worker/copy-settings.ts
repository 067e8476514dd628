/** The settings of a copy's state machine: those of the node, and those that maps bring. */
import type { Limits } from "@prism/api/limits";
import type { CopySettings } from "../domain/replication/event.js";

/** Of entries sent to a copy and not confirmed by it; well below what a link to a peer queues. */
const WINDOW_ENTRIES = 1024;
const WINDOW_BYTES = 8 * 1024 * 1024;

export type ChangingCopySettings = { -readonly [K in keyof CopySettings]: CopySettings[K] };

/** What holds until the first map. */
export function initialCopySettings(limits: Limits): ChangingCopySettings {
  return {
    minReplicasForWrite: 1,
    replicaTimeoutMs: 1000,
    slowReplicaTimeoutMs: 3000,
    windowEntries: WINDOW_ENTRIES,
    windowBytes: WINDOW_BYTES,
    maxPendingEntries: limits.pendingWrites,
  };
}
