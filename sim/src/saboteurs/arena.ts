/**
 * One shard in a world that is small, hostile and fast: copies with memory and disk, a network that
 * loses, doubles and reorders, a record changed by compare-and-swap through operators with stale
 * caches, clients that retry. Copies and record are the product's own code; the rest is not, and does
 * in microseconds what the simulation of the whole system does in milliseconds. For faults so rare
 * that the whole system would not meet them in an hour.
 */
import type { AllocationId, HistoryId, NodeId, ShardMap } from "@prism/dataplane/domain/cluster-map";
import type { CopyEffect, CopyEvent, CopyMessage } from "@prism/dataplane/domain/replication/event";
import type { LogEntry } from "@prism/dataplane/domain/replication/log-entry";
import { emptyCopy, ShardCopy } from "@prism/dataplane/domain/replication/shard-copy";
import type { ShardRecord } from "@prism/operator/domain/shard-record";
import { ArenaInvariants, InvariantBroken } from "./arena-invariants.js";
import { arenaNode, HISTORY, idOf, SHARD, withChange, type ArenaNode, type Disk } from "./arena-node.js";
import { ArenaOperators, copyId } from "./arena-operators.js";
import type { ArenaAction, ArenaProfile } from "./arena-profile.js";
import { SeededRandom } from "./seeded-random.js";

const SETTINGS = {
  minReplicasForWrite: 1,
  replicaTimeoutMs: 1000,
  slowReplicaTimeoutMs: 5000,
  windowEntries: 8,
  maxPendingEntries: 64,
};

type Snapshot = {
  readonly id: string;
  readonly from: AllocationId;
  readonly to: AllocationId;
  readonly term: number;
  readonly historyId: HistoryId;
};

type Packet =
  | { readonly kind: "message"; readonly message: CopyMessage }
  | ({ readonly kind: "snapshot"; readonly entries: readonly LogEntry[] } & Snapshot)
  | {
      readonly kind: "snapshotDone";
      readonly id: string;
      readonly from: AllocationId;
      readonly to: AllocationId;
    }
  | { readonly kind: "request"; readonly request: CopyEffect & { kind: "request" } };

/** A copy met what must never happen and stopped: the schedule shows nothing more. */
export class ScheduleAborted extends Error {}

export class Arena {
  readonly #random: SeededRandom;
  readonly #profile: ArenaProfile;
  readonly #actions: readonly (readonly [upTo: number, action: ArenaAction])[];
  readonly #nodes: readonly ArenaNode[];
  readonly #operators: ArenaOperators;
  #invariants = new ArenaInvariants(HISTORY);
  #packets: Packet[] = [];
  #nowMs = 1000;
  #operations = 0;
  #reads = 0;
  /** Writers that wait at a node, by operation. */
  readonly #writers = new Map<ArenaNode, Map<string, number>>();
  readonly #readers = new Map<
    ArenaNode,
    Map<number, { readonly knownSeq: number; readonly atLeastSeq?: number }>
  >();

