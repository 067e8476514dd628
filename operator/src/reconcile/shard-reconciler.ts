/** One shard: observe, plan, apply. Safe to be cut off after any action: the next pass decides anew. */
import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import type { Action, Evidence, Verdict } from "../domain/action.js";
import { planShard } from "../domain/plan-shard.js";
import {
  conditionOf,
  nodeOf,
  type ObservedNode,
  type ShardObservation,
  type ShardRequest,
} from "../domain/shard-observation.js";
import {
  changeRecord,
  type HistoryId,
  type NodeId,
  type ShardRecord,
  type ShardUid,
} from "../domain/shard-record.js";
import { StoreError, type ApiObject, type Store } from "../ports/store.js";
import type { ClusterState } from "../control/cluster-state.js";
import type { NodeFleet } from "../control/node-fleet.js";
import type { RecordRebuilder } from "./record-rebuilder.js";
import { shardUidOf, toRecord, withRecord } from "./shard-object.js";
import { steadyNowMs } from "../control/steady-clock.js";

type ChangeAction = Extract<Action, { kind: "changeRecord" }>;

export interface ShardReconcilerOptions {
  readonly store: Store;
  readonly state: ClusterState;
  readonly fleet: NodeFleet;
  readonly log: Logger;
  readonly observeNodes: () => ReadonlyMap<NodeId, ObservedNode>;
  readonly rebuilder: RecordRebuilder;
  /**
   * Resolves when it is on record that the shard goes on in another history: without it, a record of
   * before that its copies prove could take the place of what begins.
   */
  readonly giveUp: (shardUid: ShardUid, historyId: HistoryId) => Promise<void>;
  /** A record was changed; `reconciler` looks at the shard again by itself. */
  readonly onChanged: (shard: string, before: ShardRecord, after: ShardRecord, action: ChangeAction) => void;
  readonly onRefused: (action: Extract<Action, { kind: "refuseRequest" }>, shardUid: string) => void;
  /** What the last pass ended with: what the shard waits for. */
  readonly onVerdict: (shard: string, verdict: Verdict) => void;
}

/** Bounds the passes of one key before others get their turn. */
const MAX_PASSES = 16;
const HAND_OFF_MS = 5000;
/** How often it is looked whether a record that was put back can be made anew. */
const STALE_RECORD_MS = 250;

interface PolicyNote {
  readonly kind: "healthyRemoval" | "promotedInstead";
  readonly atMs: number;
}

export class ShardReconciler {
  readonly #options: ShardReconcilerOptions;
  readonly #requests = new Map<string, ShardRequest[]>();
  readonly #notes = new Map<string, PolicyNote[]>();

  constructor(options: ShardReconcilerOptions) {
    this.#options = options;
  }

  /** A primary repeats what it asks until a map answers; the same request again changes nothing. */
  addRequest(shardUid: string, request: ShardRequest): void {
    const requests = this.#requests.get(shardUid) ?? [];
    const others = requests.filter((other) => other.action !== request.action || other.id !== request.id);
    this.#requests.set(shardUid, [...others, request]);
  }

  forget(shardUid: string): void {
    this.#requests.delete(shardUid);
    this.#notes.delete(shardUid);
  }

  async reconcile(name: string): Promise<{ readonly againInMs: number | undefined }> {
    for (let pass = 0; pass < MAX_PASSES; pass += 1) {
      const object = this.#options.state.shards.get(name);
      const collection = object && this.#options.state.collectionOf(object);
      if (!object || !collection) return { againInMs: undefined };
      const observation = this.#observe(object, collection);
      const verdict = planShard(observation);
      this.#options.onVerdict(name, verdict);
      switch (verdict.kind) {
        case "pass":
          return { againInMs: deadlineMs(observation, undefined) };
        case "refuse":
          await this.#options.rebuilder.rebuild(collection, object.spec.number);
          return { againInMs: deadlineMs(observation, observation.nowMs + STALE_RECORD_MS) };
        case "wait":
          return { againInMs: deadlineMs(observation, verdict.retryAtMs) };
        case "act":
          for (const action of verdict.actions) await this.#apply(action, observation.record.uid);
      }
    }
    return { againInMs: 1 };
  }

  /** What is seen of the shard now; undefined when there is none of the name. */
  observe(name: string): ShardObservation | undefined {
    const object = this.#options.state.shards.get(name);
    const collection = object && this.#options.state.collectionOf(object);
    return object && collection && this.#observe(object, collection);
  }

  /** False when the record changed meanwhile: decide again from what is there then. */
  async change(action: ChangeAction): Promise<boolean> {
    return this.#changeRecord(action);
  }

