/**
 * A running node: the real shard worker, control endpoint and coordinator, wired as dataplane/src/node.ts
 * wires them, on simulated disk and network. HTTP is left out: clients reach the coordinator.
 */
import { randomUUID } from "node:crypto";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import type { ShardCall } from "@prism/proto/frame-kind";
import { ClusterMap as WireClusterMap, type CopyReport, type NodeReport } from "@prism/proto/gen/node";
import { ControlEndpoint } from "@prism/dataplane/adapters/grpc/control-endpoint";
import { fromWireMap, toWireMap } from "@prism/dataplane/adapters/wire/cluster-map";
import type { ClusterMap, NodeId, ShardUid } from "@prism/dataplane/domain/cluster-map";
import type { MapDelta } from "@prism/dataplane/domain/map-delta";
import { decisiveFacts } from "@prism/dataplane/domain/copy-facts";
import { fromCallError, toCallError } from "@prism/dataplane/services/call-error";
import { createCoordinator, type Coordinator } from "@prism/dataplane/services/coordinator";
import { CurrentMap } from "@prism/dataplane/services/current-map";
import { PendingCalls } from "@prism/dataplane/services/pending-calls";
import { RoutedShardCalls } from "@prism/dataplane/services/routed-shard-calls";
import type { ShardCallOptions } from "@prism/dataplane/services/shard-calls";
import { ShardWorker } from "@prism/dataplane/worker/shard-worker";
import type { FromWorker } from "@prism/dataplane/worker/worker-message";
import { MemoryFiles } from "../runtime/memory-files.js";
import type { VirtualProcess } from "../runtime/virtual-process.js";
import type { AskedCall } from "../check/world-checker.js";
import { FrameDuplex } from "./frame-duplex.js";
import { MapIndex } from "./map-index.js";
import { openOn } from "./memory-database.js";
import type { Connection, Network, Side } from "./network.js";
import { PeerConnections, type PeerFrame } from "./peer-connections.js";
import { SILENT_LOG } from "./silent-log.js";
import type { Volume } from "./volume.js";

const MAP_SAVE_MS = 4;

export interface NodeObserver {
  /** A shard call reaches the worker; what is returned comes back with the answer. */
  onAsk(node: NodeProcess, call: number, shard: string, request: Uint8Array): AskedCall | undefined;
  onAnswer(node: NodeProcess, asked: AskedCall, answer: Answer): void;
  onLog(node: NodeProcess, line: LogLine): void;
}

export type LogLine = Extract<FromWorker, { kind: "log" }>;

export type Answer = Extract<FromWorker, { kind: "answer" }>;

export interface NodeProcessOptions {
  readonly name: string;
  readonly process: VirtualProcess;
  readonly volume: Volume;
  readonly network: Network;
  readonly tosses: boolean;
  /** Entries that a log keeps before it is trimmed. */
  readonly logEntries: number;
  readonly observer: NodeObserver;
}

interface Asked {
  readonly heard: AskedCall | undefined;
  readonly answer: (answer: Answer) => void;
}

export class NodeProcess {
  readonly name: string;
  readonly process: VirtualProcess;
  readonly volume: Volume;
  readonly nodeId: NodeId;
  readonly bootId: string = randomUUID();
  readonly coordinator: Coordinator;
  readonly #options: NodeProcessOptions;
  readonly #current: CurrentMap;
  readonly #worker: ShardWorker;
  readonly #links: PeerConnections;
  readonly #control: ControlEndpoint;
  readonly #savedMap: ClusterMap | undefined;
  readonly #asked = new Map<number, Asked>();
  #nextCall = 1;
  #copies: readonly CopyReport[] = [];
  #facts = "";
  #draining = false;
  #drained: (() => void) | undefined;

