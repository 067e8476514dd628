/** Listens to everything in a world and holds it against the invariants. */
import type { ApiObject } from "@prism/operator/ports/store";
import { toRecord } from "@prism/operator/reconcile/shard-object";
import { ReadLevelKind, ShardCall } from "@prism/proto/frame-kind";
import {
  GetRequest,
  GetResponse,
  WriteRequest,
  WriteResponse,
  type ReadLevel,
  type WriteItem,
} from "@prism/proto/gen/node";
import type { CopyEffect, CopyEvent, ProtocolNote } from "@prism/dataplane/domain/replication/event";
import type { ShardCopy } from "@prism/dataplane/domain/replication/shard-copy";
import { currentProcess } from "../runtime/builtins.js";
import type { Counts } from "../world/counts.js";
import type { TableWrite } from "../world/memory-database.js";
import type { Answer, NodeProcess } from "../world/node-process.js";
import type { Volume } from "../world/volume.js";
import { countSituations } from "./situations.js";
import { DiskCopies, type LogSnapshot } from "./disk-copies.js";
import { MemoryCopy } from "./memory-copy.js";
import { ShardChecker, type CheckedWorld } from "./shard-checker.js";
import type { ShardHistory } from "./shard-history.js";
import { InvariantViolation } from "./violation.js";

/** A shard call that a worker has not answered yet. */
export type AskedCall =
  | { readonly kind: "write"; readonly shard: ShardChecker; readonly items: readonly WriteItem[] }
  | {
      readonly kind: "read";
      readonly shard: ShardChecker;
      readonly id: string;
      readonly read: ReadLevel | undefined;
      /** Of the copy that was asked. */
      readonly history: ShardHistory;
      readonly floor: number;
    };

export interface WorldCheckerOptions {
  /** True time. */
  readonly nowMs: () => number;
  /** By how much two clocks may come to measure a time differently. */
  readonly ageTolerance: number;
  readonly counts: Counts;
  /** The running node of this real or virtual process. */
  readonly nodeOf: (process: unknown) => NodeProcess | undefined;
  /** The present volume of the node with this id. */
  readonly volumeOf: (nodeId: string) => Volume | undefined;
  readonly domainOf: (nodeId: string) => string;
  readonly onNote: (copy: MemoryCopy, note: ProtocolNote) => void;
  readonly trace: ((line: string) => void) | undefined;
}

export class WorldChecker implements CheckedWorld {
  readonly shards = new Map<string, ShardChecker>();
  readonly #options: WorldCheckerOptions;
  readonly #disks = new Map<Volume, DiskCopies>();
  readonly #byMachine = new WeakMap<ShardCopy, MemoryCopy>();
  readonly #copies = new Map<NodeProcess, Map<string, MemoryCopy>>();
  readonly #lost = new Set<string>();
  readonly #dirty = new Set<ShardChecker>();

  constructor(options: WorldCheckerOptions) {
    this.#options = options;
  }

  // ---------------------------------------------------------------- what the shard checkers ask

  disk(nodeId: string): DiskCopies | undefined {
    const volume = this.#options.volumeOf(nodeId);
    return volume === undefined ? undefined : this.diskOf(volume);
  }

  isLost(allocationId: string): boolean {
    return this.#lost.has(allocationId);
  }

  *copies(shard: string): Generator<MemoryCopy> {
    for (const copies of this.#copies.values()) {
      const copy = copies.get(shard);
      if (copy !== undefined) yield copy;
    }
  }

  domainOf(nodeId: string): string {
    return this.#options.domainOf(nodeId);
  }

  diskOf(volume: Volume): DiskCopies {
    let disk = this.#disks.get(volume);
    if (disk === undefined) this.#disks.set(volume, (disk = new DiskCopies()));
    return disk;
  }

  // ---------------------------------------------------------------- what happens

