/**
 * A shard worker: owns some of the node's stores, and with them every copy of a shard that lies there.
 * Speaks worker-message.ts with the network thread; turns maps into copies that exist.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay, type IntervalHistogram } from "node:perf_hooks";
import { Problem } from "@prism/api/problem-code";
import { ShardCall } from "@prism/proto/frame-kind";
import { ReplicationMessage, WriteRequest, WriteResponse } from "@prism/proto/gen/node";
import { DamagedValueError } from "../adapters/lmdb/entry-codec.js";
import { ShardStore, type StoreOptions } from "../adapters/lmdb/shard-store.js";
import { toCallError } from "../services/call-error.js";
import type { AllocationId, ClusterMap, CollectionMap, NodeId, ShardMap } from "../domain/cluster-map.js";
import { emptyCopy } from "../domain/replication/shard-copy.js";
import { mapAfter } from "../domain/map-delta.js";
import { storeOfShard, workerOfStore } from "../domain/store-of-shard.js";
import { LocalShardIndex } from "../engine/shard-index.js";
import { CopyData } from "./copy-data.js";
import { missingCopyReport } from "./copy-report.js";
import { CopyService } from "./copy-service.js";
import { RecordKeepers } from "./record-keeper.js";
import type { MakeIndex } from "./index-keeper.js";
import { answerRead } from "./read-calls.js";
import { newSharedSnapshotBudget, SnapshotBudget } from "./snapshot-budget.js";
import { BufferBudget, type WorkerContext } from "./worker-context.js";
import type { FromWorker, ToWorker, WorkerSettings } from "./worker-message.js";

const TICK_MS = 100;
const REPORT_MS = 500;
const DISK_CHECK_MS = 2000;
const DRAIN_RETRY_MS = 100;

type Call = Extract<ToWorker, { kind: "call" }>;
type Drain = Extract<ToWorker, { kind: "drain" }>;

export interface ShardWorkerOptions {
  readonly bootId: string;
  /** False is for tests that must notice the loss. */
  readonly sync: boolean;
  readonly post: (message: FromWorker) => void;
  /** Where stores keep their data, and what searches it; lmdb and the engine unless given. */
  readonly openDatabase?: StoreOptions["open"];
  readonly makeIndex?: MakeIndex;
}

export class ShardWorker {
  readonly #settings: WorkerSettings;
  readonly #options: ShardWorkerOptions;
  readonly #stores = new Map<number, ShardStore>();
  readonly #copies = new Map<string, CopyService>();
  readonly #context: WorkerContext;
  readonly #peers = new Map<NodeId, boolean>();
  /** Calls not answered yet, and how to give up on them. */
  readonly #calls = new Map<number, () => void>();
  /** Copies without a shard record, and the map that first showed it so. */
  readonly #absentSince = new Map<string, string>();
  readonly #loopDelay: IntervalHistogram = monitorEventLoopDelay({ resolution: 10 });
  readonly #records = new RecordKeepers(() => this.#reportSoon());
  #missing: { map: ShardMap; allocationId: AllocationId }[] = [];
  #map: ClusterMap | undefined;
  #timers: NodeJS.Timeout[] = [];
  #draining: { drain: Drain; untilMs: number; askedMs: number } | undefined;
  #tickedMs = performance.now();
  /** Copies with new writes, while a list of messages is read. */
  #written: Set<CopyService> | undefined;
  #controlPlane = { silenceMs: Number.POSITIVE_INFINITY, atMs: 0 };
  #backgroundScheduled = false;
  #reportScheduled = false;
  #diskFull = false;
  #lowDisk = false;
  #memoryFull = false;
  #closing = false;
  #recoverySentBytes = 0;

  constructor(settings: WorkerSettings, options: ShardWorkerOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#context = this.#makeContext();
  }

