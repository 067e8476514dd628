/**
 * A small world around one shard: nodes that come and go, copies that follow maps as the protocol
 * says, primaries that ask, late and doubled requests. Decisions are the real ones; every change of
 * the record is checked by rules of its own.
 */
import { planShard } from "../plan-shard.js";
import type { Verdict } from "../action.js";
import type {
  ObservedCopy,
  ObservedNode,
  ShardObservation,
  ShardRequest,
  ShardSettings,
} from "../shard-observation.js";
import {
  changeRecord,
  newShardRecord,
  type AllocationId,
  type HistoryId,
  type NodeId,
  type RecordChange,
  type ShardRecord,
  type ShardUid,
} from "../shard-record.js";
import type { HealthState } from "../failure-detector.js";

interface WorldCopy {
  id: AllocationId;
  role: ObservedCopy["role"];
  term: number;
  activatedTerm: number;
  mapVersion: number;
  lastSeq: number;
}

interface WorldNode {
  readonly id: NodeId;
  readonly zone: string;
  state: HealthState;
  sinceMs: number;
  exited: boolean;
  copy: WorldCopy | undefined;
  failing: boolean;
  diskFull: boolean;
  drainingSinceMs: number | undefined;
}

export const SETTINGS: ShardSettings = {
  factor: 3,
  minReplicasForWrite: 2,
  replicaTimeoutMs: 1000,
  suspectTimeoutMs: 5000,
  rebuildDelayMs: 300_000,
  handOffMs: 5000,
  paused: false,
};

export class ShardWorld {
  readonly settings: ShardSettings;
  readonly nodes: WorldNode[];
  readonly verdicts: Verdict[] = [];
  readonly #everInSync = new Set<AllocationId>();
  readonly #everSeen = new Set<AllocationId>();
  readonly #left = new Set<AllocationId>();
  record: ShardRecord;
  requests: ShardRequest[] = [];
  nowMs = 1_000_000;
  #nonce = 0;
  changes = 0;
  promotions = 0;

  constructor(zones: readonly string[], settings: Partial<ShardSettings> = {}) {
    this.settings = { ...SETTINGS, ...settings };
    this.nodes = zones.map((zone, i) => ({
      id: `n${i}` as NodeId,
      zone,
      state: "alive" as const,
      sinceMs: this.nowMs,
      exited: false,
      copy: undefined,
      failing: false,
      diskFull: false,
      drainingSinceMs: undefined,
    }));
    const places = this.nodes.slice(0, Math.min(this.settings.factor, zones.length));
    this.record = newShardRecord({
      uid: "shard" as ShardUid,
      historyId: "history" as HistoryId,
      bootstrap: "nonce",
      copies: places.map((node, i) => ({ id: `first-${i}` as AllocationId, node: node.id, zone: node.zone })),
      nowMs: this.nowMs,
    });
    this.#everInSync.add(this.record.primary);
    for (const copy of this.record.copies) this.#everSeen.add(copy.id);
  }

  node(at: number): WorldNode {
    return this.nodes[at % this.nodes.length] as WorldNode;
  }

  nodeOfPrimary(): WorldNode {
    const place = this.record.copies.find((copy) => copy.id === this.record.primary);
    return this.nodes.find((node) => node.id === place?.node) as WorldNode;
  }

  setState(node: WorldNode, state: HealthState, exited = false): void {
    node.state = state;
    node.sinceMs = this.nowMs;
    node.exited = exited;
    if (state === "alive") node.drainingSinceMs = undefined;
  }

  /** The process comes back with what was on its disk: as a replica, whatever it was. */
  restart(node: WorldNode): void {
    this.setState(node, "alive");
    if (node.copy && node.copy.role !== "recovering") node.copy.role = "replica";
  }

  wipe(node: WorldNode): void {
    node.copy = undefined;
  }

  /** Protocol 6.2: the node applies the record as it is now. */
  deliver(node: WorldNode): void {
    const { record } = this;
    const place = record.copies.find((copy) => copy.node === node.id);
    const copy = node.copy;
    if (copy && copy.mapVersion >= record.version) return;
    const isMember = place !== undefined && copy?.id === place.id;
    if (!isMember) {
      const mayBeEmpty =
        place !== undefined && (record.recovering.includes(place.id) || record.bootstrap !== "");
      if (!place || !mayBeEmpty) {
        if (copy) copy.mapVersion = record.version;
        return;
      }
      const lastSeq = copy?.lastSeq ?? 0;
      node.copy = {
        id: place.id,
        role: "recovering",
        term: record.term,
        activatedTerm: 0,
        mapVersion: record.version,
        lastSeq,
      };
    }
    const held = node.copy as WorldCopy;
    held.mapVersion = record.version;
    if (record.primary === held.id && record.term > held.activatedTerm) {
      held.role = "primary";
      held.activatedTerm = record.term;
    } else if (record.term > held.term) held.role = "replica";
    if (held.role !== "primary") held.role = record.inSync.includes(held.id) ? "replica" : "recovering";
    held.term = Math.max(held.term, record.term);
  }

