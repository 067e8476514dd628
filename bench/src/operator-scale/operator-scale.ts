/**
 * What a cluster of a thousand nodes costs its control plane: the real one over a real API server, with nodes that
 * are simulated in a process of their own. Measured at rest, and when a whole zone falls silent.
 */
import { fork, type ChildProcess } from "node:child_process";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ControlPlane } from "@prism/operator/control/control-plane";
import { GrpcNodeDialer } from "@prism/operator/adapters/grpc/grpc-node-dialer";
import type { ApiObject, ObjectList, Store } from "@prism/operator/ports/store";
import type { WorkloadEvent, Workloads, WorkloadStatus } from "@prism/operator/ports/workloads";
import { PLAIN } from "@prism/proto/internal-credentials";
import { pino } from "pino";
import type { HostOrder, HostWord } from "./node-host.js";
import { FACTOR, planNodes, type PlannedNode, type ScalePlan } from "./scale-plan.js";
import { clusterOf, fillStore } from "./scale-store.js";

const HOST = fileURLToPath(new URL("./node-host.js", import.meta.url));
const LOST_ZONE = "z0";
const UP_TIMEOUT_MS = 300_000;
const PROMOTED_TIMEOUT_MS = 300_000;
const IN_SYNC_TIMEOUT_MS = 300_000;
const POLL_MS = 250;

export interface OperatorScaleResults extends ScalePlan {
  readonly storeKind: string;
  readonly fillMs: number;
  /** From the start of the control plane until all nodes are alive and ready. */
  readonly startMs: number;
  /** From there until all copies of all shards are in sync. */
  readonly inSyncMs: number;
  /** Since the start: copies of nodes that were taken for gone before they could answer, and their return. */
  readonly recordsChangedAtStart: number;
  readonly rest: {
    readonly seconds: number;
    /** Of one core. */
    readonly cpuShare: number;
    readonly residentBytes: number;
    readonly heapBytes: number;
    readonly longestTurnMs: number;
  };
  readonly zoneLost: {
    readonly nodes: number;
    readonly primaries: number;
    /** Promotions, and removals of copies that are gone. */
    readonly recordsChanged: number;
    /** Silence that makes a node suspect. */
    readonly windowMs: number;
    /** All records name another primary, as the control plane knows. */
    readonly storedMs: number;
    /** All new primaries have a map that says so. */
    readonly promotedMs: number;
    /** All nodes that are left have a map in which no lost node leads. */
    readonly toldMs: number;
    /** CPU time of the control plane until then, and of the process that stands for all nodes. */
    readonly cpuMs: number;
    readonly nodesCpuMs: number;
    readonly peakResidentBytes: number;
    readonly longestTurnMs: number;
  };
}

export interface ScaleOptions extends ScalePlan {
  readonly storeKind: string;
  readonly restSeconds: number;
}

export async function measureOperatorScale(
  options: ScaleOptions,
  store: Store,
  progress: (line: string) => void,
): Promise<OperatorScaleResults> {
  const nodes = planNodes(options);
  const host = new Host();
  try {
    const addresses = await host.start(nodes);
    const fillBeganMs = performance.now();
    await fillStore(store, options, addresses);
    const fillMs = performance.now() - fillBeganMs;
    progress(`${options.nodes} nodes and ${options.shards} shards are in the store`);
    const records = await FollowedRecords.of(store);
    const startBeganMs = performance.now();
    const plane = await lead(options, store, addresses);
    try {
      const isUp = (): boolean => plane.isReady();
      if (!(await plane.waitFor(isUp, UP_TIMEOUT_MS))) throw new Error("the nodes did not become ready");
      const startMs = performance.now() - startBeganMs;
      progress(`all nodes are ready after ${Math.round(startMs)} ms`);
      const inSyncMs = await records.untilAllInSync();
      const recordsChangedAtStart = records.changes;
      progress(
        `all copies in sync after ${Math.round(inSyncMs)} ms, with ${recordsChangedAtStart} changes of records`,
      );
      const rest = await measureRest(options.restSeconds);
      progress(`at rest: ${(100 * rest.cpuShare).toFixed(1)} % of a core`);
      const zoneLost = await measureZoneLoss(options, host, store);
      return { ...options, fillMs, startMs, inSyncMs, recordsChangedAtStart, rest, zoneLost };
    } finally {
      records.close();
      await plane.stop();
    }
  } finally {
    host.end();
  }
}

async function lead(
  options: ScalePlan,
  store: Store,
  addresses: ReadonlyMap<string, string>,
): Promise<ControlPlane> {
  return await ControlPlane.start({
    cluster: clusterOf(options),
    store,
    workloads: listeningWorkloads(addresses),
    dialer: new GrpcNodeDialer(PLAIN),
    log: pino({ level: process.env["PRISM_LOG_LEVEL"] ?? "silent" }),
    workersPerNode: 1,
    nodeEnv: {},
  });
}

async function measureRest(seconds: number): Promise<OperatorScaleResults["rest"]> {
  const turns = monitorEventLoopDelay({ resolution: 5 });
  turns.enable();
  const before = process.cpuUsage();
  await delay(seconds * 1000);
  const { user, system } = process.cpuUsage(before);
  turns.disable();
  return {
    seconds,
    cpuShare: (user + system) / 1e6 / seconds,
    residentBytes: process.memoryUsage.rss(),
    heapBytes: process.memoryUsage().heapUsed,
    longestTurnMs: turns.max / 1e6,
  };
}