  /** After every turn: whatever it touched is looked at. */
  afterStep(): void {
    if (this.#dirty.size === 0) return;
    for (const shard of this.#dirty) shard.checkDisks();
    this.#dirty.clear();
  }

  recordStored(object: ApiObject<"PrismShard">): void {
    const record = toRecord(object);
    for (const { uid, isRecordGone, acknowledged } of this.shards.values()) {
      if (uid === record.uid || !isRecordGone) continue;
      const detail = `${object.metadata.name} begins anew as ${record.uid}, ${acknowledged} writes of ${uid} are acknowledged`;
      throw new InvariantViolation("NoNewShardForLostRecord", detail);
    }
    const shard = this.shard(record.uid);
    shard.recordStored(record);
    shard.checkWaits();
    this.#dirty.add(shard);
    this.#options.trace?.(
      `store: ${object.metadata.name} version ${record.version} term ${record.term}: ${record.lastChange.reason}, ` +
        `${record.primary} leads [${record.inSync.join(" ")}] recovering [${record.recovering.join(" ")}]`,
    );
  }

  /** A transaction of the node is handed in to its disk; what comes with it once it is there. */
  handedIn(volume: Volume): ReadonlyMap<string, LogSnapshot> {
    const logs = new Map<string, LogSnapshot>();
    const node = this.#options.nodeOf(currentProcess());
    if (node === undefined || node.volume !== volume) return logs;
    for (const [shard, copy] of this.#copies.get(node) ?? []) logs.set(shard, copy.snapshot());
    return logs;
  }

  committedToDisk(
    volume: Volume,
    writes: readonly TableWrite[],
    logs: ReadonlyMap<string, LogSnapshot>,
  ): void {
    const disk = this.diskOf(volume);
    for (const uid of disk.apply(writes, logs)) {
      const shard = this.shard(uid);
      const record = disk.records.get(uid);
      if (record !== undefined) shard.checkApplied(volume.node, record);
      this.#dirty.add(shard);
    }
  }

  processEnded(node: NodeProcess): void {
    for (const copy of this.#copies.get(node)?.values() ?? []) this.#interrupted(copy);
    this.#copies.delete(node);
  }

  volumeLost(volume: Volume): void {
    for (const { allocationId } of this.diskOf(volume).records.values()) this.#lost.add(allocationId);
    this.#disks.delete(volume);
  }

  /** A shard call reaches a worker; what its answer will be held against. */
  asked(node: NodeProcess, call: number, uid: string, request: Uint8Array): AskedCall | undefined {
    const shard = this.shard(uid);
    if (call === ShardCall.write) {
      const { items } = WriteRequest.decode(request);
      const copy = this.#copies.get(node)?.get(uid);
      for (const { operationId } of items) {
        if (shard.history.has(operationId)) this.#options.counts.count("retryOfCommitted");
        else if (copy?.holdsPending(operationId) === true)
          this.#options.counts.count("retryAttachedToPending");
      }
      return { kind: "write", shard, items };
    }
    if (call !== ShardCall.get) return undefined;
    const { id, read } = GetRequest.decode(request);
    const history = this.#historyAt(node, shard);
    return { kind: "read", shard, id, read, history, floor: this.#floorOf(history, read) };
  }

  #historyAt(node: NodeProcess, shard: ShardChecker): ShardHistory {
    const copy = this.#copies.get(node)?.get(shard.uid);
    return copy === undefined ? shard.present : shard.historyOf(copy);
  }

  /** The least seq that the answer may show, by the level that was asked for. */
  #floorOf(history: ShardHistory, read: ReadLevel | undefined): number {
    switch (read?.kind) {
      case ReadLevelKind.strong:
        return history.strongFloor;
      case ReadLevelKind.bounded: {
        // Both sides measure the age on clocks of their own, which may drift apart.
        const ageMs = read.maxStalenessMs * (1 + this.#options.ageTolerance) + 1;
        return history.ackedBy(this.#options.nowMs() - ageMs);
      }
      default:
        return 0;
    }
  }

  answered(node: NodeProcess, asked: AskedCall, { payload, error }: Answer): void {
    const { counts } = this.#options;
    if (payload === undefined) {
      counts.count(`refused.${asked.kind}.${error?.code ?? ""}`);
      return;
    }
    if (asked.kind === "write") this.#writeAnswered(node, asked, payload);
    else this.#readAnswered(node, asked, payload);
  }

  #writeAnswered(node: NodeProcess, asked: AskedCall & { kind: "write" }, payload: Uint8Array): void {
    const { shard, items } = asked;
    const { counts, trace, nowMs } = this.#options;
    const { outcomes } = WriteResponse.decode(payload);
    const by = this.#copies.get(node)?.get(shard.uid);
    for (const [i, { seq, term, error }] of outcomes.entries()) {
      const { operationId } = items[i]!;
      if (error !== undefined) {
        counts.count(`refused.item.${error.code}`);
        continue;
      }
      if (by === undefined) throw new Error(`${node.name} answers for a copy that never took a step`);
      if (shard.isAcked(operationId)) counts.count("retryAnsweredAgain");
      shard.acked(operationId, seq, term, by, nowMs());
      trace?.(`${node.name}: acknowledges ${operationId} at ${term}.${seq}`);
    }
    this.#dirty.add(shard);
  }

  /** CommittedReads, ReadYourWrites, StrongRead and BoundedRead. */
  #readAnswered(node: NodeProcess, asked: AskedCall & { kind: "read" }, payload: Uint8Array): void {
    const { shard, id, read } = asked;
    const { found, document, appliedSeq } = GetResponse.decode(payload);
    const answering = this.#historyAt(node, shard);
    const history = answering.readable;
    // The copy went over to another history meanwhile: what was promised of the one before says nothing of it.
    const floor = answering === asked.history ? asked.floor : 0;
    if (appliedSeq > history.lastSeq) {
      const detail = `a read shows ${appliedSeq}, committed is ${history.lastSeq}`;
      throw new InvariantViolation("CommittedReads", detail);
    }
    const entry = history.documentAt(id, appliedSeq);
    const expected = entry?.body.kind === "index" ? entry.seq : undefined;
    const shown = found ? document?.seq : undefined;
    if (shown !== expected) {
      const detail = `a read of ${id} as of ${appliedSeq} shows ${shown ?? "nothing"}, committed is ${expected ?? "nothing"}`;
      throw new InvariantViolation("CommittedReads", detail);
    }
    if (read !== undefined && read.minimumSeq > appliedSeq) {
      const detail = `a read that asked for ${read.minimumSeq} shows ${appliedSeq}`;
      throw new InvariantViolation("ReadYourWrites", detail);
    }
    const isStrong = read?.kind === ReadLevelKind.strong;
    if (appliedSeq < floor) {
      const detail = `a read shows ${appliedSeq}, and had to show ${floor}`;
      throw new InvariantViolation(isStrong ? "StrongRead" : "BoundedRead", detail);
    }
    this.#options.counts.count(isStrong ? "readStrong" : floor > 0 ? "readBounded" : "readOther");
    if (isStrong) answering.strongSeq = Math.max(answering.strongSeq, appliedSeq);
  }

  // ---------------------------------------------------------------- the state machines

  stepped(machine: ShardCopy, event: CopyEvent, effects: readonly CopyEffect[]): void {
    const known = this.#byMachine.get(machine);
    // Without effects nothing has changed that an invariant speaks of: only a map says something itself.
    if (known !== undefined && effects.length === 0 && event.kind !== "map") return;
    const copy = known ?? this.#copyOf(machine, event, effects);
    if (copy === undefined) return;
    const shard = this.shard(copy.shard);
    countSituations(this.#options.counts, copy, event, effects);
    for (const effect of effects) {
      if (effect.kind === "persist") copy.persist(effect);
      else if (effect.kind === "commit") copy.checkpoint = Math.max(copy.checkpoint, effect.through);
    }
    shard.committed(copy);
    for (const effect of effects) this.#effect(shard, copy, effect);
    if (event.kind === "map") shard.checkWaits();
    this.#dirty.add(shard);
  }

  #effect(shard: ShardChecker, copy: MemoryCopy, effect: CopyEffect): void {
    const { onNote, trace } = this.#options;
    switch (effect.kind) {
      case "send":
        if (effect.message.body.kind === "replicateOk") {
          shard.confirmed(copy, effect.message, effect.message.body.confirmed);
        }
        return;
      case "note":
        this.#noted(shard, copy, effect.note);
        trace?.(`${copy.node.name}: ${JSON.stringify(effect.note)}`);
        onNote(copy, effect.note);
        return;
      case "stop":
        throw new InvariantViolation(
          effect.reason === "secondPrimaryInTerm"
            ? "AtMostOneAckingPrimaryPerTerm"
            : "SameLogUpToGlobalCheckpoint",
          `${copy.node.name} stopped: ${effect.detail}`,
        );
      default:
        return;
    }
  }

  #noted(shard: ShardChecker, copy: MemoryCopy, note: ProtocolNote): void {
    const { counts } = this.#options;
    counts.count(`note.${note.what}`);
    if (note.what === "activated") {
      copy.activating = true;
      for (const other of this.copies(shard.uid)) {
        if (other !== copy && other.machine.role === "primary") counts.count("oldPrimaryStillActive");
      }
    } else if (note.what === "ready") copy.activating = false;
    else if (note.what === "steppedDown") this.#interrupted(copy);
  }

  #interrupted(copy: MemoryCopy): void {
    if (copy.activating) this.#options.counts.count("activationInterrupted");
    copy.activating = false;
  }

