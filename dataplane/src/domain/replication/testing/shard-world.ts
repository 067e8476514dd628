/**
 * One shard in a hostile world, for tests: copies with memory and disk, a lossy and reordering
 * network, a compare-and-swap record, operators with stale caches, clients. Every choice comes from
 * one seed. After every action the invariants of the protocol are checked by name.
 */
import type { AllocationId, HistoryId, NodeId, ShardMap, ShardUid } from "../../cluster-map.js";
import type { CopyEffect, CopyEvent, CopyMessage, DurableCopy, PersistChange, WantedRead } from "../event.js";
import type { LogEntry, TermSpan } from "../log-entry.js";
import { emptyCopy, ShardCopy } from "../shard-copy.js";
import { ReadRecorder } from "./read-recorder.js";

const SHARD = "shard" as ShardUid;
const HISTORY = "history" as HistoryId;
const SETTINGS = {
  minReplicasForWrite: 1,
  replicaTimeoutMs: 1000,
  slowReplicaTimeoutMs: 700,
  windowEntries: 8,
  maxPendingEntries: 64,
};

/** Mulberry32: small, seeded, good enough to choose schedules. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Disk {
  readonly copy: DurableCopy;
  /** The whole history this disk holds, from seq 1: index i is seq i + 1. */
  readonly entries: readonly LogEntry[];
}

interface Node {
  readonly name: string;
  disk: Disk | undefined;
  memory: LogEntry[];
  copy: ShardCopy | undefined;
  pending: { ticket: number; change: PersistChange }[];
  aside: Map<string, readonly LogEntry[]>;
  starts: number;
  /** Waiting here. */
  reads: Set<number>;
}

type Packet =
  | { readonly kind: "message"; readonly message: CopyMessage }
  | {
      readonly kind: "snapshot";
      readonly id: string;
      readonly from: AllocationId;
      readonly to: AllocationId;
      readonly term: number;
      readonly historyId: HistoryId;
      readonly entries: readonly LogEntry[];
    }
  | {
      readonly kind: "snapshotDone";
      readonly id: string;
      readonly to: AllocationId;
      readonly from: AllocationId;
    };

export interface WorldCounts {
  events: number;
  acknowledged: number;
  crashes: number;
  promotions: number;
  snapshots: number;
  suffixesReplaced: number;
  joins: number;
  removals: number;
  handOffs: number;
  isolations: number;
  strongReads: number;
  boundedReads: number;
  tooSlow: number;
  resets: number;
}

export class InvariantBroken extends Error {
  readonly invariant: string;
  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.invariant = invariant;
  }
}

export class ShardWorld {
  readonly counts: WorldCounts = {
    events: 0,
    acknowledged: 0,
    crashes: 0,
    promotions: 0,
    snapshots: 0,
    suffixesReplaced: 0,
    joins: 0,
    removals: 0,
    handOffs: 0,
    isolations: 0,
    strongReads: 0,
    boundedReads: 0,
    tooSlow: 0,
    resets: 0,
  };
  readonly #random: () => number;
  readonly #nodes: Node[];
  readonly #history: ShardMap[];
  #packets: Packet[] = [];
  #nowMs = 1000;
  #nextOperation = 1;
  #nextAllocation = 1;
  /** The one committed history, as first seen committed anywhere. */
  #chosen: readonly LogEntry[] = [];
  readonly #waiting = new Map<string, { node: Node; term: number }>();
  readonly #acknowledged = new Map<string, number>();
  readonly #ackers = new Map<number, AllocationId>();
  readonly #reads = new ReadRecorder();
  /** Cut off from the others and from the record; its clients still reach it. */
  #isolated: Node | undefined;

