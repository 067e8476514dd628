/** Saboteurs of a copy: its log, its terms, its disk. */
import type { Saboteur } from "./saboteur.js";

const COPY = "dataplane/src/domain/replication/shard-copy.ts";
const REPLICA = "dataplane/src/domain/replication/replica-role.ts";
const PRIMARY = "dataplane/src/domain/replication/primary-role.ts";
const SENDER = "dataplane/src/domain/replication/log-sender.ts";
const STORED = "AllAckedResponsesStored";
const SAME_LOG = "SameLogUpToGlobalCheckpoint";
const CHECKPOINTS = "GlobalCheckpointBelowLocalCheckpoints";
const CONFIRMED = "LocalCheckpointMatchesMaxConfirmedSeq";
const ONE_ACKER = "AtMostOneAckingPrimaryPerTerm";
const QUIET = "AllCopiesSameOnQuietDown";

export const COPY_SABOTEURS: readonly Saboteur[] = [
  {
    id: "S1",
    title: "a replica answers before its disk has the entry",
    edits: [
      {
        file: COPY,
        find: "if (confirm === undefined || (persisted && vital)) return effects;",
        replace: "if (confirm !== undefined) this.#confirm(confirm, effects); return effects;",
      },
    ],
    expected: [CONFIRMED, STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "mixed" },
    standsFor: "An acknowledgement of what only memory holds.",
    precedent: { system: "Qdrant", reference: "writes are appended to a mapped file, flushed every 5 s" },
  },
  {
    id: "S2",
    title: "the primary counts its own log before its disk has it",
    edits: [
      {
        file: PRIMARY,
        find: "let checkpoint = this.#ownDurableSeq;",
        replace: "let checkpoint = log.lastSeq;",
      },
    ],
    expected: [STORED, CHECKPOINTS, SAME_LOG],
    hunt: { where: "arena", profile: "mixed" },
    standsFor: "A primary that takes its page cache for its disk.",
  },
  {
    id: "S3",
    title: "acknowledged by a majority of the in-sync set",
    edits: [
      {
        file: PRIMARY,
        find: "checkpoint = Math.min(checkpoint, match);",
        replace:
          "const seqs = this.#waited.others().map((one) => this.#progress.get(one)?.match ?? 0); seqs.push(this.#ownDurableSeq); checkpoint = seqs.sort((a, b) => b - a)[Math.floor(seqs.length / 2)];",
      },
    ],
    expected: [STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "terms" },
    standsFor: "Acknowledging with fewer copies than those of which any one may be promoted.",
    precedent: { system: "Elasticsearch", reference: "issue 7572, repaired in pull request 14252" },
  },
  {
    id: "S4",
    title: "a copy of the set that has not answered yet is left out of the minimum",
    edits: [
      {
        file: PRIMARY,
        find: "if (match === undefined) return; checkpoint",
        replace: "if (match === undefined) continue; checkpoint",
      },
    ],
    expected: [STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "mixed" },
    standsFor: "Waiting only for the copies that happen to be up.",
    precedent: {
      system: "Vespa",
      reference: "documentation of content consistency: all replicas that are up",
    },
  },
  {
    id: "S5",
    title: "a replica confirms its whole log instead of the part it knows to be equal",
    edits: [
      {
        file: COPY,
        find: "const { to, confirmed } = confirm;",
        replace: "const to = confirm.to; const confirmed = this.#log.lastSeq;",
      },
    ],
    expected: [CONFIRMED, SAME_LOG, STORED],
    hunt: { where: "arena", profile: "mixed" },
    standsFor: "The tail of another term is taken for the primary's.",
  },
  {
    id: "S6",
    title: "a confirmation of any term counts",
    edits: [
      {
        file: COPY,
        find: "if (message.term < this.#term) {",
        replace: 'if (message.term < this.#term && message.body.kind !== "replicateOk") {',
      },
    ],
    expected: [QUIET, SAME_LOG, CONFIRMED, STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "lateAnswers" },
    standsFor: "A late answer of an earlier term counts for entries that it never saw.",
  },
  {
    id: "S7",
    title: "a replica takes entries of a lower term",
    edits: [
      {
        file: COPY,
        find: "if (message.term < this.#term) {",
        replace:
          'if (message.term < this.#term && !(message.body.kind === "replicate" && this.#primary === undefined)) {',
      },
    ],
    expected: [CONFIRMED, SAME_LOG, STORED],
    hunt: { where: "arena", profile: "terms" },
    standsFor: "A deposed primary goes on writing to copies that know of its successor.",
    precedent: { system: "Elasticsearch", reference: "primary terms exist for this" },
  },
  {
    id: "S8",
    title: "an adopted term is not written with what is confirmed in it",
    edits: [
      {
        file: COPY,
        find: "this.#told = undefined; this.#out.persist({ term });",
        replace: "this.#told = undefined;",
      },
    ],
    expected: [CONFIRMED, SAME_LOG, STORED],
    hunt: { where: "arena", profile: "forgetfulCopies" },
    standsFor: "A copy forgets in a restart whom it has promised not to follow any more.",
  },
  {
    id: "S9",
    title: "what was confirmed in one term stays confirmed in the next",
    edits: [
      {
        file: COPY,
        find: "this.#replica.startTerm();",
        replace: "",
      },
    ],
    expected: [CONFIRMED, SAME_LOG, STORED],
    hunt: { where: "arena", profile: "terms" },
    standsFor: "A local checkpoint that outlives the log it was measured against.",
  },
  {
    id: "S10",
    title: "a replica truncates to its checkpoint when it learns of a higher term",
    edits: [
      {
        file: COPY,
        find: "this.#told = undefined; this.#out.persist({ term });",
        replace:
          "this.#told = undefined; this.#out.persist({ term }); if (this.#log.lastSeq > this.#log.globalCheckpoint) this.#replica.truncate(this.#out);",
      },
      {
        file: REPLICA,
        find: "/** Protocol 5.2, steps 2 to 4. */",
        replace: "truncate(out) { this.#replaceSuffix(this.#log.globalCheckpoint, out); }",
      },
    ],
    expected: [STORED, SAME_LOG, CHECKPOINTS],
    hunt: { where: "arena", profile: "terms" },
    standsFor: "Acknowledged entries above an old checkpoint are deleted before they are sent again.",
    precedent: { system: "Elasticsearch", reference: "the formal model of replication says why it must not" },
  },
  {
    id: "S12",
    title: "entries are matched by number alone, not by term",
    edits: [
      {
        file: REPLICA,
        find: "log.termAt(body.previousSeq) === body.previousTerm",
        replace: "body.previousSeq <= log.lastSeq",
      },
    ],
    expected: [CONFIRMED, SAME_LOG, STORED],
    hunt: { where: "arena", profile: "terms" },
    standsFor: "Two histories of equal length pass for one.",
  },
  {
    id: "S13",
    title: "of two entries at one number the one of the higher term stays",
    edits: [
      {
        file: REPLICA,
        find: "if (held === undefined || held === entry.term) {",
        replace: "if (held === undefined || held >= entry.term) {",
      },
    ],
    expected: [CONFIRMED, SAME_LOG, STORED, QUIET],
    hunt: { where: "arena", profile: "terms" },
    standsFor: "Deciding by the term of the entry instead of the term of the one who sends it.",
    precedent: {
      system: "Elasticsearch",
      reference: "order by term and number, with tombstones: 28790, 29619",
    },
  },
  {
    id: "S14",
    title: "a replica takes the primary's checkpoint though it lacks entries below it",
    edits: [
      {
        file: REPLICA,
        find: "this.#raiseCheckpoint(Math.min(body.globalCheckpoint, this.#confirmed), out);",
        replace: "this.#raiseCheckpoint(body.globalCheckpoint, out);",
      },
      {
        file: SENDER,
        find: "return this.#waited.has(progress.copy) ? globalCheckpoint : Math.min(globalCheckpoint, progress.match ?? 0);",
        replace: "return globalCheckpoint;",
      },
    ],
    expected: [SAME_LOG],
    hunt: { where: "arena", profile: "joins" },
    standsFor: "A checkpoint above a hole.",
    precedent: {
      system: "Qdrant",
      reference: "pull requests 7787, 7791: an aborted transfer moves the recovery point",
    },
  },
  {
    id: "S16",
    title: "no entry marks the start of a term",
    edits: [
      {
        file: COPY,
        find: 'const startSeq = this.#log.append(map.term, nowMs, { kind: "noop" });',
        replace: "const startSeq = this.#log.lastSeq;",
      },
      { file: COPY, find: "this.#out.append([ { seq: startSeq,", replace: "void ([ { seq: startSeq," },
    ],
    expected: [QUIET, STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "terms" },
    standsFor: "Foreign tails stay on the copies until the next write, and for ever when there is none.",
  },
  {
    id: "S17",
    title: "a primary sends before its activation is on disk",
    edits: [{ file: SENDER, find: "#isOpen = false;", replace: "#isOpen = true;" }],
    expected: [QUIET, CONFIRMED, STORED, SAME_LOG, CHECKPOINTS],
    hunt: { where: "arena", profile: "restarts" },
    standsFor: "A restart between promotion and fsync gives out the same numbers twice.",
  },
  {
    id: "S18",
    title: "a primary keeps its role when it sees a higher term",
    edits: [
      {
        file: COPY,
        find: "this.#primary.end(this.#out); this.#primary = undefined; } else",
        replace: "this.#primary.end(this.#out); } else",
      },
    ],
    expected: [SAME_LOG, ONE_ACKER, QUIET, STORED, CHECKPOINTS, CONFIRMED],
    hunt: { where: "arena", profile: "mixed" },
    standsFor: "Two primaries after a partition heals.",
    precedent: { system: "Elasticsearch", reference: "Jepsen on 1.x: acknowledged inserts lost" },
  },
  {
    id: "S37",
    title: "a snapshot is installed though the log holds what it holds, and more",
    edits: [
      {
        file: REPLICA,
        find: "if (this.#log.termAt(lastSeq) !== lastTerm) return false;",
        replace: "return false;",
      },
    ],
    expected: [STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "lateSnapshots" },
    standsFor: "A late snapshot takes back what was confirmed since.",
  },
  {
    id: "S38",
    title: "a snapshot is refused by what the copy remembers having confirmed, not by its log",
    edits: [
      {
        file: REPLICA,
        find: "if (this.#log.termAt(lastSeq) !== lastTerm) return false;",
        replace: "if (lastSeq > this.#confirmed) return false;",
      },
    ],
    expected: [QUIET, STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "lateSnapshots" },
    standsFor: "A restart makes a copy forget that it is ahead of the snapshot on its way.",
  },
  {
    id: "S42",
    title: "a primary that restarted goes on in its term",
    edits: [
      {
        file: COPY,
        find: "if (named && map.term >= this.#term && map.term > this.#activatedTerm) this.#activate(map, nowMs);",
        replace:
          "if (named && map.term >= this.#term && map.term >= this.#activatedTerm && this.#primary === undefined) this.#activate(map, nowMs);",
      },
    ],
    expected: [CONFIRMED, STORED, SAME_LOG, CHECKPOINTS],
    hunt: { where: "arena", profile: "restarts" },
    standsFor: "A restarted primary gives out numbers again that it has given out before.",
  },
  {
    id: "S59",
    title: "a copy of another history takes the new one on top of its own",
    edits: [
      {
        file: COPY,
        find: "if (message.historyId !== this.#historyId && !this.#takeHistory(message.historyId)) {",
        replace:
          "if (message.historyId !== this.#historyId) { this.#historyId = message.historyId; this.#out.persist({ historyId: message.historyId }); } if (false) {",
      },
    ],
    expected: [CONFIRMED, SAME_LOG, QUIET],
    hunt: { where: "arena", profile: "resets" },
    standsFor: "Data of before a forced reset survive it on one copy.",
  },
  {
    id: "S33",
    title: "a copy deletes what is above its checkpoint when it starts, though its id is counted on",
    edits: [
      {
        file: COPY,
        find: "this.#map = map; const named",
        replace:
          "if (this.#map === undefined && this.#log.lastSeq > this.#log.globalCheckpoint) this.#replica.truncate(this.#out); this.#map = map; const named",
      },
      {
        file: REPLICA,
        find: "/** Protocol 5.2, steps 2 to 4. */",
        replace: "truncate(out) { this.#replaceSuffix(this.#log.globalCheckpoint, out); }",
      },
    ],
    expected: [CONFIRMED, STORED, CHECKPOINTS, SAME_LOG],
    hunt: { where: "arena", profile: "restarts" },
    standsFor: "Recovery by deleting the tail, done by a copy that may be promoted meanwhile.",
    precedent: { system: "Elasticsearch", reference: "the formal model of replication says why it must not" },
  },
  {
    id: "A1",
    title: "a copy takes its whole log for confirmed after a restart",
    edits: [
      {
        file: REPLICA,
        find: "this.#log = log; this.#confirmed = log.globalCheckpoint;",
        replace: "this.#log = log; this.#confirmed = log.lastSeq;",
      },
    ],
    expected: [CONFIRMED, SAME_LOG, STORED],
    hunt: { where: "arena", profile: "restarts" },
    standsFor: "What lies on the disk is taken for what the primary has.",
  },
  {
    id: "A2",
    title: "confirmations do not wait for entries, only for terms and ids",
    edits: [
      {
        file: "dataplane/src/domain/replication/step-output.ts",
        find: "return this.#appended.length > 0 || Object.keys(this.#change).some(isVitalKey);",
        replace: "return Object.keys(this.#change).some(isVitalKey);",
      },
    ],
    expected: [CONFIRMED, STORED, CHECKPOINTS],
    hunt: { where: "arena", profile: "mixed" },
    standsFor: "A write path that forgets which changes a promise rests on.",
    precedent: {
      system: "hivellm/vectorizer",
      reference: "release notes of 3.5.0: a log that was never fsynced",
    },
  },
  {
    id: "A3",
    title: "a copy takes up the role of a term that it knows to be over",
    edits: [
      {
        file: COPY,
        find: "if (named && map.term >= this.#term && map.term > this.#activatedTerm) this.#activate(map, nowMs);",
        replace: "if (named && map.term > this.#activatedTerm) this.#activate(map, nowMs);",
      },
    ],
    expected: [CONFIRMED, STORED, SAME_LOG, CHECKPOINTS, ONE_ACKER, QUIET],
    hunt: { where: "arena", profile: "terms" },
    standsFor: "A late map makes a leader of somebody whom all others have left behind.",
    precedent: { system: "Vespa", reference: "nodes reject lower cluster state versions for this" },
  },
];