  #copyOf(machine: ShardCopy, event: CopyEvent, effects: readonly CopyEffect[]): MemoryCopy | undefined {
    const node = this.#options.nodeOf(currentProcess());
    if (node === undefined) return undefined;
    const view = machine.view(0);
    const uid = shardOf(event) ?? this.#shardByAllocation(node, view.allocationId);
    if (uid === undefined) {
      if (effects.length > 0) throw new Error(`${node.name}: a copy of an unknown shard took a step`);
      return undefined;
    }
    const copy = new MemoryCopy(node, uid, machine, this.#loaded(node, uid, machine, effects));
    this.#byMachine.set(machine, copy);
    let copies = this.#copies.get(node);
    if (copies === undefined) this.#copies.set(node, (copies = new Map()));
    copies.set(uid, copy);
    return copy;
  }

  /** What the machine began with: nothing, what the one before it had, or what was on disk. */
  #loaded(node: NodeProcess, uid: string, machine: ShardCopy, effects: readonly CopyEffect[]) {
    let appended = 0;
    for (const effect of effects) {
      if (effect.kind === "persist") appended += effect.change.append?.length ?? 0;
    }
    if (machine.view(0).lastSeq === appended) return { baseSeq: 0, entries: [], checkpoint: 0 };
    const before = this.#copies.get(node)?.get(uid);
    if (before !== undefined) {
      const { baseSeq, entries, checkpoint } = before;
      return { baseSeq, entries: [...entries], checkpoint };
    }
    const disk = this.diskOf(node.volume);
    const [record, log] = [disk.records.get(uid), disk.log(uid)];
    if (record === undefined || log === undefined) return { baseSeq: 0, entries: [], checkpoint: 0 };
    const { baseSeq, entries, length } = log;
    const lastSeq = machine.view(0).lastSeq - appended;
    if (lastSeq !== baseSeq + length && !effects.some(isCut)) {
      const detail = `${node.name} loaded a log up to ${lastSeq}, its disk has ${baseSeq + length}`;
      throw new InvariantViolation("SameLogUpToGlobalCheckpoint", detail);
    }
    return { baseSeq, entries: entries.slice(0, length), checkpoint: record.globalCheckpoint };
  }

  #shardByAllocation(node: NodeProcess, allocationId: string): string | undefined {
    for (const [uid, record] of this.diskOf(node.volume).records) {
      if (record.allocationId === allocationId) return uid;
    }
    return undefined;
  }

  shard(uid: string): ShardChecker {
    let shard = this.shards.get(uid);
    if (shard === undefined) this.shards.set(uid, (shard = new ShardChecker(uid, this)));
    return shard;
  }
}

function isCut(effect: CopyEffect): boolean {
  return (
    effect.kind === "persist" && (effect.change.truncateAfter ?? effect.change.installSnapshot) !== undefined
  );
}

function shardOf(event: CopyEvent): string | undefined {
  if (event.kind === "map") return event.map.uid;
  return event.kind === "message" ? event.message.shardUid : undefined;
}
