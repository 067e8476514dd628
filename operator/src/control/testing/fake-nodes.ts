/**
 * Node processes without processes: they follow maps, report and ask as the protocol says, and hold
 * no documents. Workloads and NodeDialer at once, so that the control plane runs against them as it
 * does against real ones.
 */
import { randomUUID } from "node:crypto";
import { decodeFrame } from "@prism/proto/deflated-frame";
import {
  ControlFrame,
  type ClusterMap,
  type CollectionAnswer,
  type CollectionRequest,
  type CopyReport,
  type KeptRecord,
  type MapDelta,
  type MapShard,
} from "@prism/proto/gen/node";
import type { NodeDialer, NodeStream, NodeStreamHandlers } from "../../ports/node-dialer.js";
import type { NodeWorkload, WorkloadEvent, WorkloadStatus, Workloads } from "../../ports/workloads.js";

interface FakeCopy {
  id: string;
  role: "primary" | "replica" | "recovering";
  term: number;
  activatedTerm: number;
  mapVersion: number;
  /** The newest that it was given. */
  record: MapShard;
}

interface Volume {
  readonly nodeId: string;
  clusterId: string;
  readonly copies: Map<string, FakeCopy>;
}

interface Connection {
  readonly handlers: NodeStreamHandlers;
  open: boolean;
}

const TURN_MS = 5;

export class FakeNode {
  readonly name: string;
  readonly #nodes: FakeNodes;
  volume: Volume = newVolume();
  bootId = "";
  running = false;
  draining = false;
  /** Stands still: takes nothing in and answers nothing, as a stopped process. */
  frozen = false;
  map: ClusterMap | undefined;
  leaderEpochs: number[] = [];
  readonly #connections = new Set<Connection>();
  readonly #answers = new Map<number, (answer: CollectionAnswer) => void>();
  #nextId = 1;
  #turn: NodeJS.Timeout | undefined;

  constructor(name: string, nodes: FakeNodes) {
    this.name = name;
    this.#nodes = nodes;
  }

  start(): void {
    this.running = true;
    this.bootId = randomUUID();
    for (const copy of this.volume.copies.values()) if (copy.role === "primary") copy.role = "replica";
    this.#turn = setInterval(() => this.#work(), TURN_MS);
    this.#nodes.emit({ kind: "listening", name: this.name, peerAddress: this.name });
  }