  constructor(seed: number, nodes: number) {
    this.#random = seededRandom(seed);
    this.#nodes = Array.from({ length: nodes }, (_unused, i) => ({
      name: `n${i}`,
      disk: undefined,
      memory: [],
      copy: undefined,
      pending: [],
      aside: new Map(),
      starts: 0,
      reads: new Set(),
    }));
    const ids = this.#nodes.map(() => this.#newAllocation());
    const [primary, ...others] = ids;
    const map: ShardMap = {
      uid: SHARD,
      collectionUid: "c",
      number: 0,
      version: 1,
      term: 1,
      historyId: HISTORY,
      primary: primary!,
      inSync: [primary!],
      recovering: others,
      copies: this.#nodes.map((node, i) => ({ id: ids[i]!, node: node.name as NodeId, zone: node.name })),
      bootstrap: "",
    };
    this.#history = [map];
    for (const [i, node] of this.#nodes.entries()) {
      node.disk = { copy: emptyCopy(SHARD, ids[i]!, HISTORY), entries: [] };
      this.#start(node);
    }
  }

  // ---------------------------------------------------------------- running

  /** One random action. */
  act(): void {
    const node = this.#pick(this.#nodes);
    if (this.#random() < 0.06) this.#read(this.#random() < 0.5 ? (this.#isolated ?? node) : node);
    if (this.#random() < 0.005) this.#changeIsolation(node);
    const dice = this.#random();
    if (dice < 0.42) this.#deliver();
    else if (dice < 0.62) this.#completeDisk(node);
    else if (dice < 0.74) this.#write(node);
    else if (dice < 0.84) this.#giveMap(node);
    else if (dice < 0.93) this.#passTime();
    else if (dice < 0.937) this.#promoteSomebody();
    else if (dice < 0.955) this.#refill();
    else if (dice < 0.962) this.#crash(node);
    else if (dice < 0.974) this.#start(node);
    else if (dice < 0.979) this.#disconnect(node);
    else if (dice < 0.9992) this.#handOff();
    else this.#forceReset();
    this.check();
  }

  /** Heals everything and runs fairly until nothing moves: AllCopiesSameOnQuietDown. */
  quietDown(): void {
    this.#isolated = undefined;
    for (const node of this.#nodes) this.#start(node);
    for (const node of this.#nodes) {
      for (const other of this.#nodes) {
        if (node !== other && node.copy !== undefined) {
          this.#tell(node, { kind: "connected", copy: this.#idOf(other), nowMs: this.#nowMs });
        }
      }
    }
    for (let round = 0; round < 400; round += 1) {
      this.#promoteIfNeeded();
      this.#refill();
      for (const node of this.#nodes) this.#giveNewestMap(node);
      for (let i = 0; i < 200 && this.#packets.length > 0; i += 1) this.#deliverAt(0);
      for (const node of this.#nodes) while (node.pending.length > 0) this.#completeDisk(node);
      this.#nowMs += 100;
      for (const node of this.#nodes)
        this.#tell(node, { kind: "tick", nowMs: this.#nowMs, retainFromSeq: 0 });
      this.check();
      if (this.#isQuiet()) return;
    }
    throw new InvariantBroken("AllCopiesSameOnQuietDown", this.#describe());
  }

  #isQuiet(): boolean {
    const map = this.#stored;
    if (map.recovering.length > 0 || this.#packets.some((packet) => packet.kind === "snapshot")) return false;
    if (map.inSync.length < this.#nodes.length) return false;
    const end = this.#nodes[0]!.memory.length;
    return this.#nodes.every((node) => {
      const view = node.copy?.view(this.#nowMs);
      return (
        view !== undefined &&
        view.lastSeq === end &&
        view.globalCheckpoint === end &&
        node.pending.length === 0
      );
    });
  }

  // ---------------------------------------------------------------- invariants

  check(): void {
    const map = this.#stored;
    if (!map.inSync.includes(map.primary))
      throw new InvariantBroken("InSyncNeverEmpty", "the primary is not in it");
    if (map.inSync.some((id) => map.recovering.includes(id))) {
      throw new InvariantBroken("InSyncNeverEmpty", "a copy is in both sets");
    }
    for (const node of this.#nodes) this.#checkCommitted(node);
    for (const [operation, seq] of this.#acknowledged) {
      for (const id of map.inSync) {
        const held = this.#nodeOf(id)?.disk?.entries[seq - 1];
        if (held?.operationId !== operation) {
          throw new InvariantBroken("AllAckedResponsesStored", `${operation} at ${seq} is missing on ${id}`);
        }
      }
    }
  }

  /** SameLogUpToGlobalCheckpoint and ExactlyOnce. */
  #checkCommitted(node: Node): void {
    if (this.#isOfThePast(node)) return;
    const checkpoint = node.copy?.view(this.#nowMs).globalCheckpoint ?? node.disk?.copy.globalCheckpoint ?? 0;
    const entries = node.copy === undefined ? (node.disk?.entries ?? []) : node.memory;
    for (let i = 0; i < checkpoint; i += 1) {
      const entry = entries[i];
      if (entry === undefined)
        throw new InvariantBroken("SameLogUpToGlobalCheckpoint", `${node.name}: hole at ${i + 1}`);
      const chosen = this.#chosen[i];
      if (chosen === undefined) {
        const twice =
          entry.operationId !== "" && this.#chosen.some((e) => e.operationId === entry.operationId);
        if (twice) throw new InvariantBroken("ExactlyOnce", entry.operationId);
        this.#chosen = [...this.#chosen, entry];
      } else if (chosen.term !== entry.term || chosen.operationId !== entry.operationId) {
        throw new InvariantBroken("SameLogUpToGlobalCheckpoint", `${node.name} differs at ${i + 1}`);
      }
    }
  }

  #acknowledge(operation: string, seq: number, node: Node, term: number): void {
    const id = this.#idOf(node);
    const acker = this.#ackers.get(term);
    if (acker !== undefined && acker !== id) {
      throw new InvariantBroken("AtMostOneAckingPrimaryPerTerm", `${acker} and ${id} in term ${term}`);
    }
    this.#ackers.set(term, id);
    if (this.#isOfThePast(node)) return;
    this.#acknowledged.set(operation, seq);
    this.#reads.note(seq, this.#nowMs);
    this.#waiting.delete(operation);
    this.counts.acknowledged += 1;
  }

  // ---------------------------------------------------------------- the shell around a copy

  #tell(node: Node, event: CopyEvent): void {
    if (node.copy === undefined) return;
    this.counts.events += 1;
    for (const effect of node.copy.step(event)) this.#execute(node, effect);
  }

  #execute(node: Node, effect: CopyEffect): void {
    switch (effect.kind) {
      case "persist":
        if (effect.change.append !== undefined) node.memory.push(...effect.change.append);
        if (effect.change.installSnapshot !== undefined) {
          node.memory = [...node.aside.get(effect.change.installSnapshot.snapshotId)!];
        }
        node.pending.push({ ticket: effect.ticket, change: effect.change });
        return;
      case "truncated":
        node.memory = this.#truncatedMemory(node, effect.afterSeq);
        return;
      case "send":
        this.#packets.push({ kind: "message", message: effect.message });
        return;
      case "sendEntries":
        this.#packets.push({ kind: "message", message: this.#withEntries(node, effect) });
        return;
      case "commit":
        this.#committed(node, effect.through);
        return;
      case "stepDown":
        for (const [operation, waiting] of this.#waiting)
          if (waiting.node === node) this.#waiting.delete(operation);
        return;
      case "startSnapshot":
        this.#sendSnapshot(node, effect.to, effect.snapshotId);
        return;
      case "request":
        if (node === this.#isolated) return;
        this.#request(effect.action, effect.allocationId, effect.term);
        return;
      case "stop":
        throw new InvariantBroken("SameLogUpToGlobalCheckpoint", `${node.name} stopped: ${effect.detail}`);
      case "note":
        if (effect.note.what === "suffixReplaced") this.counts.suffixesReplaced += 1;
        if (effect.note.what === "handOffAsked") this.counts.handOffs += 1;
        if (effect.note.what === "removalAsked" && effect.note.reason === "TooSlow") this.counts.tooSlow += 1;
        return;
      case "readReady":
        this.#answerRead(node, effect.readId, effect.atLeastSeq);
        return;
      case "readRefused":
        this.#endRead(node, effect.readId);
        return;
      case "discardSnapshot":
      case "cancelSnapshot":
        return;
    }
  }

  /** StrongRead and BoundedRead. */
  #answerRead(node: Node, readId: number, seq: number): void {
    if (this.#reads.levelOf(readId) === "strong") this.counts.strongReads += 1;
    else this.counts.boundedReads += 1;
    if (this.#isOfThePast(node)) return this.#endRead(node, readId);
    const broken = this.#reads.answered(readId, seq, this.#nowMs);
    if (broken !== undefined) throw new InvariantBroken(broken, `${node.name} answered from seq ${seq}`);
    return this.#endRead(node, readId);
  }

  #endRead(node: Node, readId: number): void {
    this.#reads.ended(readId);
    node.reads.delete(readId);
  }

  /** The persist effect of the step is first and has appended already: cut what was there before it. */
  #truncatedMemory(node: Node, afterSeq: number): LogEntry[] {
    const appended = node.pending.at(-1)?.change.append ?? [];
    return [...node.memory.slice(0, afterSeq), ...appended];
  }

  #withEntries(node: Node, effect: CopyEffect & { kind: "sendEntries" }): CopyMessage {
    const entries = node.memory.slice(effect.fromSeq - 1, effect.throughSeq);
    if (effect.message.body.kind !== "replicate") throw new Error("only replicate messages carry entries");
    return { ...effect.message, body: { ...effect.message.body, entries } };
  }

  #committed(node: Node, through: number): void {
    const { role, term } = node.copy!.view(this.#nowMs);
    if (role !== "primary") return;
    for (const [operation, waiting] of this.#waiting) {
      if (waiting.node !== node || waiting.term !== term) continue;
      const index = node.memory.findIndex((entry) => entry.operationId === operation);
      if (index >= 0 && index < through) this.#acknowledge(operation, index + 1, node, term);
    }
  }

  #completeDisk(node: Node): void {
    const next = node.pending.shift();
    if (next === undefined || node.disk === undefined) return;
    node.disk = applyChange(node.disk, next.change, node);
    this.#tell(node, { kind: "persisted", ticket: next.ticket, nowMs: this.#nowMs });
  }

  #start(node: Node): void {
    if (node.copy !== undefined || node.disk === undefined) return;
    node.starts += 1;
    node.memory = [...node.disk.entries];
    const seed = { snapshotPrefix: `${node.name}-${node.starts}` };
    node.copy = new ShardCopy(node.disk.copy, SETTINGS, seed);
  }

  #crash(node: Node): void {
    if (node.copy === undefined) return;
    this.counts.crashes += 1;
    node.copy = undefined;
    node.pending = [];
    node.aside.clear();
    this.#dropReads(node);
    for (const [operation, waiting] of this.#waiting)
      if (waiting.node === node) this.#waiting.delete(operation);
  }

  // ---------------------------------------------------------------- network

  #deliver(): void {
    if (this.#packets.length === 0) return;
    this.#deliverAt(Math.floor(this.#random() * Math.min(this.#packets.length, 12)));
  }

  #deliverAt(index: number): void {
    const packet = this.#packets[index]!;
    const dice = this.#random();
    if (dice > 0.05) this.#packets.splice(index, 1);
    if (dice > 0.97 || this.#packets.length > 400 || this.#isCut(packet)) {
      if (packet.kind !== "message") this.#snapshotLost(packet);
      return;
    }
    if (packet.kind === "message") {
      const node = this.#nodeOf(packet.message.to);
      if (node !== undefined)
        this.#tell(node, { kind: "message", message: packet.message, nowMs: this.#nowMs });
    } else if (packet.kind === "snapshot") this.#receiveSnapshot(packet);
    else {
      const node = this.#nodeOf(packet.to);
      const event = { kind: "snapshotSent", to: packet.from, snapshotId: packet.id, ok: true } as const;
      if (node !== undefined) this.#tell(node, { ...event, nowMs: this.#nowMs });
    }
  }

  #isCut(packet: Packet): boolean {
    if (this.#isolated === undefined) return false;
    const { from, to } = packet.kind === "message" ? packet.message : packet;
    const isolated = this.#idOf(this.#isolated);
    return from === isolated || to === isolated;
  }

  #changeIsolation(node: Node): void {
    if (this.#isolated !== undefined) {
      this.#isolated = undefined;
      return;
    }
    // Mostly the primary: the others go on without it, and it may take long to learn of that.
    this.#isolated = this.#random() < 0.7 ? (this.#nodeOf(this.#stored.primary) ?? node) : node;
    this.counts.isolations += 1;
  }

  #sendSnapshot(node: Node, to: AllocationId, id: string): void {
    const { globalCheckpoint, term, historyId } = node.copy!.view(this.#nowMs);
    const entries = node.memory.slice(0, globalCheckpoint);
    this.counts.snapshots += 1;
    this.#packets.push({ kind: "snapshot", id, from: this.#idOf(node), to, term, historyId, entries });
  }

  /** The sender of a transfer notices that it does not go on; a lost message it does not notice. */
  #snapshotLost(packet: Packet & { kind: "snapshot" | "snapshotDone" }): void {
    const [sender, receiver] =
      packet.kind === "snapshot" ? [packet.from, packet.to] : [packet.to, packet.from];
    const node = this.#nodeOf(sender);
    if (node === undefined) return;
    this.#tell(node, {
      kind: "snapshotSent",
      to: receiver,
      snapshotId: packet.id,
      ok: false,
      nowMs: this.#nowMs,
    });
  }

  #receiveSnapshot(packet: Packet & { kind: "snapshot" }): void {
    const node = this.#nodeOf(packet.to);
    const last = packet.entries.at(-1);
    if (node?.copy === undefined || last === undefined) {
      this.#snapshotLost(packet);
      return;
    }
    node.aside.set(packet.id, packet.entries);
    const { from, term, historyId } = packet;
    const arrived = { kind: "snapshotArrived", snapshotId: packet.id, from, term, historyId } as const;
    this.#tell(node, { ...arrived, lastSeq: last.seq, lastTerm: last.term, nowMs: this.#nowMs });
    this.#packets.push({ kind: "snapshotDone", id: packet.id, to: from, from: packet.to });
  }

  #disconnect(node: Node): void {
    const other = this.#pick(this.#nodes);
    if (other === node) return;
    this.#tell(node, { kind: "disconnected", copy: this.#idOf(other), nowMs: this.#nowMs });
    if (this.#random() < 0.7)
      this.#tell(node, { kind: "connected", copy: this.#idOf(other), nowMs: this.#nowMs });
  }

  #passTime(): void {
    this.#nowMs += Math.floor(this.#random() * 500);
    for (const node of this.#nodes) {
      const view = node.copy?.view(this.#nowMs);
      const keep = Math.floor(this.#random() * 12);
      const retainFromSeq = view === undefined ? 0 : view.globalCheckpoint - keep;
      const pinFromSeq = retainFromSeq - Math.floor(this.#random() * 40);
      this.#tell(node, { kind: "tick", nowMs: this.#nowMs, retainFromSeq, pinFromSeq });
    }
  }

  // ---------------------------------------------------------------- clients

  #write(node: Node): void {
    if (node.copy === undefined || node.copy.canWrite() !== undefined) return;
    const count = 1 + Math.floor(this.#random() * 3);
    const entries = Array.from({ length: count }, () => {
      const operationId = `op${this.#nextOperation++}`;
      const body = { kind: "index", id: operationId, record: new Uint8Array() } as const;
      return { operationId, body, result: "created" } as const;
    });
    const { term } = node.copy.view(this.#nowMs);
    for (const entry of entries) this.#waiting.set(entry.operationId, { node, term });
    this.#tell(node, { kind: "write", entries, nowMs: this.#nowMs });
  }

  /** Of any copy, at any level; some are given up before they are answered. */
  #read(node: Node): void {
    if (node.copy === undefined) return;
    const dice = this.#random();
    if (dice < 0.1) {
      const given = this.#pick([...node.reads, 0]);
      this.#endRead(node, given);
      this.#tell(node, { kind: "readGivenUp", readId: given, nowMs: this.#nowMs });
      return;
    }
    const maxStalenessMs = 1 + Math.floor(this.#random() * 800);
    const wanted: WantedRead = dice < 0.7 ? { level: "strong" } : { level: "bounded", maxStalenessMs };
    const readId = this.#reads.arrived(wanted, this.#nowMs);
    node.reads.add(readId);
    this.#tell(node, { kind: "read", readId, wanted, nowMs: this.#nowMs });
  }

  /** Their clients get no answer from this life of the copy. */
  #dropReads(node: Node): void {
    for (const readId of node.reads) this.#reads.ended(readId);
    node.reads.clear();
  }

  #handOff(): void {
    const node = this.#nodeOf(this.#stored.primary);
    const { inSync, primary } = this.#stored;
    const others = inSync.filter((id) => id !== primary);
    const target = this.#random() < 0.8 && others.length > 0 ? this.#pick(others) : undefined;
    if (node !== undefined) this.#tell(node, { kind: "handOff", target, nowMs: this.#nowMs });
  }

  // ---------------------------------------------------------------- the record and its operators

  get #stored(): ShardMap {
    return this.#history.at(-1)!;
  }

  /** A view of the record as old as a stale cache may be; the compare-and-swap is against the newest all the same. */
  #cached(): ShardMap {
    const back = this.#random() < 0.7 ? 0 : Math.floor(this.#random() * 3);
    return this.#history[Math.max(0, this.#history.length - 1 - back)]!;
  }

  #swap(read: ShardMap, change: Partial<ShardMap>): boolean {
    if (read.version !== this.#stored.version) return false;
    this.#history.push({ ...read, ...change, version: read.version + 1 });
    return true;
  }

  #request(action: "addInSync" | "removeCopy" | "promote", id: AllocationId, term: number): void {
    const read = this.#cached();
    if (read.term !== term || this.#random() < 0.2) return;
    if (action === "promote") {
      if (read.inSync.includes(id) && this.#swap(read, { term: term + 1, primary: id }))
        this.counts.promotions += 1;
    } else if (action === "addInSync") {
      if (!read.recovering.includes(id)) return;
      const recovering = read.recovering.filter((other) => other !== id);
      if (this.#swap(read, { inSync: [...read.inSync, id], recovering })) this.counts.joins += 1;
    } else if (id !== read.primary && (read.inSync.includes(id) || read.recovering.includes(id))) {
      const without = (ids: readonly AllocationId[]): AllocationId[] => ids.filter((other) => other !== id);
      const change = { inSync: without(read.inSync), recovering: without(read.recovering) };
      if (this.#swap(read, { ...change, copies: read.copies.filter((copy) => copy.id !== id) })) {
        this.counts.removals += 1;
      }
    }
  }

  #promoteSomebody(): void {
    const read = this.#cached();
    const alive = read.inSync.filter((id) => this.#nodeOf(id)?.copy !== undefined);
    if (alive.length === 0) return;
    if (this.#swap(read, { term: read.term + 1, primary: this.#pick(alive) })) this.counts.promotions += 1;
  }

  #promoteIfNeeded(): void {
    const map = this.#stored;
    const view = this.#nodeOf(map.primary)?.copy?.view(this.#nowMs);
    const serving = view !== undefined && (view.role === "primary" || view.mapVersion < map.version);
    if (!serving && this.#swap(map, { term: map.term + 1 })) this.counts.promotions += 1;
  }

  /** A person makes one copy the first of a new history: what the others have beyond it is given up. */
  #forceReset(): void {
    const read = this.#stored;
    const node = this.#pick(this.#nodes);
    const id = this.#idOf(node);
    if (!read.inSync.includes(id) && !read.recovering.includes(id)) return;
    if (this.#isOfThePast(node)) return;
    this.counts.resets += 1;
    this.#swap(read, {
      term: read.term + 1,
      historyId: `history-${this.counts.resets}` as HistoryId,
      primary: id,
      inSync: [id],
      recovering: [],
      copies: read.copies.filter((place) => place.id === id),
    });
    // Guarantees about the past end here; those of the new history begin with what the copy has on disk of them.
    const { entries, copy } = node.disk!;
    this.#chosen = entries.slice(0, copy.globalCheckpoint);
    for (const [operation, seq] of this.#acknowledged) {
      if (this.#chosen[seq - 1]?.operationId !== operation) this.#acknowledged.delete(operation);
    }
    this.#reads.forgetHistory();
  }

  /** What it has on disk is of a history that was given up: nothing is promised of it any more. */
  #isOfThePast(node: Node): boolean {
    return node.disk?.copy.historyId !== this.#stored.historyId;
  }

  /** Gives a node whose copy is in neither set a fresh allocation id: ids go one way only. */
  #refill(): void {
    const read = this.#cached();
    for (const node of this.#nodes) {
      const id = this.#idOf(node);
      if (
        read.inSync.includes(id) ||
        read.recovering.includes(id) ||
        read.copies.some((c) => c.node === node.name)
      )
        continue;
      const fresh = this.#newAllocation();
      const place = { id: fresh, node: node.name as NodeId, zone: node.name };
      this.#swap(read, { recovering: [...read.recovering, fresh], copies: [...read.copies, place] });
      return;
    }
  }

  #giveMap(node: Node): void {
    if (node === this.#isolated) return;
    const back = Math.floor(this.#random() * 2);
    this.#give(node, this.#history[Math.max(0, this.#history.length - 1 - back)]!);
  }

  #giveNewestMap(node: Node): void {
    this.#give(node, this.#stored);
  }

  /** What the worker does with a map: take up a fresh id (protocol 7.1.2), then hand the map to the copy. */
  #give(node: Node, map: ShardMap): void {
    if (node.copy === undefined || node.disk === undefined) return;
    const place = map.copies.find((copy) => copy.node === node.name);
    const present = this.#idOf(node);
    const newer = map.version > node.copy.view(this.#nowMs).mapVersion;
    if (newer && place !== undefined && place.id !== present && map.recovering.includes(place.id)) {
      while (node.pending.length > 0) this.#completeDisk(node);
      node.disk = { ...node.disk, copy: { ...node.disk.copy, allocationId: place.id, activatedTerm: 0 } };
      node.copy = undefined;
      this.#dropReads(node);
      this.#start(node);
    }
    this.#tell(node, { kind: "map", map, nowMs: this.#nowMs });
  }

  // ---------------------------------------------------------------- small matters

  #newAllocation(): AllocationId {
    return `a${this.#nextAllocation++}` as AllocationId;
  }

  #idOf(node: Node): AllocationId {
    return node.disk?.copy.allocationId ?? ("" as AllocationId);
  }

  #nodeOf(id: AllocationId): Node | undefined {
    return this.#nodes.find((node) => this.#idOf(node) === id);
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)]!;
  }

  #describe(): string {
    const views = this.#nodes.map((node) => JSON.stringify(node.copy?.view(this.#nowMs)));
    return `${JSON.stringify(this.#stored)}\n${views.join("\n")}`;
  }
}

