/** The settings of a copy's state machine: those of the node, and those that maps bring. */
import type { Limits } from "@prism/api/limits";
import type { CopySettings } from "../domain/replication/event.js";

/** Of entries sent to a copy and not confirmed by it. */
const WINDOW_ENTRIES = 1024;

export type ChangingCopySettings = { -readonly [K in keyof CopySettings]: CopySettings[K] };

/** What holds until the first map. */
export function initialCopySettings(limits: Limits): ChangingCopySettings {
  return {
    minReplicasForWrite: 1,
    replicaTimeoutMs: 1000,
    slowReplicaTimeoutMs: 3000,
    windowEntries: WINDOW_ENTRIES,
    maxPendingEntries: limits.pendingWrites,
  };
}
