/**
 * The rare situations that a run must have met to mean something: a protocol that was never in them was
 * not tested in them. Names are what `make sim` prints; each says what happened to one copy or one call.
 */
import type { CopyEffect, CopyEvent } from "@prism/dataplane/domain/replication/event";
import type { Counts } from "../world/counts.js";
import type { MemoryCopy } from "./memory-copy.js";

/** None of these may be missing from a standard run. */
export const SITUATIONS: Readonly<Record<string, string>> = {
  "note.suffixReplaced": "the log of a replica differed from its primary's and was cut",
  suffixReplacedAfterTwoPromotions: "what was cut was two or more terms old",
  activationInterrupted: "a new primary ended, or was followed, before it had committed anything",
  promotedWithPendingTail: "a copy became primary with entries above its checkpoint",
  oldPrimaryStillActive: "a copy became primary while one of an earlier term still took itself for it",
  termLearntFromMessage: "a copy heard of a term from another copy before any map",
  olderMapIgnored: "a copy was given an older map than it had",
  "note.snapshotStarted":
    "the log did not reach back far enough for a copy to be filled from it (delta refused)",
  "note.snapshotInstalled": "a snapshot took the place of a copy's data",
  snapshotBrokenOff: "the transfer of a snapshot broke off",
  lateSnapshot: "a snapshot arrived that was of no use any more",
  "note.joinStarted": "a copy had caught up and was counted",
  joinGivenUp: "a copy that was joining had to be given up",
  tooSlow: "a copy that answered but stayed behind was to leave",
  "note.removalWithdrawn": "a copy that was to leave came back in time",
  "note.left": "a copy left the in-sync set",
  "note.handOffStarted": "a primary was to hand its role over",
  "note.handOffAsked": "a hand-off got as far as asking for the promotion",
  "note.handOffAborted": "a hand-off was given up",
  floorUnmetAfterExecution: "entries were committed with fewer copies stored in sync than writes need",
  retryOfCommitted: "a retry met its operation in the operation table or the committed log",
  retryAnsweredAgain: "an acknowledgement was given a second time",
  retryAttachedToPending: "a retry met its operation in the log, not yet committed",
  commitLost: "a crash lost a transaction that was on its way to disk",
  commitKeptUnnoticed: "a crash came between a transaction's reaching the disk and its being noticed",
  "crashAt.commitBegins": "a node crashed as it handed a transaction in",
  "crashAt.commitDone": "a node crashed as a transaction was on disk",
  "crashAt.send": "a node crashed as it sent a message",
  "fault.powerLoss": "all nodes lost their power at once",
  "fault.replaceVolume": "a node came back on an empty disk",
  "fault.stop": "a node was told to stop",
  "fault.pause": "a node stood still",
  "fault.secondOperator": "two control planes led at once",
  "fault.fullDisk": "a disk was full",
  "fault.loseRecord": "a shard's record was deleted or emptied",
  "fault.restoreRecord": "a shard's record was put back to an older one",
  recordMadeAgain: "a lost record was made again from what its copies proved",
  dataLossAccepted: "a person gave up what no copy had any more",
  "note.historyStarted": "a copy began another history with what it had",
  storeConflict: "the store answered conflict though nothing had changed",
  storeAnswerLost: "a change was stored and its answer lost",
  storeOutageMet: "a control plane asked a store that was away",
  watchOvertaken: "a watch left out changes that others had overtaken",
  watchRepeated: "a watch told a change twice",
  "writes.unknown": "a client never learnt what became of its write",
  "writes.refused": "a client learnt that its write was not executed",
  readStrong: "a strong read was answered",
  readBounded: "a bounded read was answered that had something to show",
};

export function countSituations(
  counts: Counts,
  copy: MemoryCopy,
  event: CopyEvent,
  effects: readonly CopyEffect[],
): void {
  if (event.kind === "map") {
    if (event.map.version < copy.mapVersion) counts.count("olderMapIgnored");
    copy.mapVersion = Math.max(copy.mapVersion, event.map.version);
  }
  for (const effect of effects) {
    switch (effect.kind) {
      case "persist":
        if (effect.change.term !== undefined && effect.change.term > copy.term) {
          if (event.kind === "message") counts.count("termLearntFromMessage");
          copy.term = effect.change.term;
        }
        break;
      case "commit":
        if (!effect.floorMet) counts.count("floorUnmetAfterExecution");
        break;
      case "cancelSnapshot":
        counts.count("snapshotBrokenOff");
        break;
      case "discardSnapshot":
        counts.count("lateSnapshot");
        break;
      case "note":
        countNote(counts, copy, effect);
        break;
      default:
        break;
    }
  }
}

/** Before the step's changes are taken over into `copy`. */
function countNote(counts: Counts, copy: MemoryCopy, { note }: Extract<CopyEffect, { kind: "note" }>): void {
  switch (note.what) {
    case "suffixReplaced": {
      const replaced = copy.at(note.afterSeq + 1);
      if (replaced !== undefined && copy.term - replaced.term >= 2) {
        counts.count("suffixReplacedAfterTwoPromotions");
      }
      return;
    }
    case "activated":
      if (note.startSeq - 1 > copy.checkpoint) counts.count("promotedWithPendingTail");
      return;
    case "removalAsked":
      if (note.reason === "JoinGivenUp") counts.count("joinGivenUp");
      if (note.reason === "TooSlow") counts.count("tooSlow");
      return;
    default:
      return;
  }
}
