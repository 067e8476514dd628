/** Saboteurs of the primary: whom it waits for, joins and leaves, strong reads. */
import type { Saboteur } from "./saboteur.js";

const COPY = "dataplane/src/domain/replication/shard-copy.ts";
const PRIMARY = "dataplane/src/domain/replication/primary-role.ts";
const SENDER = "dataplane/src/domain/replication/log-sender.ts";
const WAITED = "dataplane/src/domain/replication/waited-set.ts";
const READS = "dataplane/src/domain/replication/copy-reads.ts";
const ROUNDS = "dataplane/src/domain/replication/read-rounds.ts";
const STORED = "AllAckedResponsesStored";
const SAME_LOG = "SameLogUpToGlobalCheckpoint";
const CHECKPOINTS = "GlobalCheckpointBelowLocalCheckpoints";
const WAITS = "PrimaryWaitsForStoredSet";
const QUIET = "AllCopiesSameOnQuietDown";
const READ = "StrongRead";

export const PRIMARY_SABOTEURS: readonly Saboteur[] = [
  {
    id: "S26",
    title: "a copy that the map at hand does not show is taken for gone as soon as its removal is asked",
    edits: [
      {
        file: WAITED,
        find: 'this.#request("removeCopy", copy, why, out); }',
        replace:
          'this.#request("removeCopy", copy, why, out); if (why === "JoinGivenUp") this.#local.delete(copy); }',
      },
    ],
    expected: [WAITS, STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "joins" },
    standsFor: '"Already gone", read from a stale cache, counts as a confirmation.',
    precedent: { system: "Elastic Cloud on Kubernetes", reference: "issue 4956: reads go back in time" },
  },
  {
    id: "S27",
    title: "older maps are applied",
    edits: [
      {
        file: COPY,
        find: "if (this.#map !== undefined && map.version <= this.#map.version) return;",
        replace: "",
      },
    ],
    expected: [WAITS, STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "joins" },
    standsFor: "A delayed message undoes a join.",
    precedent: { system: "Vespa", reference: "nodes reject lower cluster state versions for this" },
  },
  {
    id: "S28",
    title: "a copy is not waited for any more once its removal is asked",
    edits: [
      {
        file: WAITED,
        find: 'this.#request("removeCopy", copy, why, out); }',
        replace: 'this.#request("removeCopy", copy, why, out); this.#local.delete(copy); }',
      },
    ],
    expected: [WAITS, STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "joins" },
    standsFor: "A write is acknowledged before the copy that missed it has left the stored set.",
    precedent: { system: "Elasticsearch", reference: "issue 7572, repaired in pull request 14252" },
  },
  {
    id: "S29",
    title: "a copy that joins is stored first and waited for afterwards",
    edits: [
      {
        file: WAITED,
        find: "this.#local.add(copy); this.#joining.set(copy, { askedMs: nowMs });",
        replace: "this.#joining.set(copy, { askedMs: nowMs });",
      },
    ],
    expected: [WAITS, STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "joins" },
    standsFor: "Between the store and the map there are writes that the new member lacks.",
    precedent: { system: "Qdrant", reference: "pull request 5271, issue 8584: writes during a transfer" },
  },
  {
    id: "S30",
    title: "a newer map ends the waiting for a copy that is joining",
    edits: [
      {
        file: WAITED,
        find: "if (map.inSync.includes(copy) || map.recovering.includes(copy)) continue;",
        replace: "if (map.inSync.includes(copy)) continue;",
      },
    ],
    expected: [WAITS, STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "joins" },
    standsFor: "A join in flight is forgotten when an unrelated change arrives.",
  },
  {
    id: "S31",
    title: "a copy joins before it has caught up",
    edits: [
      {
        file: PRIMARY,
        find: "if (!this.ready || this.draining || match === undefined || match < this.#self.log.globalCheckpoint) return;",
        replace: "if (!this.ready || this.draining) return;",
      },
    ],
    expected: [STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "joins" },
    standsFor: "An unfilled copy can be promoted.",
    precedent: {
      system: "Qdrant",
      reference: "pull request 5271: an empty difference passes for nothing to do",
    },
  },
  {
    id: "S32",
    title: "a copy joins before the entry that starts the term is committed",
    edits: [
      {
        file: PRIMARY,
        find: "if (!this.ready || this.draining || match === undefined",
        replace: "if (this.draining || match === undefined",
      },
    ],
    expected: [STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "earlyJoins" },
    standsFor: "Caught up with a checkpoint that is older than what was acknowledged.",
  },
  {
    id: "S45",
    title: "strong reads before the entry that starts the term is committed",
    edits: [
      {
        file: READS,
        find: "const mayAnswer = primary.ready && !primary.draining;",
        replace: "const mayAnswer = !primary.draining;",
      },
    ],
    expected: [READ],
    hunt: { where: "arena", profile: "reads" },
    standsFor: "A new primary answers from before what its predecessor acknowledged.",
  },
  {
    id: "S46",
    title: "a term check is answered in any term",
    edits: [
      {
        file: COPY,
        find: "if (message.term < this.#term) {",
        replace:
          'if (message.term < this.#term && message.body.kind === "termCheck") { this.#out.emit({ kind: "send", message: { ...this.#message(message.from, { kind: "termCheckOk", nonce: message.body.nonce }), term: message.term } }); return; } if (message.term < this.#term) {',
      },
    ],
    expected: [READ],
    hunt: { where: "arena", profile: "reads" },
    standsFor: "A primary that was replaced is told that it still leads.",
    precedent: { system: "Elasticsearch", reference: "documentation: dirty reads from an isolated primary" },
  },
  {
    id: "S47",
    title: "a read joins the round that is already running",
    edits: [
      {
        file: READS,
        find: "if (this.#waiting.length === 0 || this.#rounds.isRunning) return;",
        replace:
          "if (this.#waiting.length === 0) return; if (this.#rounds.isRunning) { this.#checked = [...this.#checked, ...this.#waiting]; this.#waiting = []; return; }",
      },
    ],
    expected: [READ],
    hunt: { where: "arena", profile: "slowAnswers" },
    standsFor: "An answer that was on its way before the read came is taken for one about it.",
  },
  {
    id: "S48",
    title: "answers to any round count for the one that is running",
    edits: [
      {
        file: ROUNDS,
        find: "if (this.#round?.nonce === nonce) this.#round.need.delete(from);",
        replace: "this.#round?.need.delete(from);",
      },
    ],
    expected: [READ],
    hunt: { where: "arena", profile: "readsOfTwo" },
    standsFor: "A doubled or late answer of an earlier round vouches for a later one.",
  },
  {
    id: "S49",
    title: "a round asks the stored set as the map shows it, not everyone who is waited for",
    edits: [
      {
        file: COPY,
        find: "primary: this.#primary,",
        replace:
          "primary: this.#primary === undefined ? undefined : { term: this.#primary.term, ready: this.#primary.ready, draining: this.#primary.draining, waitedFor: new Set(this.#map.inSync) },",
      },
    ],
    expected: [READ],
    hunt: { where: "arena", profile: "readsAndJoins" },
    standsFor: "A copy that has just joined is promoted, and nobody asked it.",
  },
  {
    id: "S49b",
    title: "a strong read takes the last round, which began before it came",
    edits: [
      {
        file: READS,
        find: 'if (wanted.level === "strong") return false;',
        replace:
          'if (wanted.level === "strong") return this.#rounds.lastStartMs(primary.term) !== undefined;',
      },
    ],
    expected: [READ],
    hunt: { where: "arena", profile: "reads" },
    standsFor: "Leadership that was checked once is believed for ever.",
  },
  {
    id: "S58",
    title: "a copy that lacks trimmed entries is sent what is left of the log",
    edits: [
      {
        file: SENDER,
        find: "progress.needsSnapshot = !isWaitedFor;",
        replace: "progress.needsSnapshot = false;",
      },
      {
        file: PRIMARY,
        find: "if (!counted && (!sameHistory || start < log.baseSeq)) {",
        replace: "if (!counted && !sameHistory) {",
      },
    ],
    expected: [QUIET, SAME_LOG],
    hunt: { where: "arena", profile: "snapshots" },
    standsFor: "History is trimmed above what somebody still needs, and nobody notices.",
    precedent: { system: "Elasticsearch", reference: "pull request 28534: holes stop the global checkpoint" },
  },
  {
    id: "S58b",
    title: "a primary's answers from a copy are believed while that copy is still asked from further on",
    edits: [
      {
        file: SENDER,
        find: "const from = Math.max((progress.match ?? log.globalCheckpoint) + 1, log.baseSeq + 1);",
        replace: "const from = Math.max(progress.nextSeq, log.baseSeq + 1);",
      },
    ],
    expected: [QUIET],
    hunt: { where: "arena", profile: "mixed" },
    standsFor: "What was lost on the way is never sent again.",
  },
];