function applyChange(disk: Disk, change: PersistChange, node: Node): Disk {
  let entries = [...disk.entries];
  let copy: DurableCopy = { ...disk.copy };
  if (change.installSnapshot !== undefined) {
    entries = [...node.aside.get(change.installSnapshot.snapshotId)!];
    const { seq, term } = change.installSnapshot;
    copy = { ...copy, baseSeq: seq, baseTerm: term };
  }
  if (change.truncateAfter !== undefined) entries = entries.slice(0, change.truncateAfter);
  if (change.append !== undefined) entries.push(...change.append);
  if (change.trimThrough !== undefined) {
    copy = { ...copy, baseSeq: change.trimThrough.seq, baseTerm: change.trimThrough.term };
  }
  return {
    entries,
    copy: {
      ...copy,
      term: change.term ?? copy.term,
      activatedTerm: change.activatedTerm ?? copy.activatedTerm,
      historyId: change.historyId ?? copy.historyId,
      globalCheckpoint: change.globalCheckpoint ?? copy.globalCheckpoint,
      lastSeq: entries.length,
      termSpans: spansOf(entries, copy.baseSeq),
    },
  };
}

function spansOf(entries: readonly LogEntry[], baseSeq: number): TermSpan[] {
  const spans: TermSpan[] = [];
  for (const entry of entries.slice(baseSeq)) {
    if (spans.at(-1)?.term !== entry.term) spans.push({ fromSeq: entry.seq, term: entry.term });
  }
  return spans;
}