async function measureZoneLoss(
  options: ScalePlan,
  host: Host,
  store: Store,
): Promise<OperatorScaleResults["zoneLost"]> {
  const { heartbeatIntervalMs, failureThreshold, replicaTimeoutMs } = clusterOf(options).spec.health;
  const { items, resourceVersion } = await store.list("PrismShard");
  const led = new Map<string, string>();
  for (const { metadata, status } of items) {
    const place = status.copies.find(({ id }) => id === status.primary);
    if (place?.zone === LOST_ZONE) led.set(metadata.name, status.primary);
  }
  const primaries = led.size;
  const turns = monitorEventLoopDelay({ resolution: 5 });
  turns.enable();
  const before = process.cpuUsage();
  const beganMs = performance.now();
  const { promoted, told } = host.lose(LOST_ZONE, replicaTimeoutMs);
  let recordsChanged = 0;
  const stored = new Promise<number>((resolve) => {
    store.watch("PrismShard", resourceVersion, ({ object }) => {
      recordsChanged += 1;
      const { name } = object.metadata;
      if (led.get(name) === undefined || led.get(name) === object.status.primary) return;
      led.delete(name);
      if (led.size === 0) resolve(performance.now() - beganMs);
    });
  });
  const deadline = delay(PROMOTED_TIMEOUT_MS, undefined, { ref: false }).then(() => {
    throw new Error(`${led.size} of ${primaries} records still name a primary in the lost zone`);
  });
  const all = Promise.all([stored, promoted, told]);
  const [storedMs, { afterMs: promotedMs }, { afterMs: toldMs, cpuMs: nodesCpuMs }] = await Promise.race([
    all,
    deadline,
  ]);
  const { user, system } = process.cpuUsage(before);
  turns.disable();
  return {
    nodes: planNodes(options).filter(({ zone }) => zone === LOST_ZONE).length,
    primaries,
    recordsChanged,
    windowMs: heartbeatIntervalMs * failureThreshold,
    storedMs,
    promotedMs,
    toldMs,
    cpuMs: (user + system) / 1000,
    nodesCpuMs,
    peakResidentBytes: process.resourceUsage().maxRSS * 1024,
    longestTurnMs: turns.max / 1e6,
  };
}

/** Which shards lack a copy in sync, as the store says. */
class FollowedRecords {
  readonly #lacking = new Set<string>();
  readonly #stop: () => void;
  changes = 0;

  private constructor(store: Store, { items, resourceVersion }: ObjectList<"PrismShard">) {
    for (const shard of items) this.#note(shard);
    this.#stop = store.watch("PrismShard", resourceVersion, ({ object }) => {
      this.changes += 1;
      this.#note(object);
    });
  }

  static async of(store: Store): Promise<FollowedRecords> {
    return new FollowedRecords(store, await store.list("PrismShard"));
  }

  /** @throws when they are not in time. */
  async untilAllInSync(): Promise<number> {
    const beganMs = performance.now();
    while (this.#lacking.size > 0) {
      const forMs = performance.now() - beganMs;
      if (forMs > IN_SYNC_TIMEOUT_MS)
        throw new Error(`${this.#lacking.size} shards still lack a copy in sync`);
      await delay(POLL_MS);
    }
    return performance.now() - beganMs;
  }

  close(): void {
    this.#stop();
  }

  #note({ metadata, status }: ApiObject<"PrismShard">): void {
    if (status.inSync.length < FACTOR) this.#lacking.add(metadata.name);
    else this.#lacking.delete(metadata.name);
  }
}

function listeningWorkloads(addresses: ReadonlyMap<string, string>): Workloads {
  const statuses = [...addresses].map(([name, peerAddress]): WorkloadStatus => ({
    name,
    state: "running",
    sinceMs: 0,
    exitsInARow: 0,
    lastExit: undefined,
    retryAtMs: undefined,
    pid: undefined,
    peerAddress,
    httpUrl: undefined,
    adminUrl: undefined,
  }));
  return {
    ensure: () => Promise.resolve(),
    remove: () => Promise.resolve(),
    list: () => statuses,
    watch: (listener: (event: WorkloadEvent) => void) => {
      for (const [name, peerAddress] of addresses) listener({ kind: "listening", name, peerAddress });
      return () => undefined;
    },
    close: () => Promise.resolve(),
  };
}

class Host {
  readonly #child: ChildProcess = fork(HOST, [], { stdio: ["ignore", "inherit", "inherit", "ipc"] });

  /** Returns where each node listens. */
  async start(nodes: readonly PlannedNode[]): Promise<ReadonlyMap<string, string>> {
    this.#order({ kind: "start", nodes });
    const { ports } = await this.#word("started");
    return new Map(nodes.map(({ name }, i) => [name, `127.0.0.1:${ports[i]}`]));
  }

  lose(zone: string, noticedAfterMs: number) {
    this.#order({ kind: "lose", zone, noticedAfterMs });
    return { promoted: this.#word("promoted"), told: this.#word("told") };
  }

  end(): void {
    this.#child.kill();
  }

  #order(order: HostOrder): void {
    this.#child.send(order);
  }

  #word<K extends HostWord["kind"]>(kind: K): Promise<Extract<HostWord, { kind: K }>> {
    return new Promise((resolve, reject) => {
      this.#child.on("message", (word: HostWord) => {
        if (word.kind === kind) resolve(word as Extract<HostWord, { kind: K }>);
      });
      this.#child.once("exit", (code) => reject(new Error(`the simulated nodes ended with ${code}`)));
    });
  }
}