  constructor(seed: number, profile: ArenaProfile) {
    this.#random = new SeededRandom(seed);
    this.#profile = profile;
    let sum = 0;
    this.#actions = Object.entries(profile.weights).map(
      ([action, weight]) => [(sum += weight), action as ArenaAction] as const,
    );
    this.#nodes = Array.from({ length: profile.nodes }, (_unused, i) => arenaNode(`n${i}`));
    this.#operators = new ArenaOperators(this.#random, profile, this.#nodes);
    const ids = this.#operators.stored.copies.map(({ id }) => copyId(id));
    for (const [i, node] of this.#nodes.entries()) {
      this.#writers.set(node, new Map());
      this.#readers.set(node, new Map());
      const isMember = i < profile.inSync;
      const disk = emptyDisk(ids[i]!, HISTORY, 1);
      node.disk = withHistory(disk, profile.start, isMember);
      this.#start(node);
    }
    this.#operations = 4;
    if (profile.start === "powerLoss") this.#invariants.acknowledged("op1", 2);
    if (profile.start === "lateMismatch") this.#askToBeFilled();
  }

  #askToBeFilled(): void {
    const primary = this.#nodes[0]!;
    this.#giveMap(primary, this.#operators.stored);
    this.#completeDisk(primary);
    for (const node of this.#nodes.slice(this.#profile.inSync)) {
      const [from, to] = [idOf(node), idOf(primary)];
      const body = { kind: "mismatch", globalCheckpoint: 0, lastSeq: 0 } as const;
      const message = { shardUid: SHARD, historyId: HISTORY, from, to, term: 1, body };
      this.#packets.push({ kind: "message", message }, { kind: "message", message });
    }
  }

  /** The whole schedule. @throws {InvariantBroken | ScheduleAborted} */
  run(): void {
    for (let step = 0; step < this.#profile.steps; step += 1) this.#act();
    if (this.#profile.quietDown) this.#quietDown();
  }

  #act(): void {
    const node = this.#random.pick(this.#nodes);
    const dice = this.#random.next() * this.#actions.at(-1)![0];
    const [, action] = this.#actions.find(([upTo]) => dice < upTo)!;
    switch (action) {
      case "deliver":
        if (this.#packets.length > 0) {
          this.#deliver(
            this.#random.below(Math.min(this.#packets.length, this.#profile.reorderWithin)),
            true,
          );
        }
        break;
      case "disk":
        this.#completeDisk(node);
        break;
      case "write":
        this.#write(node);
        break;
      case "map":
        this.#giveMap(node, this.#operators.stale());
        break;
      case "time":
        this.#passTime(this.#random.below(500));
        break;
      case "promote":
        this.#operators.promote(this.#nowMs);
        break;
      case "refill":
        this.#operators.refill(this.#operators.stale(), this.#nowMs);
        break;
      case "remove":
        this.#operators.remove(this.#nowMs);
        break;
      case "crash":
        this.#crash(node);
        break;
      case "start":
        this.#start(node);
        break;
      case "wipe":
        this.#wipe(node);
        break;
      case "disconnect":
        this.#disconnect(node, this.#random.pick(this.#nodes));
        break;
      case "handOff":
        this.#tell(node, {
          kind: "handOff",
          target: copyId(this.#random.pick(this.#operators.stored.inSync)),
        });
        break;
      case "read":
        this.#read(node);
        break;
      case "reset":
        this.#reset(node);
        break;
    }
    this.#invariants.check(this.#nodes, this.#operators.stored);
  }

  /** AllCopiesSameOnQuietDown: healed and run fairly, everything comes to rest with all copies equal. */
  #quietDown(): void {
    for (const node of this.#nodes) this.#start(node);
    for (const node of this.#nodes) {
      for (const other of this.#nodes) {
        if (node !== other) this.#tell(node, { kind: "connected", copy: idOf(other) });
      }
    }
    for (let round = 0; round < 300; round += 1) {
      this.#operators.promoteIfIdle(this.#nowMs);
      this.#operators.removeGone(this.#nowMs);
      this.#operators.refill(this.#operators.stored, this.#nowMs);
      for (const node of this.#nodes) this.#giveMap(node, this.#operators.stored);
      for (let i = 0; i < 200 && this.#packets.length > 0; i += 1) this.#deliver(0, false);
      for (const node of this.#nodes) while (node.pending.length > 0) this.#completeDisk(node);
      this.#passTime(100);
      this.#invariants.check(this.#nodes, this.#operators.stored);
      if (this.#isQuiet()) return;
    }
    throw new InvariantBroken("AllCopiesSameOnQuietDown", this.#describe());
  }

  #isQuiet(): boolean {
    const { recovering, inSync } = this.#operators.stored;
    if (recovering.length > 0 || inSync.length < this.#nodes.length) return false;
    const end = this.#nodes[0]!.memory;
    return this.#nodes.every((node) => {
      const view = node.copy?.view(this.#nowMs);
      const isEqual = node.memory.every(
        (entry, i) => entry.operationId === end[i]?.operationId && entry.term === end[i]?.term,
      );
      return isEqual && view?.lastSeq === end.length && view.globalCheckpoint === end.length;
    });
  }

  // ---------------------------------------------------------------- the node around a copy

  #tell(node: ArenaNode, event: WithoutTime<CopyEvent>): void {
    if (node.copy === undefined) return;
    for (const effect of node.copy.step({ ...event, nowMs: this.#nowMs })) this.#execute(node, effect);
  }

  #execute(node: ArenaNode, effect: CopyEffect): void {
    switch (effect.kind) {
      case "persist":
        return this.#persist(node, effect);
      case "send":
        this.#invariants.confirmation(effect.message, node, this.#nodes);
        this.#packets.push({ kind: "message", message: effect.message });
        return undefined;
      case "sendEntries":
        this.#packets.push({ kind: "message", message: withEntries(node, effect) });
        return undefined;
      case "commit":
        this.#answerWriters(node);
        return this.#answerReaders(node);
      case "stepDown":
        return this.#writers.get(node)!.clear();
      case "startSnapshot":
        return this.#sendSnapshot(node, effect.to, effect.snapshotId);
      case "request":
        this.#packets.push({ kind: "request", request: effect });
        return undefined;
      case "readReady":
        return this.#readReady(node, effect.readId, effect.atLeastSeq);
      case "readRefused":
        this.#readers.get(node)!.delete(effect.readId);
        return undefined;
      case "stop":
        throw new ScheduleAborted(`${node.name} stopped: ${effect.detail}`);
      case "truncated":
      case "discardSnapshot":
      case "cancelSnapshot":
      case "note":
        return undefined;
    }
  }

  #persist(node: ArenaNode, { ticket, change }: CopyEffect & { kind: "persist" }): void {
    const { installSnapshot, truncateAfter, append } = change;
    if (installSnapshot !== undefined) node.memory = [...node.aside.get(installSnapshot.snapshotId)!];
    if (truncateAfter !== undefined) node.memory.length = Math.min(node.memory.length, truncateAfter);
    if (append !== undefined) node.memory.push(...append);
    node.pending.push({ ticket, change });
  }

  #completeDisk(node: ArenaNode): void {
    const next = node.pending.shift();
    if (next === undefined || node.disk === undefined) return;
    node.disk = withChange(node.disk, next.change, node.aside);
    this.#tell(node, { kind: "persisted", ticket: next.ticket });
  }

  #start(node: ArenaNode): void {
    if (node.copy !== undefined || node.disk === undefined) return;
    node.starts += 1;
    node.memory = [...node.disk.entries];
    node.copy = new ShardCopy(node.disk.copy, SETTINGS, { snapshotPrefix: `${node.name}-${node.starts}` });
  }

  #crash(node: ArenaNode): void {
    node.copy = undefined;
    node.pending = [];
    node.aside.clear();
    this.#writers.get(node)!.clear();
    this.#readers.get(node)!.clear();
  }

  /** A volume is lost, of a copy that is in neither set: the loss of a member is the loss of what it held. */
  #wipe(node: ArenaNode): void {
    const isMember = this.#operators.stored.copies.some(({ id }) => copyId(id) === idOf(node));
    if (node.copy !== undefined || isMember || node.disk === undefined) return;
    node.disk = undefined;
    node.name = `${node.name}'`;
  }

  // ---------------------------------------------------------------- network

  #deliver(index: number, isHostile: boolean): void {
    const packet = this.#packets[index]!;
    const { lossRate, doubleRate } = this.#profile;
    const dice = isHostile ? this.#random.next() : 1;
    const isLost = dice < lossRate || this.#packets.length > 300;
    if (isLost || dice > lossRate + doubleRate || !isHostile) this.#packets.splice(index, 1);
    if (isLost) {
      if (packet.kind === "snapshot" || packet.kind === "snapshotDone") this.#snapshotLost(packet);
      return;
    }
    switch (packet.kind) {
      case "message":
        return this.#tellCopy(packet.message.to, { kind: "message", message: packet.message });
      case "snapshot":
        return this.#receiveSnapshot(packet);
      case "snapshotDone":
        return this.#tellCopy(packet.to, {
          kind: "snapshotSent",
          to: packet.from,
          snapshotId: packet.id,
          ok: true,
        });
      case "request":
        return this.#operators.decide(packet.request, this.#nowMs);
    }
  }

  #tellCopy(id: AllocationId, event: WithoutTime<CopyEvent>): void {
    const node = this.#operators.ownerOf(id);
    if (node !== undefined) this.#tell(node, event);
  }

  #sendSnapshot(node: ArenaNode, to: AllocationId, id: string): void {
    const { globalCheckpoint, term, historyId } = node.copy!.view(this.#nowMs);
    const entries = node.memory.slice(0, globalCheckpoint);
    this.#packets.push({ kind: "snapshot", id, from: idOf(node), to, term, historyId, entries });
  }

  /** The sender of a transfer notices that it does not go on. */
  #snapshotLost(packet: Packet & { kind: "snapshot" | "snapshotDone" }): void {
    const isOut = packet.kind === "snapshot";
    const [sender, receiver] = isOut ? [packet.from, packet.to] : [packet.to, packet.from];
    this.#tellCopy(sender, { kind: "snapshotSent", to: receiver, snapshotId: packet.id, ok: false });
  }

  #receiveSnapshot(packet: Packet & { kind: "snapshot" }): void {
    const { id, from, to, term, historyId, entries } = packet;
    const node = this.#operators.ownerOf(to);
    const last = entries.at(-1);
    if (node === undefined || idOf(node) !== to) return this.#snapshotLost(packet);
    if (node.copy === undefined || last === undefined) return this.#snapshotLost(packet);
    node.aside.set(id, entries);
    const arrived = { kind: "snapshotArrived", snapshotId: id, from, term, historyId } as const;
    this.#tell(node, { ...arrived, lastSeq: last.seq, lastTerm: last.term });
    this.#packets.push({ kind: "snapshotDone", id, to: from, from: to });
  }

  #disconnect(node: ArenaNode, other: ArenaNode): void {
    if (other === node) return;
    this.#tell(node, { kind: "disconnected", copy: idOf(other) });
    if (this.#random.chance(0.7)) this.#tell(node, { kind: "connected", copy: idOf(other) });
  }

  #passTime(ms: number): void {
    this.#nowMs += ms;
    for (const node of this.#nodes) {
      const checkpoint = node.copy?.view(this.#nowMs).globalCheckpoint ?? 0;
      const retainFromSeq = checkpoint - this.#random.below(this.#profile.keepEntries) + 1;
      this.#tell(node, { kind: "tick", retainFromSeq });
    }
  }

  // ---------------------------------------------------------------- clients

  /** A new operation, or one that was sent before and not answered: a copy that has it only lets the client wait. */
  #write(node: ArenaNode): void {
    if (node.copy === undefined || node.copy.canWrite() !== undefined) return;
    const isRetry = this.#operations > 0 && this.#random.chance(0.3);
    const operationId = `op${isRetry ? 1 + this.#random.below(this.#operations) : (this.#operations += 1)}`;
    if (this.#invariants.isAcknowledged(operationId)) return;
    this.#writers.get(node)!.set(operationId, node.copy.view(this.#nowMs).term);
    if (node.memory.some((entry) => entry.operationId === operationId)) return this.#answerWriters(node);
    const body = { kind: "index", id: operationId, record: new Uint8Array() } as const;
    this.#tell(node, { kind: "write", entries: [{ operationId, body, result: "created" }] });
  }

  #answerWriters(node: ArenaNode): void {
    const { role, ready, term, globalCheckpoint } = node.copy!.view(this.#nowMs);
    if (role !== "primary" || !ready) return;
    const writers = this.#writers.get(node)!;
    for (const [operationId, inTerm] of writers) {
      if (inTerm !== term) continue;
      const seq = node.memory.findIndex((entry) => entry.operationId === operationId) + 1;
      if (seq === 0 || seq > globalCheckpoint) continue;
      writers.delete(operationId);
      this.#invariants.acknowledge(operationId, seq, node);
    }
  }

  #read(node: ArenaNode): void {
    if (node.copy === undefined) return;
    const readId = (this.#reads += 1);
    this.#readers.get(node)!.set(readId, { knownSeq: this.#invariants.knownSeq });
    this.#tell(node, { kind: "read", readId, wanted: { level: "strong" } });
  }

  #readReady(node: ArenaNode, readId: number, atLeastSeq: number): void {
    const readers = this.#readers.get(node)!;
    const reader = readers.get(readId);
    if (reader === undefined) return;
    readers.set(readId, { ...reader, atLeastSeq });
    this.#answerReaders(node);
  }

  /** The arena's copies apply at once what is committed. */
  #answerReaders(node: ArenaNode): void {
    const { globalCheckpoint } = node.copy!.view(this.#nowMs);
    const readers = this.#readers.get(node)!;
    for (const [readId, { knownSeq, atLeastSeq }] of readers) {
      if (atLeastSeq === undefined || atLeastSeq > globalCheckpoint) continue;
      readers.delete(readId);
      this.#invariants.strongAnswer(globalCheckpoint, knownSeq, node);
    }
  }

  // ---------------------------------------------------------------- maps

  /** A person makes one copy the first of a new history. What was acknowledged before may be gone. */
  #reset(node: ArenaNode): void {
    // What a snapshot has just brought is not the copy's own before it is on disk: nobody resets to it.
    if (node.copy === undefined || node.pending.length > 0) return;
    const historyId = this.#operators.reset(idOf(node));
    if (historyId === undefined) return;
    this.#invariants = new ArenaInvariants(historyId);
    this.#giveMap(node, this.#operators.stored);
  }

  /** What a worker does with a map: it takes up a fresh id (protocol 7.1.2), then hands the map to the copy. */
  #giveMap(node: ArenaNode, record: ShardRecord): void {
    const map = toMap(record);
    if (map.version < (node.disk?.identityVersion ?? 0)) return;
    const place = map.copies.find((copy) => copy.node === (node.name as NodeId));
    const isFresh = place !== undefined && place.id !== idOf(node) && map.recovering.includes(place.id);
    const isNewer = map.version > (node.copy?.view(this.#nowMs).mapVersion ?? 0);
    if (isFresh && isNewer && (node.copy !== undefined || node.disk === undefined)) {
      while (node.pending.length > 0) this.#completeDisk(node);
      const data = node.disk ?? emptyDisk(place.id, map.historyId, map.version);
      this.#crash(node);
      const copy = { ...data.copy, allocationId: place.id, activatedTerm: 0 };
      node.disk = { ...data, copy, identityVersion: map.version };
      this.#start(node);
    }
    this.#tell(node, { kind: "map", map });
  }

  #describe(): string {
    const views = this.#nodes.map((node) => JSON.stringify(node.copy?.view(this.#nowMs)));
    return `${JSON.stringify(this.#operators.stored)} ${views.join(" ")}`;
  }
}

