/**
 * One copy of a shard: the IO around the replication state machine (ShardCopy), which decides.
 * Everything the machine asks for is done here, in its order: durable changes go to the store, what is
 * committed goes into documents, operation table and indexes, messages go to the network thread.
 *
 *   event -> ShardCopy.step -> effects -> [store | apply | send | note]
 *                                 `-- durable -> event "persisted" -> ...
 */
import type { ClusterSettings } from "@prism/api/cluster";
import { Problem } from "@prism/api/problem-code";
import {
  type ReplicationMessage,
  type CopyReport,
  type WriteRequest,
  type WriteResponse,
} from "@prism/proto/gen/node";
import type { StoredDocument } from "../adapters/lmdb/entry-codec.js";
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import { fromWireMessage } from "../adapters/wire/replication-message.js";
import type { AllocationId, CollectionMap, NodeId, ShardMap } from "../domain/cluster-map.js";
import { writeContextOf, type WriteContext } from "../domain/evaluate-write.js";
import type {
  CopyEffect,
  CopyView,
  DurableCopy,
  NewEntry,
  TimelessEvent,
  WantedRead,
  WriteRefusal,
} from "../domain/replication/event.js";
import { ShardCopy } from "../domain/replication/shard-copy.js";
import type { ShardIndex } from "../engine/engine-port.js";
import { AppliedWaiters } from "./applied-waiters.js";
import { CopyOutbox } from "./copy-outbox.js";
import { CopyPlaces } from "./copy-places.js";
import { CopyVerifications, type VerificationHost } from "./copy-verifications.js";
import type { CopyData } from "./copy-data.js";
import { CopyIndexes } from "./copy-indexes.js";
import { copyReport, isSameState, vitalState, type FailedCopy, type VitalState } from "./copy-report.js";
import { initialCopySettings, type ChangingCopySettings } from "./copy-settings.js";
import { LevelReads } from "./level-reads.js";
import type { ReadHost } from "./read-calls.js";
import { StepQueue } from "./step-queue.js";
import { SnapshotTransfers, type SnapshotHost } from "./snapshot-transfers.js";
import { snapshotFacts, type ArrivedSnapshot } from "./snapshot-receiver.js";
import type { WorkerContext } from "./worker-context.js";
import { WriteQueue, type WriteHost } from "./write-queue.js";

const APPLY_SLICE_MS = 15;

export class CopyService implements WriteHost, ReadHost, SnapshotHost, VerificationHost {
  readonly #context: WorkerContext;
  readonly data: CopyData;
  readonly #settings: ChangingCopySettings;
  readonly #writes: WriteQueue;
  readonly #waiters = new AppliedWaiters();
  readonly #levelReads: LevelReads;
  readonly #indexes: CopyIndexes;
  readonly #transfers: SnapshotTransfers;
  readonly verifications: CopyVerifications;
  #copy: ShardCopy;
  /** A new identity is on its way to disk: nothing is done under it before. */
  #suspended = false;
  readonly #places: CopyPlaces;
  readonly #outbox: CopyOutbox;
  #collection: CollectionMap | undefined;
  #writeContext: WriteContext | undefined;
  readonly #queue = new StepQueue((error) => this.fail(error));
  #committed: number;
  /** Entries up to here were committed while too few copies were in the stored set. */
  #unmetThrough = 0;
  #failed: FailedCopy | undefined;
  #closed = false;
  #reported: VitalState | undefined;
  #metOlderRecord = false;