  /** Opens the stores and the copies in them. @throws {Error} when a store can't be opened. */
  start(): void {
    const { stores, workers, worker, dataDirectory } = this.#settings;
    if (!this.#options.sync) {
      this.#context.log(
        "warn",
        "PRISM_UNSAFE_NO_SYNC is set: acknowledged writes are not on disk and are LOST with the power",
        {},
      );
    }
    for (let store = 0; store < stores; store += 1) {
      if (workerOfStore(store, workers) !== worker) continue;
      const directory = join(dataDirectory, "stores", String(store));
      mkdirSync(directory, { recursive: true });
      this.#openStore(store, directory);
    }
    this.#checkDisk();
    this.#loopDelay.enable();
    this.#timers = [
      setInterval(() => this.#onTimer(), TICK_MS),
      setInterval(() => this.#report(), REPORT_MS),
      setInterval(() => this.#checkDisk(), DISK_CHECK_MS),
    ];
    this.#options.post({ kind: "ready", copies: this.#reports() });
  }

  /** Writes among the messages are evaluated when all have been read: those for one copy go into its log together. */
  handleAll(messages: readonly ToWorker[]): void {
    const written = new Set<CopyService>();
    this.#written = written;
    for (const message of messages) this.handle(message);
    this.#written = undefined;
    for (const copy of written) copy.pumpWrites();
  }

  handle(message: ToWorker): void {
    switch (message.kind) {
      case "call":
        return this.#call(message);
      case "cancel":
        this.#calls.get(message.id)?.();
        return undefined;
      case "replication":
        return this.#deliver(message.shard, message.payload);
      case "map":
        return this.#applyMap(message.map);
      case "mapDelta":
        if (!this.#closing) this.#applyMap(mapAfter(this.#map, message.delta));
        return undefined;
      case "peer":
        this.#peers.set(message.node as NodeId, message.connected);
        for (const copy of this.#copies.values()) copy.setPeer(message.node as NodeId);
        return undefined;
      case "ping":
        this.#controlPlane = { silenceMs: message.controlPlaneSilenceMs, atMs: performance.now() };
        return this.#options.post({ kind: "pong", id: message.id });
      case "drain":
        this.#draining = {
          drain: message,
          untilMs: performance.now() + message.timeoutMs,
          askedMs: -Infinity,
        };
        return this.#drain();
      case "close":
        void this.#close(message.id);
        return undefined;
    }
  }

  // ---------------------------------------------------------------- stores and copies

  #openStore(number: number, directory: string): void {
    const { sync, openDatabase } = this.#options;
    const store = new ShardStore(directory, {
      sync,
      ...(openDatabase === undefined ? {} : { open: openDatabase }),
      onDiskFull: (full) => {
        this.#diskFull = full;
        this.#context.log(full ? "error" : "info", full ? "disk full, writes wait" : "disk has space again", {
          directory,
        });
      },
      onFailure: (error) => {
        for (const copy of this.#copies.values()) if (copy.store === store) copy.fail(error);
        this.#options.post({ kind: "storeFailed", directory, detail: error.message });
      },
    });
    this.#stores.set(number, store);
    for (const record of store.records()) {
      const data = new CopyData(store, record, this.#settings.limits);
      try {
        const durable = data.load();
        this.#copies.set(record.shardUid, new CopyService(this.#context, data, durable, false));
      } catch (error) {
        const durable = emptyCopyOf(record);
        const copy = new CopyService(this.#context, data, durable, false);
        this.#copies.set(record.shardUid, copy);
        copy.fail(error);
      }
    }
  }

  #applyMap(map: ClusterMap): void {
    const held = this.#map;
    const isOlder =
      held !== undefined &&
      (map.leaderEpoch < held.leaderEpoch ||
        (map.leaderEpoch === held.leaderEpoch && map.revision <= held.revision));
    if (isOlder || this.#closing) return;
    this.#map = map;
    this.#missing = [];
    const collections = new Map(map.collections.map((collection) => [collection.uid, collection]));
    const uids = new Set<string>(map.shards.map((shard) => shard.uid));
    for (const shard of map.shards) {
      const store = this.#stores.get(storeOfShard(shard.uid, this.#settings.stores));
      if (store !== undefined) this.#applyShard(shard, collections.get(shard.collectionUid), store, map);
    }
    for (const copy of this.#copies.values()) {
      if (!uids.has(copy.shardUid)) this.#onAbsent(copy, map);
    }
    this.#reportSoon();
  }

  #applyShard(
    shard: ShardMap,
    collection: CollectionMap | undefined,
    store: ShardStore,
    map: ClusterMap,
  ): void {
    const here = shard.copies.filter((place) => place.node === this.#settings.nodeId).map(({ id }) => id);
    const fresh = here.find((id) => shard.recovering.includes(id));
    const member = here.find((id) => shard.inSync.includes(id));
    let copy = this.#copies.get(shard.uid);
    const isOlder = copy?.takesRecord(shard) === false || this.#records.isPast(copy, shard, map.leaderEpoch);
    if (copy !== undefined && isOlder) return this.#onOlderRecord(copy, collection, map);
    if (copy === undefined) {
      const isNew = shard.bootstrap !== "" && shard.version === 1 && shard.term === 1;
      const allocationId = fresh ?? (isNew ? member : undefined);
      if (allocationId === undefined) {
        // AllAckedResponsesStored: an empty copy must never pass for the member that held the data.
        if (member !== undefined) this.#missing.push({ map: shard, allocationId: member });
        return;
      }
      copy = this.#create(store, shard, allocationId);
    } else if (!here.includes(copy.allocationId)) {
      if (fresh !== undefined) copy = this.#renew(copy, store, shard, fresh);
      else if (here.length === 0) return this.#onUnplaced(copy, shard, collection, map);
    }
    this.#absentSince.delete(shard.uid);
    this.#give(copy, shard, collection, map);
  }

  /** A record is on disk before the copy acts on it: what a copy has done is always proved by what it kept. */
  #give(copy: CopyService, shard: ShardMap, collection: CollectionMap | undefined, map: ClusterMap): void {
    this.#records.recorded(shard.uid);
    this.#records.of(copy).keep(shard, map.leaderEpoch, () => {
      if (this.#copies.get(shard.uid) === copy) copy.applyMap(shard, collection, map.settings.health);
    });
  }

