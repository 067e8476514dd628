/** Saboteurs of the record on which all safety rests: how it may change, and who may change it. */
import type { Saboteur } from "./saboteur.js";

const RECORD = "operator/src/domain/shard-record.ts";
const STORED = "AllAckedResponsesStored";
const CHECKPOINTS = "GlobalCheckpointBelowLocalCheckpoints";
const CONFIRMED = "LocalCheckpointMatchesMaxConfirmedSeq";
const SETS = "InSyncNeverEmpty";
const WAITS = "PrimaryWaitsForStoredSet";
const ONE_ACKER = "AtMostOneAckingPrimaryPerTerm";
const SAME_LOG = "SameLogUpToGlobalCheckpoint";
const QUIET = "AllCopiesSameOnQuietDown";

export const RECORD_SABOTEURS: readonly Saboteur[] = [
  {
    id: "S19",
    title: "a promotion leaves the term as it is",
    edits: [{ file: RECORD, find: "term: record.term + 1, primary: target,", replace: "primary: target," }],
    expected: [CONFIRMED, ONE_ACKER, QUIET, STORED, SAME_LOG],
    hunt: { where: "arena", profile: "mixed" },
    standsFor: "Promotion without a fence.",
    precedent: {
      system: "Spector",
      reference: "its promotion state is a map in one node's memory, without a term",
    },
  },
  {
    id: "S20",
    title: "a copy that is still being filled may be promoted",
    edits: [
      {
        file: RECORD,
        find: 'if (!record.inSync.includes(target)) return refused("notInSync");',
        replace: "target = record.recovering[0] ?? target;",
      },
      {
        file: RECORD,
        find: "term: record.term + 1, primary: target,",
        replace:
          "term: record.term + 1, primary: target, inSync: [...new Set([...record.inSync.filter((id) => !dropped.includes(id)), target])], recovering: record.recovering.filter((id) => id !== target),",
      },
    ],
    expected: [STORED, CHECKPOINTS, SAME_LOG],
    hunt: { where: "arena", profile: "joins" },
    standsFor: "A stale or empty copy leads.",
    precedent: { system: "Elasticsearch", reference: "issue 14671, repaired by allocation ids in 14739" },
  },
  {
    id: "S21",
    title: "the primary may be removed from the set",
    edits: [
      { file: RECORD, find: 'if (change.id === record.primary) return refused("isPrimary");', replace: "" },
    ],
    expected: [SETS],
    hunt: { where: "arena", profile: "mixed" },
    standsFor: "The last copy that holds the data is struck off.",
    precedent: { system: "Elasticsearch", reference: "the set is never emptied, since 14739" },
  },
  {
    id: "S21b",
    title: "a promotion may drop the very copy it promotes",
    edits: [
      {
        file: RECORD,
        find: "drop.filter((id) => id !== target && record.inSync.includes(id))",
        replace: "[...drop, ...record.inSync.filter((id) => id === target && drop.length > 0)]",
      },
    ],
    expected: [SETS],
    hunt: { where: "arena", profile: "mixed" },
    standsFor: "A primary outside the set.",
  },
  {
    id: "S22",
    title: "a change is not counted, so that one made of an older record passes for the next",
    edits: [{ file: RECORD, find: "version: record.version + 1", replace: "version: record.version" }],
    expected: [STORED, CHECKPOINTS, WAITS, QUIET, CONFIRMED, SAME_LOG, ONE_ACKER],
    hunt: { where: "arena", profile: "joins" },
    standsFor: "A write without compare-and-swap.",
    precedent: { system: "Elastic Cloud on Kubernetes", reference: "issue 4956: acting on a stale cache" },
  },
  {
    id: "S23",
    title: "a copy is added to the set in whatever term it was asked for",
    edits: [
      {
        file: RECORD,
        find: 'case "addInSync": if (change.term !== record.term) return refused("otherTerm");',
        replace: 'case "addInSync":',
      },
    ],
    expected: [STORED, CHECKPOINTS, WAITS],
    hunt: { where: "arena", profile: "joins" },
    standsFor: "A deposed primary's word about who is in sync is taken.",
    precedent: {
      system: "Elasticsearch",
      reference: "reports of failed copies carry the primary's term for this",
    },
  },
  {
    id: "S24",
    title: "a copy that was given up is added to the set by a late request",
    edits: [
      {
        file: RECORD,
        find: 'if (!record.recovering.includes(change.id)) return refused("notRecovering");',
        replace: 'if (record.inSync.includes(change.id)) return refused("notRecovering");',
      },
    ],
    expected: [STORED, CHECKPOINTS, WAITS],
    hunt: { where: "arena", profile: "joins" },
    standsFor: "Requests that arrive late, or twice, after the opposite was decided.",
  },
  {
    id: "S24b",
    title: "a member that left may be added again under its old id",
    edits: [
      {
        file: RECORD,
        find: 'if (change.id === record.primary) return refused("isPrimary"); if (!isCopy(record, change.id)) return refused("notACopy"); return changed(record, reason, nowMs, without(record, [change.id], reason, nowMs));',
        replace:
          'if (change.id === record.primary) return refused("isPrimary"); if (!isCopy(record, change.id)) return refused("notACopy"); if (record.inSync.includes(change.id)) return changed(record, reason, nowMs, { inSync: record.inSync.filter((id) => id !== change.id), recovering: [...record.recovering, change.id] }); return changed(record, reason, nowMs, without(record, [change.id], reason, nowMs));',
      },
    ],
    expected: [QUIET, STORED, CHECKPOINTS, WAITS],
    hunt: { where: "arena", profile: "joins" },
    standsFor:
      "An allocation id goes in two directions: late requests of its first life count in its second.",
    precedent: {
      system: "Kubernetes",
      reference: "pod names are reused: a copy must not be known by its pod's name",
    },
  },
  {
    id: "S25",
    title: "a copy is removed in whatever term it was asked for, the primary too",
    edits: [
      {
        file: RECORD,
        find: 'case "removeCopy": if (change.term !== record.term) return refused("otherTerm"); if (change.id === record.primary) return refused("isPrimary");',
        replace: 'case "removeCopy":',
      },
    ],
    expected: [SETS],
    hunt: { where: "arena", profile: "joins" },
    standsFor: "A dying primary takes its successor out of the set.",
    precedent: {
      system: "Elasticsearch",
      reference: "issue 101180, open: a dying primary fails its replicas",
    },
  },
  {
    id: "S25b",
    title: "a copy that joins stays listed as being filled",
    edits: [
      {
        file: RECORD,
        find: "recovering: record.recovering.filter((id) => id !== change.id),",
        replace: "recovering: record.recovering,",
      },
    ],
    expected: [SETS],
    hunt: { where: "arena", profile: "joins" },
    standsFor: "One copy, two states.",
    precedent: { system: "Qdrant", reference: "issues 6846, 6755: replica states disagree and stay so" },
  },
  {
    id: "S34",
    title: "a node that comes back gets the allocation id it had",
    edits: [
      {
        file: "sim/src/saboteurs/arena-operators.ts",
        find: 'this.#change(read, { kind: "addRecovering", copy: this.#placeOn(node) }, nowMs);',
        replace:
          'this.#change(read, { kind: "addRecovering", copy: idOf(node) === "" ? this.#placeOn(node) : { id: idOf(node), node: node.name, zone: node.name } }, nowMs);',
      },
    ],
    expected: [STORED, CHECKPOINTS, WAITS, QUIET, CONFIRMED],
    hunt: { where: "arena", profile: "joins" },
    standsFor: "Requests and answers of a copy's first life count in its second.",
    precedent: { system: "Elasticsearch", reference: "issue 14671, repaired by allocation ids in 14739" },
    inSimulation: true,
  },
];