  /** Runs in a turn of its process. */
  constructor(options: NodeProcessOptions) {
    const { name, process, volume, network, tosses } = options;
    this.#options = options;
    this.name = name;
    this.process = process;
    this.volume = volume;
    if (volume.nodeId === "") volume.nodeId = `${name}-${randomUUID().slice(0, 8)}`;
    this.nodeId = volume.nodeId as NodeId;
    this.#current = new CurrentMap(this.nodeId);
    this.#worker = this.#makeWorker();
    this.#links = new PeerConnections({
      nodeId: this.nodeId,
      host: name,
      process,
      network,
      tosses,
      onConnectionChange: (node, connected) => this.#worker.handle({ kind: "peer", node, connected }),
    });
    this.coordinator = createCoordinator({
      view: this.#current,
      calls: this.#shardCalls(),
      controlPlane: {
        requestCollection: (...request) => this.#control.requestCollection(...request),
        status: () => undefined,
        isConnected: () => this.#control.isConnected(),
      },
      limits: DEFAULT_LIMITS,
    });
    const saved =
      volume.savedMap === undefined ? undefined : fromWireMap(WireClusterMap.decode(volume.savedMap()));
    this.#control = this.#makeControl(saved?.leaderEpoch ?? 0);
    this.#savedMap = saved;
  }

  /** Opens the stores and takes requests; in the turn in which it was made. */
  start(): void {
    const { name, process, network } = this.#options;
    this.#current.onChange((map, delta) => this.#onMap(map, delta));
    this.#worker.start();
    if (this.#savedMap !== undefined) this.#current.offer(this.#savedMap);
    this.#current.onChange((map) => this.#save(map));
    network.listen(name, "peer", process, (connection) => this.#acceptPeer(connection));
    network.listen(name, "control", process, (connection) => this.#acceptControl(connection));
  }

  get map(): ClusterMap | undefined {
    return this.#current.map();
  }

  /** As on SIGTERM: hands primaries over, then closes the stores. `done` once nothing is left to do. */
  stop(drainMs: number, done: () => void): void {
    this.#draining = true;
    this.#control.announceDrain("stopping");
    this.#control.reportNow();
    this.#drained = () => {
      this.#drained = done;
      this.#worker.handle({ kind: "close", id: 2 });
    };
    this.#worker.handle({ kind: "drain", id: 1, timeoutMs: drainMs });
  }

  #makeWorker(): ShardWorker {
    const { volume, process } = this.#options;
    const settings = {
      worker: 0,
      workers: 1,
      stores: 1,
      dataDirectory: MemoryFiles.directory(this.name),
      nodeId: this.nodeId,
      limits: { ...DEFAULT_LIMITS, operationLogEntries: this.#options.logEntries },
      indexBudgetBytes: 0,
      bufferBudgetBytes: 0,
    };
    const commit: Parameters<typeof openOn>[1] = (database, writes) =>
      volume.commit(process, database, writes);
    return new ShardWorker(settings, {
      bootId: this.bootId,
      sync: true,
      post: (message) => this.#onWorker(message),
      openDatabase: openOn((path) => volume.database(path), commit),
      makeIndex: () => new MapIndex(),
    });
  }

  #makeControl(leaderEpoch: number): ControlEndpoint {
    const { volume } = this.#options;
    return new ControlEndpoint({
      nodeHello: () => ({
        clusterId: volume.clusterId,
        nodeId: this.nodeId,
        bootId: this.bootId,
        name: this.name,
        version: "0.1.0",
        format: 1,
        peerAddress: this.name,
        httpUrl: this.name,
        adminUrl: "",
        workers: 1,
        takesDeltas: true,
      }),
      nodeReport: () => this.#report(),
      clusterId: () => volume.clusterId,
      joinCluster: (clusterId) => {
        volume.clusterId = clusterId;
      },
      maps: this.#current,
      leaderEpoch,
      logger: SILENT_LOG,
    });
  }

  #report(): NodeReport {
    return {
      sentAtMs: Date.now(),
      workerSilenceMs: [0],
      copies: [...this.#copies],
      ready: this.#current.map() !== undefined && !this.#draining,
      draining: this.#draining,
      mapRevision: this.#current.map()?.revision ?? 0,
      diskFreeBytes: this.volume.files.freeBytes,
      diskFull: this.volume.files.freeBytes < DEFAULT_LIMITS.diskReserveBytes,
      memoryUsedBytes: 1e8,
    };
  }

  #shardCalls(): RoutedShardCalls {
    const calls = new PendingCalls((id) => this.#worker.handle({ kind: "cancel", id }));
    const call = async (
      shard: ShardUid,
      kind: ShardCall,
      payload: Uint8Array,
      options: ShardCallOptions,
    ): Promise<Uint8Array> => {
      const { id, answer } = calls.open(kind, options);
      this.#ask(kind, shard, options.timeoutMs, payload, ({ payload: bytes, error }) => {
        if (error === undefined) calls.resolve(id, bytes ?? new Uint8Array(0));
        else calls.reject(id, fromCallError(error));
      });
      return await answer;
    };
    return new RoutedShardCalls(this.nodeId, { call }, this.#links, () => undefined);
  }

  /** Returns the worker's number of the call, by which it can be cancelled. */
  #ask(
    call: number,
    shard: string,
    timeoutMs: number,
    request: Uint8Array,
    answer: (answer: Answer) => void,
  ): number {
    const id = this.#nextCall++;
    const heard = this.#options.observer.onAsk(this, call, shard, request);
    this.#asked.set(id, { heard, answer });
    this.#worker.handle({ kind: "call", id, call, shard, timeoutMs, payload: request });
    return id;
  }

  #onMap(map: ClusterMap, delta: MapDelta | undefined): void {
    this.#worker.handle(delta === undefined ? { kind: "map", map } : { kind: "mapDelta", delta });
    this.#links.applyMap(map);
    this.#onReports();
  }

  #onReports(): void {
    const facts = `${this.#draining} ${this.map === undefined} ${decisiveFacts(this.#copies)}`;
    if (facts === this.#facts) return;
    this.#facts = facts;
    this.#control.reportSoon();
  }

  /** As the node's map file: written soon after, lost when the crash is sooner. */
  #save(map: ClusterMap): void {
    setTimeout(() => {
      if (this.#current.map() === map) this.volume.savedMap = () => WireClusterMap.encode(toWireMap(map));
    }, MAP_SAVE_MS);
  }

  #onWorker(message: FromWorker): void {
    if (!this.process.alive) return;
    switch (message.kind) {
      case "ready":
        this.#copies = message.copies;
        return;
      case "reports":
        this.#copies = message.copies;
        return this.#onReports();
      case "answer": {
        const asked = this.#asked.get(message.id);
        if (asked === undefined) return;
        this.#asked.delete(message.id);
        if (asked.heard !== undefined) this.#options.observer.onAnswer(this, asked.heard, message);
        return asked.answer(message);
      }
      case "replication":
        return this.#links.sendOneWay(message.toNode as NodeId, message.shard, message.payload);
      case "copyRequest": {
        const { shard, action, allocationId, term, reason } = message;
        return this.#control.requestCopyChange({ shardUid: shard, action, allocationId, term, reason });
      }
      case "drained":
      case "closed":
        return this.#drained?.();
      case "log":
        return this.#options.observer.onLog(this, message);
      case "protocolEvent":
      case "storeFailed":
      case "pong":
        return undefined;
    }
  }

  #acceptPeer(connection: Connection): Side {
    const running = new Map<number, number>();
    const onFrame = (frame: PeerFrame): void => {
      switch (frame.kind) {
        case "hello":
          this.#links.onPeerSeen(frame.nodeId as NodeId);
          return connection.send(1, { kind: "hello", nodeId: this.nodeId } satisfies PeerFrame);
        case "request": {
          const { id, call, shard, timeoutMs, payload } = frame;
          const asked = this.#ask(call, shard, timeoutMs, payload, (answer) => {
            running.delete(id);
            const { error } = answer;
            connection.send(1, {
              kind: "response",
              id,
              ...(answer.payload === undefined ? {} : { payload: answer.payload }),
              ...(error === undefined ? {} : { error: toCallError(fromCallError(error)) }),
            } satisfies PeerFrame);
          });
          running.set(id, asked);
          return undefined;
        }
        case "cancel": {
          const asked = running.get(frame.id);
          if (asked !== undefined) this.#worker.handle({ kind: "cancel", id: asked });
          return undefined;
        }
        case "oneWay":
          return this.#worker.handle({ kind: "replication", shard: frame.shard, payload: frame.payload });
        case "response":
          return undefined;
      }
    };
    return {
      process: this.process,
      host: this.name,
      onFrame: (frame) => onFrame(frame as PeerFrame),
      onClosed: () => running.clear(),
    };
  }

  #acceptControl(connection: Connection): Side {
    const duplex = new FrameDuplex(
      (bytes) => connection.send(1, bytes),
      () => connection.close(1),
    );
    this.#control.accept(duplex as unknown as Parameters<ControlEndpoint["accept"]>[0]);
    return {
      process: this.process,
      host: this.name,
      onFrame: (frame) => duplex.receive(frame as Buffer),
      onClosed: () => duplex.closed(),
    };
  }
}