  /** The process ends, as by SIGKILL. */
  kill(): void {
    this.running = false;
    this.draining = false;
    this.map = undefined;
    clearInterval(this.#turn);
    this.breakConnections();
    const how = { code: null, signal: "SIGKILL", detail: "", expected: false };
    this.#nodes.emit({ kind: "exited", name: this.name, ...how });
  }

  wipe(): void {
    this.volume = newVolume();
  }

  breakConnections(): void {
    for (const connection of this.#connections) {
      connection.open = false;
      setImmediate(() => connection.handlers.onClosed("broken"));
    }
    this.#connections.clear();
  }

  accept(handlers: NodeStreamHandlers): NodeStream {
    const connection: Connection = { handlers, open: this.running };
    if (this.running) this.#connections.add(connection);
    else setImmediate(() => handlers.onClosed("nobody listens"));
    return {
      send: (bytes) => {
        const frame = decodeFrame(bytes.slice());
        setImmediate(() => {
          if (connection.open && !this.frozen) this.#onFrame(frame);
        });
      },
      close: () => {
        connection.open = false;
        this.#connections.delete(connection);
      },
    };
  }

  requestCollection(request: CollectionRequest): Promise<CollectionAnswer> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.#send({ id, collectionRequest: request });
    });
  }

  copies(): CopyReport[] {
    return [...this.volume.copies].map(([shardUid, copy]) => ({
      shardUid,
      allocationId: copy.id,
      historyId: copy.record.historyId,
      term: copy.term,
      mapVersion: copy.mapVersion,
      role: copy.role,
      lastSeq: copy.term,
      globalCheckpoint: copy.term,
      appliedSeq: copy.term,
      worker: 0,
      documents: 0,
      indexBytes: 0,
      reason: "",
      lag: [],
      kept: this.#kept(shardUid, copy),
    }));
  }

  /** While the map has no such record, or an older one. */
  #kept(shardUid: string, { record }: FakeCopy): KeptRecord | undefined {
    if (this.map === undefined) return undefined;
    const { leaderEpoch, revision: mapRevision, shards } = this.map;
    const isKnown = shards.some(({ uid, version }) => uid === shardUid && version >= record.version);
    return isKnown ? undefined : { shard: record, leaderEpoch, mapRevision };
  }

  #send(frame: Partial<ControlFrame>): void {
    for (const connection of this.#connections) {
      const decoded = ControlFrame.decode(ControlFrame.encode({ id: 0, ...frame }));
      setImmediate(() => {
        if (connection.open) connection.handlers.onFrame(decoded);
      });
    }
  }

  #onFrame(frame: ControlFrame): void {
    if (frame.hello) {
      this.leaderEpochs.push(frame.hello.leaderEpoch);
      if (this.volume.clusterId === "") this.volume.clusterId = frame.hello.clusterId;
      this.#send({ nodeHello: this.#hello() });
    }
    if (frame.heartbeat) this.report();
    const { map = frame.mapDelta && withDelta(this.map, frame.mapDelta) } = frame;
    if (map) this.#applyMap(map);
    if (frame.map ?? frame.mapDelta) {
      this.#send({ mapApplied: { revision: this.map?.revision ?? 0, needsWhole: map === undefined } });
      this.report();
    }
    if (frame.collectionAnswer) this.#answers.get(frame.id)?.(frame.collectionAnswer);
  }

  #applyMap(map: ClusterMap): void {
    this.map = map;
    for (const shard of map.shards) this.#applyShard(shard);
    const uids = new Set(map.shards.map((shard) => shard.uid));
    for (const [uid, { record }] of this.volume.copies) {
      const isDeleted = map.deletedCollections.includes(record.collectionUid);
      if (isDeleted && !uids.has(uid)) this.volume.copies.delete(uid);
    }
  }

  report(): void {
    this.#send({
      report: {
        sentAtMs: Date.now(),
        workerSilenceMs: [0],
        copies: this.copies(),
        ready: this.map !== undefined && !this.draining,
        draining: this.draining,
        mapRevision: this.map?.revision ?? 0,
        diskFreeBytes: 1e9,
        diskFull: false,
        memoryUsedBytes: 1e6,
      },
    });
  }

  #hello(): ControlFrame["nodeHello"] {
    const { nodeId, clusterId } = this.volume;
    return {
      clusterId,
      nodeId,
      bootId: this.bootId,
      name: this.name,
      version: "0.1.0",
      format: 1,
      peerAddress: this.name,
      httpUrl: `http://${this.name}`,
      adminUrl: "",
      workers: 1,
      takesDeltas: true,
    };
  }

  /** Protocol 6.2. */
  #applyShard(shard: MapShard): void {
    const { nodeId, copies } = this.volume;
    const place = shard.copies.find((copy) => copy.nodeId === nodeId);
    let copy = copies.get(shard.uid);
    if (copy && shard.version <= copy.mapVersion) return;
    if (place && copy?.id !== place.allocationId) {
      const isNew = shard.recovering.includes(place.allocationId) || shard.bootstrap !== "";
      const stillStored = copy && shard.inSync.includes(copy.id);
      if (!isNew || stillStored) return;
      copy = {
        id: place.allocationId,
        role: "recovering",
        term: 0,
        activatedTerm: 0,
        mapVersion: 0,
        record: shard,
      };
      copies.set(shard.uid, copy);
    }
    if (!copy) return;
    copy.mapVersion = shard.version;
    copy.record = shard;
    if (shard.primary === copy.id && shard.term > copy.activatedTerm) {
      copy.role = "primary";
      copy.activatedTerm = shard.term;
    } else if (shard.term > copy.term || copy.role !== "primary") {
      copy.role = shard.inSync.includes(copy.id) ? "replica" : "recovering";
    }
    copy.term = Math.max(copy.term, shard.term);
  }

  /** As primary: ask to add what is filled, to remove who is gone, and to hand over when leaving. */
  #work(): void {
    if (this.frozen) return;
    for (const shard of this.map?.shards ?? []) {
      const copy = this.volume.copies.get(shard.uid);
      if (copy?.role !== "primary" || copy.term !== shard.term) continue;
      for (const other of shard.copies) {
        if (other.allocationId === copy.id) continue;
        const there = this.#nodes.holds(other.nodeId, shard.uid, other.allocationId);
        if (!there && shard.inSync.includes(other.allocationId)) {
          this.#ask(shard, "removeCopy", other.allocationId, "ReplicaDisconnected");
        } else if (there && shard.recovering.includes(other.allocationId)) {
          this.#ask(shard, "addInSync", other.allocationId, "CaughtUp");
        } else if (there && this.draining) {
          this.#ask(shard, "promote", other.allocationId, "HandOff");
        }
      }
    }
  }

  #ask(shard: MapShard, action: string, allocationId: string, reason: string): void {
    this.#send({ copyRequest: { shardUid: shard.uid, action, allocationId, term: shard.term, reason } });
  }
}

