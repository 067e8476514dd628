/** Listens to everything in a world and holds it against the invariants. */
import type { ApiObject } from "@prism/operator/ports/store";
import { toRecord } from "@prism/operator/reconcile/shard-object";
import { ShardCall } from "@prism/proto/frame-kind";
import { GetRequest, GetResponse, WriteRequest, WriteResponse } from "@prism/proto/gen/node";
import type { CopyEffect, CopyEvent, ProtocolNote } from "@prism/dataplane/domain/replication/event";
import type { ShardCopy } from "@prism/dataplane/domain/replication/shard-copy";
import { currentProcess } from "../runtime/builtins.js";
import type { Counts } from "../world/counts.js";
import type { TableWrite } from "../world/memory-database.js";
import type { Answer, NodeProcess } from "../world/node-process.js";
import type { Volume } from "../world/volume.js";
import { DiskCopies, type LogSnapshot } from "./disk-copies.js";
import { MemoryCopy } from "./memory-copy.js";
import { ShardChecker, type CheckedWorld } from "./shard-checker.js";
import { InvariantViolation } from "./violation.js";

export interface WorldCheckerOptions {
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
    this.#copies.delete(node);
  }

  volumeLost(volume: Volume): void {
    for (const { allocationId } of this.diskOf(volume).records.values()) this.#lost.add(allocationId);
    this.#disks.delete(volume);
  }

  answered(node: NodeProcess, call: number, uid: string, request: Uint8Array, answer: Answer): void {
    if (answer.payload === undefined) return;
    const shard = this.shard(uid);
    if (call === ShardCall.write) this.#writeAnswered(node, shard, request, answer.payload);
    else if (call === ShardCall.get) this.#readAnswered(shard, request, answer.payload);
  }

  #writeAnswered(node: NodeProcess, shard: ShardChecker, request: Uint8Array, payload: Uint8Array): void {
    const { items } = WriteRequest.decode(request);
    const { outcomes } = WriteResponse.decode(payload);
    const by = this.#copies.get(node)?.get(shard.uid);
    for (const [i, { seq, term, error }] of outcomes.entries()) {
      if (error !== undefined) {
        if (error.code === "outcomeUnknown") this.#options.counts.count("outcomeUnknownByCopy");
        continue;
      }
      if (by === undefined) throw new Error(`${node.name} answers for a copy that never took a step`);
      shard.acked(items[i]!.operationId, seq, term, by);
      this.#options.trace?.(`${node.name}: acknowledges ${items[i]!.operationId} at ${term}.${seq}`);
    }
    this.#dirty.add(shard);
  }

  /** CommittedReads and ReadYourWrites. */
  #readAnswered(shard: ShardChecker, request: Uint8Array, payload: Uint8Array): void {
    const { id, read } = GetRequest.decode(request);
    const { found, document, appliedSeq } = GetResponse.decode(payload);
    const { history } = shard;
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
  }

  // ---------------------------------------------------------------- the state machines

  stepped(machine: ShardCopy, event: CopyEvent, effects: readonly CopyEffect[]): void {
    const copy = this.#copyOf(machine, event, effects);
    if (copy === undefined) return;
    const shard = this.shard(copy.shard);
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
    const { counts, onNote, trace } = this.#options;
    switch (effect.kind) {
      case "send":
        if (effect.message.body.kind === "replicateOk") {
          shard.confirmed(copy, effect.message, effect.message.body.confirmed);
        }
        return;
      case "note":
        counts.count(`note.${effect.note.what}`);
        trace?.(`${copy.node.name}: ${JSON.stringify(effect.note)}`);
        onNote(copy, effect.note);
        return;
      case "commit":
        if (!effect.floorMet) counts.count("floorUnmetAfterExecution");
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

  #copyOf(machine: ShardCopy, event: CopyEvent, effects: readonly CopyEffect[]): MemoryCopy | undefined {
    const known = this.#byMachine.get(machine);
    if (known !== undefined) return known;
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