function emptyDisk(id: AllocationId, historyId: HistoryId, identityVersion: number): Disk {
  return { copy: emptyCopy(SHARD, id, historyId), entries: [], identityVersion };
}

function withHistory(disk: Disk, start: ArenaProfile["start"], isMember: boolean): Disk {
  if (start === "empty") return disk;
  const isHolder = isMember || start === "lateMismatch";
  const last = !isHolder ? 1 : start === "powerLoss" ? 2 : 5;
  const append = Array.from({ length: last }, (_unused, i) => oldEntry(i + 1));
  if (start === "powerLoss" || !isMember) {
    return withChange(disk, { term: 1, append, globalCheckpoint: 1 }, new Map());
  }
  const trimmed = { globalCheckpoint: 3, trimThrough: { seq: 3, term: 1 } };
  return withChange(disk, { term: 1, append, ...trimmed }, new Map());
}

function oldEntry(seq: number): LogEntry {
  const common = { seq, term: 1, timeMs: 1 };
  if (seq === 1) return { ...common, operationId: "", body: { kind: "noop" }, result: "unchanged" };
  const operationId = `op${seq - 1}`;
  const body = { kind: "index", id: operationId, record: new Uint8Array() } as const;
  return { ...common, operationId, body, result: "created" };
}

type WithoutTime<E> = E extends { readonly nowMs: number } ? Omit<E, "nowMs"> : never;

function withEntries(node: ArenaNode, effect: CopyEffect & { kind: "sendEntries" }): CopyMessage {
  const { message, fromSeq, throughSeq } = effect;
  if (message.body.kind !== "replicate") throw new Error("only replicate messages carry entries");
  return { ...message, body: { ...message.body, entries: node.memory.slice(fromSeq - 1, throughSeq) } };
}

function toMap(record: ShardRecord): ShardMap {
  const { uid, version, term, historyId, primary, inSync, recovering, copies } = record;
  const plain = { uid, version, term, historyId, primary, inSync, recovering, copies };
  return { ...plain, collectionUid: "c", number: 0, bootstrap: "" } as unknown as ShardMap;
}
