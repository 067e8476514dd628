/**
 * A node: builds its parts and wires them.
 *
 *   control plane --maps--> CurrentMap --> workers, peer links, map file
 *   peers and HTTP --shard calls--> workers or peer links
 *   workers --reports--> control plane        workers --replication--> peer links
 */
import { randomUUID } from "node:crypto";
import { availableParallelism, totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import { ShardCall } from "@prism/proto/frame-kind";
import type { NodeHello, NodeReport } from "@prism/proto/gen/node";
import { PLAIN } from "@prism/proto/internal-credentials";
import type { Logger } from "pino";
import { startAdminServer, type AdminServer } from "./adapters/admin/admin-server.js";
import { NodeMetrics } from "./adapters/admin/node-metrics.js";
import { readMemoryLimit, readProcessorQuota } from "./adapters/files/control-group.js";
import { DataDirectory } from "./adapters/files/data-directory.js";
import { DiskSpace } from "./adapters/files/disk-space.js";
import { FORMAT } from "./adapters/files/format-file.js";
import { MapFile } from "./adapters/files/map-file.js";
import { StartCount } from "./adapters/files/start-count.js";
import { TlsDirectory } from "./adapters/files/tls-directory.js";
import { ControlEndpoint } from "./adapters/grpc/control-endpoint.js";
import { startHttpServer, type HttpServer } from "./adapters/http/http-server.js";
import { startInternalServer, type InternalServer } from "./adapters/grpc/internal-server.js";
import { PeerEndpoint } from "./adapters/grpc/peer-endpoint.js";
import { PeerLinks } from "./adapters/grpc/peer-links.js";
import { setDamagedStoresAside, UNFINISHED_STARTS } from "./adapters/lmdb/damaged-stores.js";
import { noteStoreFailure, rewriteFailedStores } from "./adapters/lmdb/store-failures.js";
import { ShardWorkers } from "./adapters/threads/shard-workers.js";
import type { NodeSettings } from "./config.js";
import type { ClusterMap, NodeId } from "./domain/cluster-map.js";
import type { MapDelta } from "./domain/map-delta.js";
import { decisiveFacts } from "./domain/copy-facts.js";
import { planMemory, type MemoryBudget } from "./domain/memory-budget.js";
import { chooseWorkers, type Processors } from "./domain/worker-count.js";
import type { ClusterView } from "./services/cluster-view.js";
import type { ShardCalls } from "./services/shard-calls.js";
import { createCoordinator } from "./services/coordinator.js";
import { advertise, bound, portOf, urlOf, type ListeningAddresses } from "./listening.js";
import { newSharedSnapshotBudget } from "./worker/snapshot-budget.js";
import { CurrentMap } from "./services/current-map.js";
import { ProtocolEvents } from "./services/protocol-events.js";
import { RoutedShardCalls } from "./services/routed-shard-calls.js";

const MiB = 1024 * 1024;
/** A worker that has not turned its loop for this long makes the node not ready. */
const STUCK_WORKER_MS = 5000;
/** Together below the 10 s after which a local control plane kills a node that stops. */
const DRAIN_TIMEOUT_MS = 4000;
const HTTP_CLOSE_TIMEOUT_MS = 1000;
const CLOSE_TIMEOUT_MS = 4000;

export interface NodeOptions {
  readonly settings: NodeSettings;
  readonly version: string;
  /** The built module that a shard worker runs. */
  readonly workerEntry: URL;
  /** The process can't go on: what it held in memory may be wrong or is lost. */
  readonly onFatal: (detail: string) => void;
  readonly logger: Logger;
}

export class Node {
  readonly nodeId: NodeId;
  readonly bootId: string = randomUUID();
  readonly #options: NodeOptions;
  readonly #logger: Logger;
  readonly #directory: DataDirectory;
  readonly #starts: StartCount;
  readonly #memory: MemoryBudget;
  readonly #disk: DiskSpace;
  readonly #tls: TlsDirectory | undefined;
  readonly #mapFile: MapFile;
  readonly #current: CurrentMap;
  readonly #workers: ShardWorkers;
  readonly #links: PeerLinks;
  readonly #peers: PeerEndpoint;
  readonly #control: ControlEndpoint;
  readonly #metrics: NodeMetrics;
  readonly #calls: RoutedShardCalls;
  readonly #protocolEvents = new ProtocolEvents();
  #internalServer: InternalServer | undefined;
  #adminServer: AdminServer | undefined;
  #httpServer: HttpServer | undefined;
  #addresses: ListeningAddresses = { http: "", peer: "", admin: "" };
  #facts = "";
  #draining = false;
  #stopped: Promise<void> | undefined;

  /** Rejects with StartError when the data directory can't be used, with what the system says when a port can't. */
  static async start(options: NodeOptions): Promise<Node> {
    const { settings, logger, version } = options;
    const tls =
      settings.tlsDirectory === "" ? undefined : await TlsDirectory.open(settings.tlsDirectory, logger);
    const fresh = chooseWorkers(settings.workers, processors(), undefined);
    const directory = await DataDirectory.open(settings.dataDirectory, fresh.workers, version);
    let node: Node | undefined;
    try {
      const starts = await StartCount.open(directory.path);
      if (starts.unfinished >= UNFINISHED_STARTS) {
        await setDamagedStoresAside(directory.path, directory.format.stores, logger);
      }
      await rewriteFailedStores(directory.path, logger);
      const mapFile = new MapFile(settings.dataDirectory, logger);
      const savedMap = await mapFile.read();
      node = new Node(options, tls, directory, starts, mapFile, savedMap);
      await node.#listen();
      return node;
    } catch (error) {
      if (node === undefined) directory.close();
      else await node.stop("start failed");
      throw error;
    }
  }

  private constructor(
    options: NodeOptions,
    tls: TlsDirectory | undefined,
    directory: DataDirectory,
    starts: StartCount,
    mapFile: MapFile,
    savedMap: ClusterMap | undefined,
  ) {
    const { settings, logger } = options;
    this.#options = options;
    this.#logger = logger;
    this.#tls = tls;
    this.#directory = directory;
    this.#starts = starts;
    this.#disk = new DiskSpace(directory.path, settings.limits.diskReserveBytes, logger);
    this.#mapFile = mapFile;
    this.nodeId = directory.nodeRecord.nodeId;
    const { stores } = directory.format;
    const { workers, reason } = chooseWorkers(settings.workers, processors(), stores);
    this.#memory = this.#planMemory(workers);
    logger.info({ workers, stores, reason }, "workers chosen");
    this.#current = new CurrentMap(this.nodeId);
    this.#workers = this.#startWorkers(workers, stores);
    this.#links = new PeerLinks({
      nodeId: this.nodeId,
      bootId: this.bootId,
      credentials: tls?.credentials ?? PLAIN,
      onConnectionChange: (node, connected) => this.#workers.setPeerConnected(node, connected),
      logger,
      random: Math.random,
    });
    this.#metrics = new NodeMetrics({
      map: () => this.#current.map(),
      copies: () => this.#workers.copies(),
      workerMemory: () => this.#workers.memory(),
      memory: this.#memory,
    });
    this.#calls = new RoutedShardCalls(this.nodeId, this.#workers, this.#links, (target, call, seconds) =>
      this.#metrics.observeCall(target, call, seconds),
    );
    this.#peers = this.#makePeerEndpoint();
    this.#control = this.#makeControlEndpoint(savedMap?.leaderEpoch ?? 0);
    this.#current.onChange((map, delta) => this.#onMap(map, delta));
    if (savedMap !== undefined) this.#current.offer(savedMap);
    this.#current.onChange((map) => this.#mapFile.save(map));
  }

  get addresses(): ListeningAddresses {
    return this.#addresses;
  }

  get shardCalls(): ShardCalls {
    return this.#calls;
  }

  get clusterView(): ClusterView {
    return this.#current;
  }

  /** What the start still waits for; a large store takes long to open. */
  #notStarted(): string[] {
    return this.#workers.isReady ? [] : ["workers are starting"];
  }

  /** Why the node takes no requests now; empty when it does. Other nodes do not matter. */
  notReady(): string[] {
    const reasons: string[] = [];
    if (this.#current.map() === undefined) reasons.push("no cluster map yet");
    if (this.#draining) reasons.push("draining");
    return [...reasons, ...this.#notStarted(), ...this.#stuckWorkers()];
  }

  /**
   * Hands primaries over, ends what is in flight, closes the stores and every port. Bounded in time,
   * never rejects; a second call waits for the first.
   */
  stop(reason: string): Promise<void> {
    this.#stopped ??= this.#stop(reason);
    return this.#stopped;
  }

  async #stop(reason: string): Promise<void> {
    this.#logger.info({ reason }, "stopping");
    this.#draining = true;
    if (this.#control.isConnected()) {
      this.#control.announceDrain(reason);
      this.#control.reportNow();
      // Without a control plane nobody takes the primaries over.
      await Promise.race([this.#workers.drain(DRAIN_TIMEOUT_MS), this.#control.disconnected()]);
    }
    await this.#httpServer?.close(HTTP_CLOSE_TIMEOUT_MS);
    await this.#workers.close(CLOSE_TIMEOUT_MS);
    this.#disk.stop();
    this.#links.close();
    this.#peers.close();
    this.#control.close();
    this.#internalServer?.close();
    this.#tls?.close();
    this.#metrics.close();
    await this.#adminServer?.close();
    await this.#mapFile.flush();
    await this.#starts.finish();
    this.#directory.close();
    this.#logger.info({ reason }, "stopped");
  }

  async #listen(): Promise<void> {
    const { settings } = this.#options;
    await this.#disk.start();
    const { httpAddress, peerAddress, adminAddress, advertiseHost } = settings;
    this.#httpServer = await bound("httpAddress", httpAddress, this.#startHttp());
    this.#adminServer = await bound("adminAddress", adminAddress, this.#startAdmin());
    // Last, because the hello to a control plane that dials at once names all three.
    const handlers = {
      peer: this.#peers.accept,
      control: this.#control.accept,
      onRefused: (detail: string) => this.#logger.warn({ detail }, "refused a client of the internal port"),
    };
    this.#internalServer = await bound(
      "peerAddress",
      peerAddress,
      startInternalServer(peerAddress, handlers, this.#tls?.credentials ?? PLAIN),
    );
    this.#addresses = {
      http: advertise(httpAddress, portOf(this.#httpServer.address), advertiseHost),
      peer: advertise(peerAddress, this.#internalServer.port, advertiseHost),
      admin: advertise(adminAddress, this.#adminServer.port, advertiseHost),
    };
    await this.#directory.writeListening({
      pid: process.pid,
      bootId: this.bootId,
      nodeId: this.nodeId,
      peerAddress: this.#addresses.peer,
      httpUrl: urlOf(this.#addresses.http),
      adminUrl: urlOf(this.#addresses.admin),
    });
  }

  async #startHttp(): Promise<HttpServer> {
    const { settings, version } = this.#options;
    const coordinator = createCoordinator({
      view: this.#current,
      calls: this.#calls,
      controlPlane: this.#control,
      limits: settings.limits,
    });
    return await startHttpServer(
      {
        coordinator,
        limits: settings.limits,
        version,
        report: (message, fields) => this.#logger.error(fields, message),
        observe: (method, route, status, seconds) =>
          this.#metrics.observeRequest(method, route, status, seconds),
      },
      settings.httpAddress,
    );
  }

  async #startAdmin(): Promise<AdminServer> {
    return await startAdminServer(this.#options.settings.adminAddress, {
      notStarted: () => this.#notStarted(),
      notReady: () => this.notReady(),
      notAlive: () => this.#stuckWorkers(),
      debug: () => this.#describe(),
      protocolEvents: (shard) => this.#protocolEvents.describe(shard),
      registry: this.#metrics.registry,
    });
  }

  #planMemory(workers: number): MemoryBudget {
    const configuredBytes = this.#options.settings.limits.memoryBudgetBytes;
    const limitBytes = readMemoryLimit();
    const memory = planMemory({ configuredBytes, limitBytes, machineBytes: totalmem() }, workers);
    const heapLimitBytes = getHeapStatistics().heap_size_limit;
    this.#logger.info({ ...memory, heapLimitBytes }, "memory budget");
    // The heap of a running thread can't be limited any more; where memory is short that is worth a line.
    if (memory.isLimited && heapLimitBytes > 2 * memory.mainHeapBytes) {
      const fix = `start with NODE_OPTIONS=--max-old-space-size=${Math.floor(memory.mainHeapBytes / MiB)}`;
      this.#logger.warn(
        { heapLimitBytes, fix },
        "the network thread's heap may outgrow its part of the budget",
      );
    }
    return memory;
  }

  #startWorkers(workers: number, stores: number): ShardWorkers {
    const { settings, workerEntry } = this.#options;
    return new ShardWorkers({
      entry: workerEntry,
      workers,
      stores,
      worker: {
        dataDirectory: settings.dataDirectory,
        nodeId: this.nodeId,
        limits: settings.limits,
        indexBudgetBytes: Math.floor(this.#memory.indexBytes / workers),
        bufferBudgetBytes: Math.floor(this.#memory.bufferBytes / workers),
        snapshots: newSharedSnapshotBudget(),
      },
      controlPlaneSilenceMs: () => this.#control.silenceMs(),
      heapMegabytesPerWorker: Math.floor(this.#memory.workerHeapBytes / MiB),
      logger: this.#logger,
      events: {
        onReady: () => this.#onReports(),
        onReports: () => this.#onReports(),
        onReplication: ({ toNode, shard, payload }) =>
          this.#links.sendOneWay(toNode as NodeId, ShardCall.replication, shard, payload),
        onCopyRequest: ({ shard, action, allocationId, term, reason }) =>
          this.#control.requestCopyChange({ shardUid: shard, action, allocationId, term, reason }),
        onStoreFailed: (store, detail) => void this.#onStoreFailed(store, detail),
        onProtocolEvent: (event) => this.#protocolEvents.add(event),
        onDied: (worker, detail) => this.#onWorkerDied(worker, detail),
      },
    });
  }

  #makePeerEndpoint(): PeerEndpoint {
    return new PeerEndpoint({
      identity: () => ({
        clusterId: this.#directory.nodeRecord.clusterId,
        nodeId: this.nodeId,
        bootId: this.bootId,
      }),
      shards: this.#workers,
      onReplication: (shard, payload) => this.#workers.deliverReplication(shard, payload),
      onPeerSeen: (node) => this.#links.onPeerSeen(node),
      logger: this.#logger,
    });
  }

  #makeControlEndpoint(leaderEpoch: number): ControlEndpoint {
    return new ControlEndpoint({
      nodeHello: () => this.#hello(),
      nodeReport: () => this.#report(),
      clusterId: () => this.#directory.nodeRecord.clusterId,
      joinCluster: (clusterId) => this.#joinCluster(clusterId),
      maps: this.#current,
      leaderEpoch,
      logger: this.#logger,
    });
  }

  #joinCluster(clusterId: string): void {
    this.#directory.joinCluster(clusterId).catch((error: unknown) => {
      this.#options.onFatal(`the cluster's id could not be saved: ${String(error)}`);
    });
  }

  #onMap(map: ClusterMap, delta: MapDelta | undefined): void {
    this.#workers.applyMap(map, delta);
    this.#links.applyMap(map);
    this.#onReports();
    this.#logger.debug({ revision: map.revision, leaderEpoch: map.leaderEpoch }, "cluster map applied");
  }

  #onReports(): void {
    const facts = `${this.notReady().length} ${decisiveFacts(this.#workers.copies())}`;
    if (facts === this.#facts) return;
    this.#facts = facts;
    this.#control.reportSoon();
  }

  #onWorkerDied(worker: number, detail: string): void {
    this.#logger.fatal({ worker, reason: "CopyFailed", detail }, "a shard worker died");
    this.#control.reportNow();
    this.#options.onFatal(`shard worker ${worker} died`);
  }

  /**
   * It works again only when it is opened again, which takes a new process. Not at once: first the copies'
   * primaries move to nodes that are sound; and not over and over again.
   */
  async #onStoreFailed(store: string, detail: string): Promise<void> {
    this.#control.reportNow();
    const endsInMs = await noteStoreFailure(this.#directory.path, store, Date.now());
    this.#logger.fatal(
      { store, reason: "CopyFailed", detail, endsInMs },
      "a store has failed: check its disk",
    );
    setTimeout(() => this.#options.onFatal(`the store ${store} has failed: ${detail}`), endsInMs).unref();
  }

  #stuckWorkers(): string[] {
    return this.#workers
      .silencesMs()
      .flatMap((silenceMs, worker) =>
        silenceMs > STUCK_WORKER_MS ? [`worker ${worker} has been stuck for ${silenceMs} ms`] : [],
      );
  }

  #hello(): NodeHello {
    return {
      clusterId: this.#directory.nodeRecord.clusterId,
      nodeId: this.nodeId,
      bootId: this.bootId,
      name: this.#options.settings.name,
      version: this.#options.version,
      format: FORMAT,
      peerAddress: this.#addresses.peer,
      httpUrl: urlOf(this.#addresses.http),
      adminUrl: urlOf(this.#addresses.admin),
      workers: this.#workers.count,
      takesDeltas: true,
    };
  }

  #report(): NodeReport {
    return {
      sentAtMs: Date.now(),
      workerSilenceMs: this.#workers.silencesMs(),
      copies: this.#workers.copies(),
      ready: this.notReady().length === 0,
      draining: this.#draining,
      mapRevision: this.#current.map()?.revision ?? 0,
      diskFreeBytes: this.#disk.freeBytes,
      diskFull: this.#disk.isFull,
      memoryUsedBytes: process.memoryUsage.rss(),
    };
  }

  #describe(): unknown {
    return {
      version: this.#options.version,
      runtime: process.versions,
      hello: this.#hello(),
      report: this.#report(),
      notReady: this.notReady(),
      controlPlane: { connected: this.#control.isConnected(), leaderEpoch: this.#control.leaderEpoch },
      peers: this.#links.describe(),
      memory: { budget: this.#memory, workers: this.#workers.memory() },
      map: this.#current.map(),
    };
  }
}

function processors(): Processors {
  return { parallelism: availableParallelism(), quota: readProcessorQuota() };
}