  constructor(context: WorkerContext, data: CopyData, durable: DurableCopy, isNew: boolean) {
    this.#context = context;
    this.data = data;
    this.#indexes = new CopyIndexes(context, data);
    this.#settings = initialCopySettings(context.limits);
    this.#places = new CopyPlaces(context);
    this.#outbox = new CopyOutbox(context, data.record.shardUid, this.#places, data.log);
    this.#committed = durable.globalCheckpoint;
    this.#writes = new WriteQueue(this, context.limits);
    this.#transfers = new SnapshotTransfers(data.store, context.snapshots, this);
    this.verifications = new CopyVerifications(this);
    this.#levelReads = new LevelReads({
      ask: (readId, wanted) => this.#step({ kind: "read", readId, wanted }),
      giveUp: (readId) => this.#step({ kind: "readGivenUp", readId }),
      primaryNode: () => this.primaryNode(),
      unanswered: () => this.#copy.readsWaitFor().map((copy) => this.#places.nodeOf(copy) ?? copy),
    });
    this.#copy = this.#machine(durable);
    if (isNew) this.#suspendUntilDurable(durable);
  }

  // ---------------------------------------------------------------- what the copy is

  get shardUid(): string {
    return this.data.record.shardUid;
  }

  get collectionUid(): string {
    return this.data.record.collectionUid;
  }

  get allocationId(): AllocationId {
    return this.data.record.allocationId as AllocationId;
  }

  /** It can't be used, but a new one could be made in its place. */
  get isReplaceable(): boolean {
    return this.#failed !== undefined && !this.store.hasFailed;
  }

  get historyId(): string {
    return this.data.record.historyId;
  }

  get term(): number {
    return this.#copy.term;
  }

  get store(): ShardStore {
    return this.data.store;
  }

  get slot(): number {
    return this.data.record.slot;
  }

  get appliedSeq(): number {
    return this.data.appliedSeq;
  }

  get durableSeq(): number {
    return this.data.durableSeq;
  }

  get index(): ShardIndex {
    return this.#indexes.index!;
  }

  get indexBytes(): number {
    return this.#indexes.index?.memoryBytes ?? 0;
  }

  nowMs(): number {
    return this.#context.nowMs();
  }

  report(): CopyReport {
    return copyReport({
      worker: this.#context.worker,
      record: this.data.record,
      appliedSeq: this.appliedSeq,
      view: this.#view(),
      metOlderRecord: this.#metOlderRecord,
      failed: this.#failed,
      isRecovering: this.#places.map?.inSync.includes(this.allocationId) === false,
      documents: this.#indexes.isReady ? this.index.documents : 0,
      indexBytes: this.indexBytes,
    });
  }

  // ---------------------------------------------------------------- from the worker

  applyMap(map: ShardMap, collection: CollectionMap | undefined, health: ClusterSettings["health"]): void {
    this.#places.setMap(map);
    this.#settings.replicaTimeoutMs = health.replicaTimeoutMs;
    this.#settings.slowReplicaTimeoutMs = health.slowReplicaTimeoutMs;
    if (collection !== undefined) this.#setCollection(collection);
    if (this.#suspended) return;
    this.#step({ kind: "map", map });
    this.#tellConnections();
  }

  /**
   * A record older than the copy's own id says nothing to it: it would take the copy back to an id that
   * is gone. It comes from a map file that was not written in time, or a control plane that was put back.
   */
  takesRecord(map: ShardMap): boolean {
    const isOlder = map.version < this.data.record.identityVersion;
    this.#metOlderRecord ||= isOlder;
    return !isOlder;
  }

  /** The copy has seen no newer record of its shard, and no higher term. */
  isNotPast(map: ShardMap): boolean {
    const { mapVersion, term } = this.#view();
    return map.version >= mapVersion && map.term >= term;
  }

  /** Protocol 7.1.2: the data goes on under a fresh id, which is durable before anything else happens. */
  takeIdentity(allocationId: AllocationId, identityVersion: number): void {
    const replaced = new Problem("noPrimary", "the copy is being replaced");
    this.#writes.close(replaced);
    this.#levelReads.close(replaced);
    this.#transfers.close();
    this.#places.forgetTold();
    this.#guard(() => {
      const durable = this.data.takeIdentity(allocationId, identityVersion);
      this.#copy = this.#machine(durable);
      this.#suspendUntilDurable(durable);
    });
  }

  deliver(message: ReplicationMessage): void {
    if (this.#failed !== undefined || this.#suspended || this.#closed) return;
    this.#guard(() => {
      if (this.#transfers.receive(message, this.nowMs())) return;
      const own = fromWireMessage(message);
      if (own !== undefined) this.#step({ kind: "message", message: own });
    });
  }

  setPeer(node: NodeId): void {
    if (this.#places.hasNode(node)) this.#tellConnections();
  }

  /** Asks the best copy to take over: in sync, reachable, and furthest. False when there is nothing to hand over. */
  handOff(): boolean {
    const view = this.#view();
    const target = this.#places.successorOf(view);
    if (target === undefined) return false;
    if (!view.draining) this.#step({ kind: "handOff", target });
    return true;
  }

  endHandOff(): void {
    if (this.#view().draining) this.#step({ kind: "handOff", target: undefined });
  }

  write(
    request: WriteRequest,
    timeoutMs: number,
    answer: (response: WriteResponse | Problem) => void,
  ): () => void {
    return this.#writes.add(request, timeoutMs, answer);
  }

  pumpWrites(): void {
    this.#writes.pump();
  }

  tick(): void {
    if (this.#failed !== undefined || this.#suspended) return;
    const nowMs = this.nowMs();
    this.#guard(() => this.data.flushIfDue(nowMs));
    this.#step({ kind: "tick", ...this.data.log.retained(nowMs) });
    this.#transfers.tick(nowMs);
    this.#writes.tick(nowMs);
    this.#indexes.tick(
      nowMs,
      () => this.#closed,
      () => this.#guard(() => this.#apply()),
    );
  }

  /** One bounded slice of what can wait; false when there is nothing to do. */
  background(): boolean {
    if (this.#closed || this.#indexes.index === undefined) return false;
    let more = false;
    this.#guard(() => {
      more = this.#indexes.work();
      this.#apply();
      this.#writes.pump();
    });
    return more || (this.#committed > this.appliedSeq && this.#mayApply);
  }

  /** Stops the copy and keeps its data; reported, so that the control plane replaces it. */
  fail(error: unknown): void {
    if (this.#failed !== undefined) return;
    const detail = error instanceof Error ? error.message : String(error);
    this.#failed = { reason: "CopyFailed", detail };
    this.#outbox.event("failed", this.allocationId, { detail }, "error");
    this.#end(new Problem("shardUnavailable", "this copy of the shard has failed"));
    this.#context.reportSoon();
  }

  /** Saves what the indexes hold; the store is closed by its owner. */
  async close(): Promise<void> {
    if (this.#failed === undefined) await this.#indexes.saveForGood();
    this.#end(new Problem("shardUnavailable", "the node is stopping"));
    this.#indexes.close();
  }

  /** Ends the copy and deletes its data. */
  remove(): void {
    this.#outbox.event("removed", this.allocationId, {});
    this.#end(new Problem("shardUnavailable", "the shard was removed from this node"));
    this.data.remove();
    this.#indexes.remove();
  }

  // ---------------------------------------------------------------- for writes

  refusal(): WriteRefusal | undefined {
    if (this.#failed !== undefined || this.#closed) return "stopped";
    const refusal = this.#suspended ? "notPrimary" : this.#copy.canWrite();
    // While indexes are being made nothing is applied, and what is committed lies in memory.
    const isBehind = this.#committed - this.appliedSeq >= this.#settings.maxPendingEntries;
    return refusal ?? (isBehind ? "tooManyPending" : undefined);
  }

  hasBackPressure(): boolean {
    if (!this.#indexes.hasLongTail) return false;
    this.#context.kickBackground();
    return true;
  }

  addRefusal(): "diskFull" | "memoryLimit" | undefined {
    return this.#context.writeRefusal();
  }

  context(): WriteContext | undefined {
    return this.#writeContext;
  }

  execute(entries: readonly NewEntry[]): number {
    const firstSeq = this.data.log.lastSeq + 1;
    this.#step({ kind: "write", entries });
    return firstSeq;
  }

  unprovenThrough(): number | undefined {
    return this.#copy.ready ? undefined : this.data.log.lastSeq;
  }

  primaryNode(): NodeId | undefined {
    return this.#places.primaryNode();
  }

  safety(): { historyId: string; copies: number; zones: number } {
    const { inSync } = this.#view();
    return { historyId: this.historyId, copies: inSync.length, zones: this.#places.zonesOf(inSync) };
  }

  // ---------------------------------------------------------------- for reads

  assertReadable(): void {
    if (this.#failed !== undefined)
      throw new Problem("shardUnavailable", "this copy of the shard has failed");
    // A node that stops is still asked by its peers, and indexes that are closed find nothing.
    if (this.#closed) throw new Problem("shardUnavailable", "the node is stopping");
    if (!this.#isServing()) throw new Problem("shardUnavailable", "this copy of the shard is being filled");
  }

  document(id: string): StoredDocument | undefined {
    return this.data.documents.get(id);
  }

  whenApplied(seq: number, timeoutMs: number): Promise<void> {
    return this.#waiters.wait(seq, timeoutMs);
  }

  confirm(wanted: WantedRead, timeoutMs: number): Promise<number> {
    return this.#levelReads.confirm(wanted, timeoutMs);
  }

  stalenessLimitMs(): number | undefined {
    return this.#context.stalenessLimitMs();
  }

  /** What the store shows once it is durable is all that is applied now. */
  flush(): void {
    if (this.#failed === undefined && !this.#closed) this.#guard(() => this.data.flush());
  }

  // ---------------------------------------------------------------- for verifications

  indexedDocuments(): number {
    return this.#indexes.index?.documents ?? 0;
  }

  resumeApplying(): void {
    if (this.#failed !== undefined || this.#closed) return;
    this.#guard(() => this.#apply());
  }

  // ---------------------------------------------------------------- for snapshots

  sendWire(message: ReplicationMessage): void {
    this.#outbox.sendWire(message);
  }

  snapshotArrived(snapshot: ArrivedSnapshot): void {
    this.#step({ kind: "snapshotArrived", ...snapshotFacts(snapshot) });
  }

  snapshotSent(to: AllocationId, snapshotId: string, ok: boolean): void {
    this.#step({ kind: "snapshotSent", to, snapshotId, ok });
  }

  // ---------------------------------------------------------------- the machine

  #machine(durable: DurableCopy): ShardCopy {
    const snapshotPrefix = `${durable.allocationId}.${this.#context.bootId}`;
    return new ShardCopy(durable, this.#settings, { snapshotPrefix });
  }

  #suspendUntilDurable(durable: DurableCopy): void {
    this.#suspended = true;
    const copy = this.#copy;
    this.store.onDurable(() => {
      if (this.#copy !== copy || this.#closed) return;
      this.#suspended = false;
      const { allocationId: allocation, globalCheckpoint: checkpoint } = durable;
      this.#outbox.event("takenUp", allocation, { checkpoint });
      const { map } = this.#places;
      if (map !== undefined) this.#step({ kind: "map", map });
      this.#tellConnections();
    });
  }

  #step(event: TimelessEvent): void {
    if (this.#failed !== undefined || this.#closed) return;
    const handle = (next: TimelessEvent): void => {
      for (const effect of this.#copy.step({ ...next, nowMs: this.nowMs() })) this.#execute(effect);
    };
    if (!this.#queue.run(event, handle)) return;
    this.#writes.pump();
    this.#reportChange();
  }

  #execute(effect: CopyEffect): void {
    switch (effect.kind) {
      case "persist":
        return this.#persist(effect);
      case "send":
        return this.#outbox.send(effect.message);
      case "sendEntries":
        return this.#outbox.sendEntries(effect);
      case "commit":
        this.#committed = Math.max(this.#committed, effect.through);
        if (!effect.floorMet) this.#unmetThrough = Math.max(this.#unmetThrough, effect.through);
        return this.#apply();
      case "stepDown":
        return this.#writes.abandon(this.appliedSeq, "the copy stopped being the primary");
      case "truncated":
        return this.#writes.abandon(effect.afterSeq, "another primary replaced the operation");
      case "readReady":
        return this.#levelReads.ready(effect.readId, effect.atLeastSeq);
      case "readRefused":
        return this.#levelReads.refused(effect.readId, effect.reason);
      case "startSnapshot":
        return this.#transfers.start(effect.to, effect.snapshotId, this.nowMs());
      case "cancelSnapshot":
        return this.#transfers.cancel(effect.to);
      case "discardSnapshot":
        return this.#transfers.discard(effect.snapshotId);
      case "request":
        return this.#outbox.request(effect);
      case "stop":
        return this.fail(new Error(`${effect.reason}: ${effect.detail}`));
      case "note":
        return this.#outbox.note(effect, this.allocationId);
    }
  }

  #persist({ ticket, change, vital }: Extract<CopyEffect, { kind: "persist" }>): void {
    const installs = change.installSnapshot;
    const snapshot = installs === undefined ? undefined : this.#transfers.claim(installs.snapshotId);
    this.data.persist(change, snapshot, vital);
    if (installs !== undefined) {
      this.#committed = installs.seq;
      this.#indexes.reset();
    } else if (change.historyId !== undefined) this.#indexes.historyStarted(change.historyId);
    const copy = this.#copy;
    const whenDurable = (): void => {
      if (this.#copy !== copy) return;
      if (snapshot !== undefined) this.#transfers.installed(snapshot);
      this.#step({ kind: "persisted", ticket });
    };
    if (vital) this.store.onDurable(whenDurable);
    else this.store.onDurableLater(whenDurable);
  }

  get #mayApply(): boolean {
    return this.#indexes.isReady && !this.#indexes.isSaving && !this.verifications.isPinning;
  }

  /** Committed entries into documents and indexes, a bounded slice at a time, and answers to their writers. */
  #apply(): void {
    if (!this.#mayApply || this.appliedSeq >= this.#committed) return;
    const end = performance.now() + APPLY_SLICE_MS;
    const nowMs = this.nowMs();
    while (this.appliedSeq < this.#committed && performance.now() < end) {
      const { entry, change } = this.data.applyNext();
      this.#indexes.apply(change, nowMs);
      this.#writes.applied(entry, entry.seq > this.#unmetThrough);
      if (this.verifications.pins(entry)) break;
    }
    this.data.applied(nowMs);
    this.#waiters.applied(this.appliedSeq);
    this.#context.kickBackground();
  }

  #setCollection(collection: CollectionMap): void {
    if (this.#collection?.generation === collection.generation && this.#collection.uid === collection.uid)
      return;
    this.#collection = collection;
    const { spec } = collection;
    this.#settings.minReplicasForWrite = spec.replication.minReplicasForWrite;
    this.#writeContext = writeContextOf(spec, this.#context.limits);
    this.#guard(() => this.#indexes.setFields(spec.fields, this.nowMs()));
  }

  // ---------------------------------------------------------------- odds and ends

  #view(): CopyView {
    return this.#copy.view(this.nowMs());
  }

  /** In the in-sync set of the newest map, of the map's history, and with its indexes loaded. */
  #isServing(): boolean {
    const { map } = this.#places;
    return (
      !this.#suspended &&
      map?.inSync.includes(this.allocationId) === true &&
      map.historyId === this.historyId &&
      this.#indexes.isReady
    );
  }

  #tellConnections(): void {
    if (this.#suspended) return;
    for (const change of this.#places.connectionChanges(this.allocationId)) this.#step(change);
  }

  #reportChange(): void {
    const state = vitalState(this.#copy, this.#isServing());
    if (isSameState(state, this.#reported)) return;
    this.#reported = state;
    this.#context.reportSoon();
  }

  /** Runs what may meet damaged data; then the copy stops, since it can't vouch for what it holds. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
  }

  #end(problem: Problem): void {
    this.#closed = true;
    this.#writes.close(problem);
    this.#waiters.close(problem);
    this.#levelReads.close(problem);
    this.#transfers.close();
    this.verifications.close();
  }
}