export class FakeNodes implements Workloads, NodeDialer {
  readonly #nodes = new Map<string, FakeNode>();
  readonly #listeners = new Set<(event: WorkloadEvent) => void>();

  async ensure(workload: NodeWorkload): Promise<void> {
    const node = this.#nodes.get(workload.name) ?? new FakeNode(workload.name, this);
    this.#nodes.set(workload.name, node);
    if (!node.running) node.start();
  }

  async remove(name: string): Promise<void> {
    const node = this.#nodes.get(name);
    if (node?.running) node.kill();
  }

  list(): readonly WorkloadStatus[] {
    return [...this.#nodes.values()].map((node) => ({
      name: node.name,
      state: node.running ? "running" : "stopped",
      sinceMs: 0,
      exitsInARow: 0,
      lastExit: undefined,
      retryAtMs: undefined,
      pid: undefined,
      peerAddress: node.name,
      httpUrl: undefined,
      adminUrl: undefined,
    }));
  }

  watch(listener: (event: WorkloadEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    for (const name of this.#nodes.keys()) await this.remove(name);
  }

  dial(address: string, handlers: NodeStreamHandlers): NodeStream {
    return this.node(address).accept(handlers);
  }

  emit(event: WorkloadEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  node(name: string): FakeNode {
    const node = this.#nodes.get(name);
    if (!node) throw new Error(`no node ${name}`);
    return node;
  }

  all(): FakeNode[] {
    return [...this.#nodes.values()];
  }

  holds(nodeId: string, shardUid: string, id: string): boolean {
    const node = this.all().find((one) => one.volume.nodeId === nodeId);
    return node?.running === true && !node.frozen && node.volume.copies.get(shardUid)?.id === id;
  }
}

/** Undefined when it can't be applied to the map held. */
function withDelta(held: ClusterMap | undefined, delta: MapDelta): ClusterMap | undefined {
  const { baseRevision, changed, removedNodes, removedCollections, removedShards } = delta;
  if (!held || !changed || held.revision < baseRevision || held.leaderEpoch !== changed.leaderEpoch)
    return undefined;
  if (held.revision >= changed.revision) return held;
  const merge = <T>(
    before: readonly T[],
    now: readonly T[],
    gone: readonly string[],
    id: (one: T) => string,
  ): T[] => {
    const ids = new Set([...gone, ...now.map(id)]);
    return [...before.filter((one) => !ids.has(id(one))), ...now];
  };
  const { settingsJson, deletedCollections } = changed.settingsJson.length > 0 ? changed : held;
  return {
    ...changed,
    settingsJson,
    deletedCollections,
    nodes: merge(held.nodes, changed.nodes, removedNodes, ({ nodeId }) => nodeId),
    collections: merge(held.collections, changed.collections, removedCollections, ({ uid }) => uid),
    shards: merge(held.shards, changed.shards, removedShards, ({ uid }) => uid),
  };
}

function newVolume(): Volume {
  return { nodeId: randomUUID(), clusterId: "", copies: new Map() };
}
