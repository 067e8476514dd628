/** Saboteurs of the node around a copy, of the control plane's decisions, and of the coordinator. */
import type { Saboteur } from "./saboteur.js";

const QUEUE = "dataplane/src/worker/write-queue.ts";
const SERVICE = "dataplane/src/worker/copy-service.ts";
const DATA = "dataplane/src/worker/copy-data.ts";
const MISSING = "operator/src/domain/plan-missing-copies.ts";
const STORED = "AllAckedResponsesStored";
const ONCE = "ExactlyOnce";
const APPLIED = "AppliedBelowCheckpoint";
const COMMITTED = "CommittedReads";
const QUIET = "AllCopiesSameOnQuietDown";
const CONFIRMED = "LocalCheckpointMatchesMaxConfirmedSeq";
const SAME_LOG = "SameLogUpToGlobalCheckpoint";
const CHECKPOINTS = "GlobalCheckpointBelowLocalCheckpoints";
const DOMAINS = "NoTwoCopiesInOneDomain";

export const SYSTEM_SABOTEURS: readonly Saboteur[] = [
  {
    id: "S15",
    title: "entries are applied to documents and answered when they arrive, not when they are committed",
    edits: [
      {
        file: SERVICE,
        find: "this.data.persist(change, snapshot, vital);",
        replace:
          "this.data.persist(change, snapshot, vital); if (change.append !== undefined) { this.#committed = Math.max(this.#committed, this.data.log.lastSeq); this.#apply(); }",
      },
      {
        file: "dataplane/src/adapters/lmdb/shard-store.ts",
        find: "assertAppliedBelowCheckpoint(record);",
        replace: "",
      },
    ],
    expected: [APPLIED, COMMITTED, STORED, QUIET],
    hunt: { where: "system" },
    standsFor: "Documents hold what another primary never had, and nothing ever overwrites it.",
    precedent: { system: "Elasticsearch", reference: "issue 20031: replicas diverge after a promotion" },
  },
  {
    id: "S22b",
    title: "the store takes a change without comparing versions",
    edits: [
      {
        file: "operator/src/adapters/local/object-change.ts",
        find: "matching(present, object.kind, name, { uid, resourceVersion });",
        replace: "matching(present, object.kind, name, { uid });",
      },
    ],
    expected: [
      STORED,
      CHECKPOINTS,
      QUIET,
      SAME_LOG,
      "PrimaryWaitsForStoredSet",
      "AtMostOneAckingPrimaryPerTerm",
      "InSyncNeverEmpty",
    ],
    hunt: { where: "system", scenario: "twoControlPlanes" },
    standsFor: "Two control planes undo each other's decisions.",
    precedent: { system: "cassandra-operator", reference: "issue 402: volumes deleted on a stale read" },
  },
  {
    id: "S35",
    title: "a node with an empty volume keeps its id, and an empty copy passes for the member",
    edits: [
      {
        file: "sim/src/world/node-process.ts",
        find: 'if (volume.nodeId === "") volume.nodeId = `${name}-${randomUUID().slice(0, 8)}`;',
        replace: "volume.nodeId = name;",
      },
      {
        file: "dataplane/src/worker/shard-worker.ts",
        find: "const allocationId = fresh ?? (isNew ? member : undefined);",
        replace: "const allocationId = fresh ?? member;",
      },
    ],
    expected: [STORED, CHECKPOINTS, SAME_LOG],
    hunt: { where: "system", scenario: "emptyVolume" },
    standsFor: "A fresh volume behind a known name can be promoted.",
    precedent: {
      system: "Weaviate",
      reference: "issue 8423, open: a node returns and founds an empty cluster",
    },
    inSimulation: true,
  },
  {
    id: "S36",
    title: "a snapshot passes for more than is committed in it",
    edits: [
      {
        file: "dataplane/src/worker/snapshot-sender.ts",
        find: "const { appliedSeq, baseSeq, baseTerm, slot } = record;",
        replace:
          "const { baseSeq, baseTerm, slot } = record; const appliedSeq = (record.appliedSeq = record.lastSeq);",
      },
    ],
    expected: [SAME_LOG, QUIET, COMMITTED, STORED],
    hunt: { where: "system", scenario: "refilling", shortLog: true },
    standsFor: "A copy begins with a number that its documents do not have.",
    precedent: {
      system: "Qdrant",
      reference: "pull requests 7787, 7791: an aborted transfer moves the recovery point",
    },
  },
  {
    id: "S39",
    title: "a snapshot comes without the table of operations",
    edits: [
      {
        file: "dataplane/src/worker/snapshot-receiver.ts",
        find: "const last = chunk.operations.at(-1);",
        replace: "const last = undefined;",
      },
    ],
    expected: [ONCE, QUIET],
    hunt: { where: "system", scenario: "refilling", shortLog: true },
    standsFor: "A retry at a copy that was filled by a snapshot is executed again.",
    precedent: { system: "Elasticsearch", reference: "issue 9967, still open" },
  },
  {
    id: "S40",
    title: "a retry is looked for among committed operations only",
    edits: [
      {
        file: QUEUE,
        find: "const seq = this.#host.data.findPending(operationId);",
        replace: "const seq = undefined;",
      },
    ],
    expected: [ONCE],
    hunt: { where: "system", scenario: "impatientClients" },
    standsFor: "A retry that overtakes the commit is executed again.",
    precedent: { system: "Elasticsearch", reference: "issue 9967, still open" },
  },
  {
    id: "S41",
    title: "operation ids are not looked at",
    edits: [
      {
        file: QUEUE,
        find: "const seq = this.#host.data.findPending(operationId);",
        replace: "const seq = undefined;",
      },
      {
        file: QUEUE,
        find: "const done = this.#host.data.findDone(operationId);",
        replace: "const done = undefined;",
      },
    ],
    expected: [ONCE],
    hunt: { where: "system", scenario: "impatientClients" },
    standsFor: "A retry after a lost answer applies twice.",
    precedent: { system: "Elasticsearch", reference: "issue 9967, still open" },
  },
  {
    id: "S41b",
    title: "the table of operations is not read at a start",
    edits: [{ file: DATA, find: "this.operations.load(this.#record.slot);", replace: "" }],
    expected: [ONCE, QUIET],
    hunt: { where: "system", scenario: "impatientClients" },
    standsFor: "Exactly once, until the next restart.",
  },
  {
    id: "S41c",
    title: "operations are forgotten after a tenth of a second",
    edits: [
      {
        file: "dataplane/src/worker/operation-table.ts",
        find: "OPERATION_WINDOW_MS && this.size",
        replace: "100 && this.size",
      },
    ],
    expected: [ONCE, QUIET],
    hunt: { where: "system", scenario: "impatientClients" },
    standsFor: "A window that is shorter than the time within which clients try again.",
  },
  {
    id: "S60",
    title: 'a copy that stops leading answers "not executed" for what is in its log',
    edits: [
      {
        file: QUEUE,
        find: 'return refused(new Problem("outcomeUnknown", why));',
        replace: 'return refused(new Problem("versionConflict", why));',
      },
    ],
    expected: [ONCE],
    hunt: { where: "system" },
    standsFor: '"Failed" for what may have happened: the client does it again under a new id.',
    precedent: {
      system: "Qdrant",
      reference: "issue 4626: a write answered as failed stays on some replicas",
    },
  },
  {
    id: "B1",
    title: "whoever waits at a number is answered by whatever is committed there",
    edits: [
      {
        file: SERVICE,
        find: 'return this.#writes.abandon(this.appliedSeq, "the copy stopped being the primary");',
        replace: "return undefined;",
      },
      {
        file: SERVICE,
        find: 'return this.#writes.abandon(effect.afterSeq, "another primary replaced the operation");',
        replace: "return undefined;",
      },
    ],
    expected: [STORED, "AtMostOneAckingPrimaryPerTerm"],
    hunt: { where: "system", scenario: "failovers" },
    standsFor: "A deposed primary answers for its successor's entry.",
  },
  {
    id: "B2",
    title: "a read does not wait for what its session has seen",
    edits: [
      {
        file: "dataplane/src/worker/read-calls.ts",
        find: "if (host.appliedSeq < minimumSeq) {",
        replace: "if (false) {",
      },
    ],
    expected: ["ReadYourWrites"],
    hunt: { where: "system" },
    standsFor: "A client does not find what it has just written.",
    precedent: {
      system: "Weaviate",
      reference: "issue 3267: a search answers from the local shard whatever the level",
    },
  },
  {
    id: "B3",
    title: "reads show what is in the log and not committed",
    edits: [
      {
        file: SERVICE,
        find: "return this.data.documents.get(id);",
        replace:
          'const pending = this.data.log.pendingOf(id); if (pending?.body.kind === "index") return { id, term: pending.term, seq: pending.seq, record: pending.body.record }; return this.data.documents.get(id);',
      },
    ],
    expected: [COMMITTED],
    hunt: { where: "system" },
    standsFor: "Dirty reads: what was shown is never acknowledged, and gone after a failover.",
    precedent: { system: "Elasticsearch", reference: "documentation: dirty reads from an isolated primary" },
  },
  {
    id: "B4",
    title: "a copy is placed in a domain that has one already",
    edits: [
      {
        file: MISSING,
        find: "node.accepting && !usedNodes.has(node.id) && !usedDomains.has(node.domain);",
        replace: "node.accepting && !usedNodes.has(node.id);",
      },
      {
        file: MISSING,
        find: "if (!node || usedNodes.has(node.id) || usedDomains.has(node.domain)) continue;",
        replace: "if (!node || usedNodes.has(node.id)) continue;",
      },
    ],
    expected: [DOMAINS],
    hunt: { where: "system", scenario: "crowdedZones" },
    standsFor: "A lost zone takes two copies with it.",
    precedent: { system: "Qdrant", reference: "its open source knows no zones" },
  },
  {
    id: "B5",
    title: "a record that is older than what a node reports is acted upon",
    edits: [
      {
        file: "operator/src/domain/plan-shard.ts",
        find: "if (!newer) return PASS;",
        replace: "if (newer !== null) return PASS;",
      },
    ],
    expected: ["NoActionOnOlderRecord", STORED, CHECKPOINTS, SAME_LOG],
    hunt: { where: "system", scenario: "restoredBackup" },
    standsFor: "A restored backup of the control plane undoes promotions.",
    precedent: { system: "Milvus", reference: "issue 47802: a stale offset takes the cluster down" },
  },
  {
    id: "B6",
    title: "the store tells of a commit before it is on disk",
    edits: [
      {
        file: "dataplane/src/adapters/lmdb/shard-store.ts",
        find: "this.#next.durable.push(callback); this.#schedule();",
        replace: "setImmediate(callback); this.#schedule();",
      },
    ],
    expected: [STORED, CHECKPOINTS, CONFIRMED, SAME_LOG, APPLIED],
    hunt: { where: "system" },
    standsFor: "fsync turned off, or a disk that lies.",
    precedent: {
      system: "hivellm/vectorizer",
      reference: "release notes of 3.5.0: a log that was never fsynced",
    },
  },
  {
    id: "B7",
    title: "each try of a client's write carries an operation id of its own",
    edits: [
      {
        file: "sim/src/world/sim-client.ts",
        find: "const end = await this.#world.attempt(ask, node, timeoutMs);",
        replace:
          'const again = ask.kind === "write" && attempt > 1 ? { ...ask, operationId: `${ask.name}.${attempt}` } : ask; const end = await this.#world.attempt(again, node, timeoutMs);',
      },
    ],
    expected: [ONCE],
    hunt: { where: "system", scenario: "impatientClients" },
    standsFor: "A client whose retries can't be known as such.",
    inSimulation: true,
  },
  {
    id: "B8",
    title: "a write without an operation id is sent again after its answer was lost",
    edits: [{ file: "client/src/retry-policy.ts", find: "return repeatable;", replace: "return true;" }],
    expected: [ONCE],
    hunt: { where: "system", scenario: "impatientClients" },
    standsFor: "A retry policy that takes every request for one that may be repeated.",
  },
  {
    id: "B9",
    title: "a record that is gone passes for one that was never made",
    edits: [
      {
        file: "operator/src/reconcile/collection-reconciler.ts",
        find: "if (collection.status.shardsCreated) {",
        replace: "if (collection.status.shardsCreated && missing.length === 0) {",
      },
    ],
    expected: ["NoNewShardForLostRecord"],
    hunt: { where: "system", scenario: "lostRecords" },
    standsFor: "A shard begins empty under its old name.",
    precedent: {
      system: "Weaviate",
      reference: "issue 8423, open: a node returns and founds an empty cluster",
    },
  },
  {
    id: "B10",
    title: "a forced reset goes on in the old history",
    edits: [
      {
        file: "operator/src/domain/shard-record.ts",
        find: "term: Math.max(record.term, aboveTerm) + 1, historyId, primary: copy.id,",
        replace: "term: Math.max(record.term, aboveTerm) + 1, primary: copy.id,",
      },
    ],
    expected: [SAME_LOG, STORED, CONFIRMED, QUIET, CHECKPOINTS],
    hunt: { where: "system", scenario: "givenUp" },
    standsFor: "Copies and sessions of before the loss are taken for ones of after it.",
  },
  {
    id: "B11",
    title:
      "a copy leads before it has the record on disk, and answers retries before anything of its term is committed",
    edits: [
      {
        file: QUEUE,
        find: "const seq = this.#host.unprovenThrough();",
        replace: "const seq = undefined;",
      },
      {
        file: "dataplane/src/worker/record-keeper.ts",
        find: "if (this.#durable === this.#kept) then(); else this.#store.onDurable(then);",
        replace: "then();",
      },
    ],
    expected: [STORED],
    hunt: { where: "system", scenario: "givenUpBeforeDisk" },
    standsFor: "After a reset onto a copy whose snapshot is not on disk an answer rests on memory alone.",
  },
  {
    id: "B12",
    title: "a lost record is made again although a copy that it named is silent",
    edits: [
      {
        file: "operator/src/domain/plan-record-rebuild.ts",
        find: "if (proof === undefined) return `${what} is not heard of`;",
        replace: "if (proof === undefined) return undefined;",
      },
    ],
    expected: [STORED, CHECKPOINTS, SAME_LOG, QUIET],
    hunt: { where: "system", scenario: "recordLostUnheard" },
    standsFor: "The silent copy is the one that went on alone, and what it acknowledged is nowhere else.",
  },
];