  /** It comes from a store that was put back, a leader that was overtaken, or a map file that is behind. */
  #onOlderRecord(copy: CopyService, collection: CollectionMap | undefined, map: ClusterMap): void {
    this.#absentSince.delete(copy.shardUid);
    const kept = this.#records.of(copy).map;
    if (kept !== undefined) copy.applyMap(kept, collection, map.settings.health);
    this.#records.unrecorded(copy, map);
  }

  /** The data goes on under the new id; what failed can't, and its old id is in no set any more. */
  #renew(copy: CopyService, store: ShardStore, shard: ShardMap, fresh: AllocationId): CopyService {
    if (!copy.isReplaceable) {
      copy.takeIdentity(fresh, shard.version);
      return copy;
    }
    copy.remove();
    this.#context.log("info", "data of a failed copy deleted: it is filled anew", { shard: shard.uid });
    return this.#create(store, shard, fresh);
  }

  #create(store: ShardStore, shard: ShardMap, allocationId: AllocationId): CopyService {
    const { uid, collectionUid, historyId, version: identityVersion } = shard;
    const data = CopyData.create(
      store,
      { shardUid: uid, collectionUid, allocationId, historyId, identityVersion },
      this.#settings.limits,
    );
    const copy = new CopyService(this.#context, data, emptyCopy(uid, allocationId, historyId), true);
    this.#copies.set(uid, copy);
    if (store.hasFailed) copy.fail(new Error("the store has failed"));
    return copy;
  }

  /**
   * The map places no copy of the shard here any more. While its set is not complete, what lies here may
   * spare the next copy a snapshot; and a record that is older than what the copy has seen proves nothing.
   */
  #onUnplaced(copy: CopyService, shard: ShardMap, collection: CollectionMap | undefined, map: ClusterMap) {
    const isCurrent = copy.isNotPast(shard);
    this.#give(copy, shard, undefined, map);
    const factor = collection?.spec.replication.factor ?? Number.POSITIVE_INFINITY;
    const isComplete = shard.recovering.length === 0 && shard.inSync.length >= factor;
    if (isCurrent && isComplete) this.#confirmAbsence(copy, map, "its set is complete without this copy");
    else this.#absentSince.delete(copy.shardUid);
  }

  /**
   * The map does not have the shard. Only the record of its collection's deletion is a reason to delete
   * anything: a map that lacks both may come from a store that has never heard of them.
   */
  #onAbsent(copy: CopyService, map: ClusterMap): void {
    const isDeleted =
      map.deletedCollections.includes(copy.collectionUid) &&
      !map.collections.some(({ uid }) => uid === copy.collectionUid);
    if (isDeleted) return this.#confirmAbsence(copy, map, "its collection was deleted");
    return this.#onOlderRecord(copy, undefined, map);
  }

  #confirmAbsence(copy: CopyService, map: ClusterMap, why: string): void {
    const { shardUid } = copy;
    if (!this.#absentSince.has(shardUid)) {
      this.#absentSince.set(shardUid, `${map.leaderEpoch}.${map.revision}`);
      return;
    }
    this.#absentSince.delete(shardUid);
    this.#copies.delete(shardUid);
    this.#records.recorded(shardUid);
    copy.remove();
    this.#context.log("info", "shard data deleted, as two maps in a row say", { shard: shardUid, why });
  }

  // ---------------------------------------------------------------- calls

  #call({ id, call, shard, timeoutMs, payload }: Call): void {
    const copy = this.#copies.get(shard);
    if (copy === undefined) {
      return this.#refuse(id, new Problem("shardUnavailable", "this node holds no copy of the shard"));
    }
    if (call === ShardCall.write) return this.#write(id, copy, payload, timeoutMs);
    this.#calls.set(id, () => this.#calls.delete(id));
    answerRead(copy, call, payload, timeoutMs).then(
      (answer) => {
        if (this.#calls.delete(id)) this.#options.post({ kind: "answer", id, payload: ownBytes(answer) });
      },
      (error: unknown) => {
        if (error instanceof DamagedValueError) copy.fail(error);
        if (this.#calls.delete(id)) this.#refuse(id, readProblem(error));
      },
    );
    return undefined;
  }

  #write(id: number, copy: CopyService, payload: Uint8Array, timeoutMs: number): void {
    const { buffers } = this.#context;
    if (!buffers.take(payload.length)) {
      return this.#refuse(id, new Problem("tooManyRequests", "the worker's write buffers are full"));
    }
    let request: WriteRequest;
    try {
      request = WriteRequest.decode(payload);
    } catch (error) {
      buffers.give(payload.length);
      return this.#refuse(id, new Problem("invalidRequest", `write request: ${(error as Error).message}`));
    }
    let answered = false;
    const giveUp = copy.write(request, timeoutMs, (response) => {
      answered = true;
      buffers.give(payload.length);
      this.#calls.delete(id);
      if (response instanceof Problem) this.#refuse(id, response);
      else this.#options.post({ kind: "answer", id, payload: ownBytes(WriteResponse.encode(response)) });
    });
    if (!answered) this.#calls.set(id, giveUp);
    if (this.#written === undefined) copy.pumpWrites();
    else this.#written.add(copy);
    return undefined;
  }

  #refuse(id: number, problem: Problem): void {
    this.#options.post({ kind: "answer", id, error: toCallError(problem) });
  }

  #deliver(shard: string, payload: Uint8Array): void {
    const copy = this.#copies.get(shard);
    if (copy === undefined) return;
    try {
      copy.deliver(ReplicationMessage.decode(payload));
    } catch (error) {
      this.#context.log("warn", "replication message dropped", { shard, detail: (error as Error).message });
    }
  }

  // ---------------------------------------------------------------- time

  /**
   * A late tick means that this thread stood still, and what the others sent meanwhile is still in the
   * queue: it is heard first, or they would be taken for silent.
   */
  #onTimer(): void {
    const nowMs = performance.now();
    const isLate = nowMs - this.#tickedMs > 3 * TICK_MS;
    this.#tickedMs = nowMs;
    if (isLate) setImmediate(() => this.#tick());
    else this.#tick();
  }

  #tick(): void {
    if (this.#closing) return;
    for (const copy of this.#copies.values()) copy.tick();
    this.#drain();
  }

  #scheduleBackground(): void {
    if (this.#backgroundScheduled || this.#closing) return;
    this.#backgroundScheduled = true;
    // Between turns of the event loop: calls that came meanwhile are taken before the next slice.
    setImmediate(() => {
      this.#backgroundScheduled = false;
      if (this.#closing) return;
      let more = false;
      for (const copy of this.#copies.values()) more = copy.background() || more;
      if (more) this.#scheduleBackground();
    });
  }

  #drain(): void {
    const state = this.#draining;
    if (state === undefined) return;
    const nowMs = performance.now();
    if (nowMs < state.untilMs && nowMs - state.askedMs < DRAIN_RETRY_MS) return;
    state.askedMs = nowMs;
    const copies = [...this.#copies.values()];
    const left = copies.filter((copy) => copy.handOff()).length;
    if (left > 0 && nowMs < state.untilMs) return;
    for (const copy of copies) copy.endHandOff();
    this.#draining = undefined;
    this.#options.post({ kind: "drained", id: state.drain.id });
  }

  #checkDisk(): void {
    const store = this.#stores.values().next().value;
    // Deletes, and the store's own pages, need some.
    if (store !== undefined) this.#lowDisk = store.freeBytes() < this.#settings.limits.diskReserveBytes;
  }

  async #close(id: number): Promise<void> {
    this.#closing = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#loopDelay.disable();
    await Promise.all([...this.#copies.values()].map((copy) => copy.close()));
    await Promise.all([...this.#stores.values()].map((store) => store.close()));
    this.#options.post({ kind: "closed", id });
  }

  // ---------------------------------------------------------------- reports

  #reports() {
    const { worker } = this.#settings;
    const missing = this.#missing.map(({ map, allocationId }) =>
      missingCopyReport(map, allocationId, worker),
    );
    return [...[...this.#copies.values()].map((copy) => this.#records.report(copy)), ...missing];
  }

  #report(): void {
    if (this.#closing) return;
    let indexBytes = 0;
    for (const copy of this.#copies.values()) indexBytes += copy.indexBytes;
    const budget = this.#settings.indexBudgetBytes;
    this.#memoryFull = budget > 0 && indexBytes > budget;
    const eventLoopDelayMs = this.#loopDelay.percentile(99) / 1e6;
    this.#loopDelay.reset();
    const heapBytes = process.memoryUsage().heapUsed;
    const memory = {
      heapBytes,
      indexBytes,
      eventLoopDelayMs: Number.isFinite(eventLoopDelayMs) ? eventLoopDelayMs : 0,
      recoverySentBytes: this.#recoverySentBytes,
    };
    this.#options.post({ kind: "reports", copies: this.#reports(), memory });
  }

  #reportSoon(): void {
    if (this.#reportScheduled || this.#closing) return;
    this.#reportScheduled = true;
    setImmediate(() => {
      this.#reportScheduled = false;
      this.#report();
    });
  }

  /** Cut off is a node that the control plane would by now take for dead, if it is there at all. */
  #stalenessLimitMs(): number | undefined {
    const settings = this.#map?.settings;
    if (settings === undefined || settings.partition.allowStaleReads) return undefined;
    const limitMs = settings.health.heartbeatIntervalMs * settings.health.failureThreshold;
    const silenceMs = this.#controlPlane.silenceMs + performance.now() - this.#controlPlane.atMs;
    return silenceMs > limitMs ? limitMs : undefined;
  }

  #makeContext(): WorkerContext {
    const { worker, nodeId, dataDirectory, limits, bufferBudgetBytes } = this.#settings;
    const { snapshots = newSharedSnapshotBudget() } = this.#settings;
    return {
      worker,
      nodeId: nodeId as NodeId,
      dataDirectory,
      limits,
      makeIndex: this.#options.makeIndex ?? ((...made) => new LocalShardIndex(...made)),
      bootId: this.#options.bootId,
      // Not Date.now: a clock set back would undo deadlines, and one set ahead would end them all.
      nowMs: () => Math.floor(performance.timeOrigin + performance.now()),
      post: (message) => this.#options.post(message),
      log: (level, message, fields) => this.#options.post({ kind: "log", level, message, fields }),
      writeRefusal: () =>
        this.#diskFull || this.#lowDisk ? "diskFull" : this.#memoryFull ? "memoryLimit" : undefined,
      buffers: new BufferBudget(bufferBudgetBytes),
      snapshots: new SnapshotBudget(snapshots, limits),
      recoverySent: (bytes) => (this.#recoverySentBytes += bytes),
      isPeerConnected: (node) => this.#peers.get(node),
      stalenessLimitMs: () => this.#stalenessLimitMs(),
      kickBackground: () => this.#scheduleBackground(),
      reportSoon: () => this.#reportSoon(),
    };
  }
}

function emptyCopyOf(record: { shardUid: string; allocationId: string; historyId: string }) {
  const { shardUid, allocationId, historyId } = record;
  return emptyCopy(
    shardUid as ShardMap["uid"],
    allocationId as AllocationId,
    historyId as ShardMap["historyId"],
  );
}

function readProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem("internalError", (error as Error).message, { executed: "no", cause: error });
}

/** With a buffer of its own, so that it can be handed to the other thread without a copy. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}