  #observe(object: ApiObject<"PrismShard">, collection: ApiObject<"PrismCollection">): ShardObservation {
    const { state, fleet, observeNodes } = this.#options;
    const { health } = state.settings;
    const record = toRecord(object);
    const nodes = observeNodes();
    const copies = fleet.copiesOf(record.uid);
    let nonce: string | undefined;
    const notes = this.#recentNotes(record.uid, health.replicaTimeoutMs * 10);
    return {
      name: object.metadata.name,
      record,
      resourceVersion: object.metadata.resourceVersion,
      settings: {
        factor: collection.spec.replication.factor,
        minReplicasForWrite: collection.spec.replication.minReplicasForWrite,
        replicaTimeoutMs: health.replicaTimeoutMs,
        suspectTimeoutMs: health.suspectTimeoutMs,
        rebuildDelayMs: health.rebuildDelaySeconds * 1000,
        handOffMs: HAND_OFF_MS,
        paused: state.paused,
      },
      nodes,
      domains: state.domains(),
      loadOf: (node) => state.index.loadOf(node),
      copies,
      requests: this.#requests.get(record.uid) ?? [],
      recent: {
        healthyRemovals: notes.filter((note) => note.kind === "healthyRemoval").length,
        promotionsInstead: notes.filter((note) => note.kind === "promotedInstead").length,
      },
      // Random numbers cost more than the rest of most passes, which need none.
      get nonce() {
        return (nonce ??= randomBytes(9).toString("base64url"));
      },
      nowMs: steadyNowMs(),
    };
  }

  async #apply(action: Action, shardUid: string): Promise<void> {
    switch (action.kind) {
      case "changeRecord":
        await this.#changeRecord(action);
        return;
      case "refuseRequest":
        this.#answered(shardUid, action.request);
        this.#options.onRefused(action, shardUid);
    }
  }

  async #changeRecord(action: ChangeAction): Promise<boolean> {
    const { store, state, log } = this.#options;
    const object = state.shards.get(action.shard);
    const { uid, resourceVersion } = action.precondition;
    if (object?.metadata.resourceVersion !== resourceVersion || shardUidOf(object) !== uid) return false;
    const before = toRecord(object);
    const result = changeRecord(before, action.change, action.reason, steadyNowMs());
    if (!result.ok) throw new Error(`planned a change that is refused: ${result.refusal}`);
    if (action.change.kind === "beginHistory") await this.#options.giveUp(before.uid, before.historyId);
    try {
      await store.update(withRecord(object, result.record));
    } catch (error) {
      // Somebody else changed it: decide again from what is there now.
      if (!(error instanceof StoreError) || error.failure === "expired") throw error;
      log.info(
        { shard: action.shard, change: action.change.kind, failure: error.failure },
        "record changed meanwhile",
      );
      return false;
    }
    if (action.request) this.#answered(uid, action.request);
    if (action.note) this.#note(uid, { kind: action.note, atMs: steadyNowMs() });
    this.#options.onChanged(action.shard, before, result.record, action);
    return true;
  }

  #answered(shardUid: string, request: ShardRequest): void {
    const left = (this.#requests.get(shardUid) ?? []).filter((other) => other !== request);
    if (left.length > 0) this.#requests.set(shardUid, left);
    else this.#requests.delete(shardUid);
  }

  #note(shardUid: string, note: PolicyNote): void {
    this.#notes.set(shardUid, [...(this.#notes.get(shardUid) ?? []), note]);
  }

  #recentNotes(shardUid: string, withinMs: number): readonly PolicyNote[] {
    const notes = (this.#notes.get(shardUid) ?? []).filter((note) => steadyNowMs() - note.atMs < withinMs);
    if (notes.length === 0) this.#notes.delete(shardUid);
    else this.#notes.set(shardUid, notes);
    return notes;
  }
}

/**
 * When time alone may change the verdict: the retry that the plan names, a leaving primary that does
 * not hand over, a copy that its node has not reported yet.
 */
function deadlineMs(observation: ShardObservation, retryAtMs: number | undefined): number | undefined {
  const { record, nowMs, settings } = observation;
  const deadlines: number[] = retryAtMs === undefined ? [] : [retryAtMs];
  for (const { id } of record.copies) {
    if (conditionOf(observation, id) === "pending") deadlines.push(nowMs + settings.suspectTimeoutMs);
  }
  const drainingSinceMs = nodeOf(observation, record.primary)?.drainingSinceMs;
  if (drainingSinceMs !== undefined) deadlines.push(drainingSinceMs + settings.handOffMs);
  return deadlines.length === 0 ? undefined : Math.max(20, Math.min(...deadlines) - nowMs);
}

/** The one line of a role change, the same words in log and event. */
export function describeChange(before: ShardRecord, after: ShardRecord, action: ChangeAction): Evidence {
  return {
    shard: action.shard,
    change: action.change.kind,
    term: after.term,
    version: after.version,
    from: before.primary,
    to: after.primary,
    inSync: after.inSync,
    recovering: after.recovering,
    ...action.evidence,
  };
}