  ask(action: ShardRequest["action"], id: AllocationId, term = this.record.term): void {
    const reason = action === "addInSync" ? "CaughtUp" : action === "promote" ? "HandOff" : "ReplicaTimeout";
    this.requests.push({ action, id, term, reason, from: this.nodeOfPrimary().id });
  }

  observe(): ShardObservation {
    this.#nonce += 1;
    const nodes = this.nodes.map((node): ObservedNode => ({
      id: node.id,
      name: node.id,
      zone: node.zone,
      domain: node.zone,
      state: node.state,
      sinceMs: node.sinceMs,
      reason: undefined,
      exited: node.exited,
      drainingSinceMs: node.drainingSinceMs,
      accepting: node.state === "alive" && node.drainingSinceMs === undefined,
      upToDate: node.state === "alive",
      diskFull: node.diskFull,
      weight: 1,
    }));
    return {
      name: "c.s.0",
      record: this.record,
      resourceVersion: String(this.record.version),
      settings: this.settings,
      nodes: new Map(nodes.map((node) => [node.id, node])),
      domains: new Set(this.nodes.map((node) => node.zone)).size,
      loadOf: () => ({ copies: 0, primaries: 0 }),
      copies: this.nodes
        .filter((node) => node.state === "alive" && node.copy)
        .map((node) => toObserved(node, node.copy as WorldCopy)),
      requests: this.requests,
      recent: { healthyRemovals: 0, promotionsInstead: 0 },
      nonce: `x${this.#nonce}`,
      nowMs: this.nowMs,
    };
  }

  /** One pass; false when there was nothing to do. */
  reconcile(): boolean {
    const verdict = planShard(this.observe());
    this.verdicts.push(verdict);
    if (verdict.kind !== "act") return false;
    for (const action of verdict.actions) {
      this.requests = this.requests.filter((request) => request !== action.request);
      if (action.kind === "refuseRequest") continue;
      if (action.precondition.version !== this.record.version) throw new Error("planned from another record");
      const result = changeRecord(this.record, action.change, action.reason, this.nowMs);
      if (!result.ok) throw new Error(`refused what was planned: ${result.refusal}`);
      this.#check(this.record, result.record, action.change.kind);
      this.record = result.record;
      this.changes += 1;
    }
    return true;
  }

  settle(): void {
    for (let pass = 0; this.reconcile(); pass += 1) {
      if (pass > 500) throw new Error("the plan does not come to an end");
    }
  }

  #check(before: ShardRecord, after: ShardRecord, kind: RecordChange["kind"]): void {
    const isPromotion = kind === "promote";
    const begins = kind === "beginHistory";
    const must = (holds: boolean, invariant: string): void => {
      if (!holds) throw new Error(`${invariant}: ${JSON.stringify({ before, after })}`);
    };
    must(after.inSync.includes(after.primary), "InSyncNeverEmpty");
    must(!after.inSync.some((id) => after.recovering.includes(id)), "SetsDisjoint");
    must(after.version === before.version + 1, "VersionPlusOne");
    must(after.term === before.term + (isPromotion || begins ? 1 : 0), "TermPlusOnePerPromotion");
    must(isPromotion || begins || after.primary === before.primary, "PrimaryChangesByPromotionOnly");
    if (begins) must(before.inSync.length === 1 && before.version === 1, "NothingAcknowledgedIsGivenUp");
    must(begins === (after.historyId !== before.historyId), "AnotherHistoryOnlyWhereOneBegins");
    if (isPromotion) must(before.inSync.includes(after.primary), "PromotesInSyncOnly");
    for (const id of after.inSync) {
      must(before.inSync.includes(id) || before.recovering.includes(id), "InSyncComesFromRecovering");
    }
    const members = [...after.inSync, ...after.recovering];
    const placed = after.copies.map((copy) => copy.id);
    must(
      members.length === placed.length && members.every((id) => placed.includes(id)),
      "EveryCopyHasAPlace",
    );
    for (const id of members) {
      must(!this.#left.has(id), "IdsNeverReused");
      const known = before.inSync.includes(id) || before.recovering.includes(id);
      must(known || !this.#everSeen.has(id), "IdsNeverReused");
      this.#everSeen.add(id);
    }
    for (const { id } of before.copies) if (!placed.includes(id)) this.#left.add(id);
    const zones = after.copies.map((copy) => copy.zone);
    must(new Set(zones).size === zones.length, "NoTwoCopiesInOneDomain");
    if (isPromotion) this.promotions += 1;
  }
}

function toObserved(node: WorldNode, copy: WorldCopy): ObservedCopy {
  return {
    node: node.id,
    id: copy.id,
    role: node.failing ? "failed" : copy.role,
    term: copy.term,
    mapVersion: copy.mapVersion,
    knownVersion: copy.mapVersion,
    lastSeq: copy.lastSeq,
    failure: node.failing ? "CopyFailed" : undefined,
  };
}
