/**
 * A whole cluster on this machine: the control plane in this process, each node a child process.
 * One data directory belongs to one such process at a time.
 */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PrismCluster } from "@prism/api/cluster";
import type { StatusResponse } from "@prism/api/status";
import { PLAIN } from "@prism/proto/internal-credentials";
import { pino, type Logger } from "pino";
import { GrpcNodeDialer } from "./adapters/grpc/grpc-node-dialer.js";
import { ChildProcesses } from "./adapters/local/child-processes.js";
import { takeLock } from "./adapters/local/lock-file.js";
import { LmdbStore } from "./adapters/local/lmdb-store.js";
import { startAdminServer, type AdminServer } from "./control/admin-server.js";
import { ControlPlane } from "./control/control-plane.js";
import type { ClusterEvent } from "./control/event-log.js";
import { startVerdict, type StartVerdict } from "./domain/start-verdict.js";

export interface LocalClusterOptions {
  /** As parsed by parseCluster or parseClusterFile. */
  readonly cluster: PrismCluster;
  readonly dataDirectory: string;
  /** Port of the control plane's probes, metrics and status; 0, the default, for any free one. */
  readonly adminPort?: number;
  /** Nodes on 3080, 7000 and 3090 (100 more for each next) where free; false, the default, for any free ports. */
  readonly wellKnownPorts?: boolean;
  /** Worker threads of each node; 0, the default, lets nodes decide. */
  readonly workersPerNode?: number;
  /** Added to the environment of every node. */
  readonly nodeEnv?: Readonly<Record<string, string>>;
  /** Default: silent. */
  readonly log?: Logger;
  /** How long to wait for all nodes to be ready; default 30 s. */
  readonly readyTimeoutMs?: number;
  /** Start also when only some nodes are ready; false, the default, stops everything again then. */
  readonly acceptDegraded?: boolean;
  /** Another program in place of the node: for tests. */
  readonly nodeProgram?: string;
  /** Other addresses for control plane and peers to dial nodes at: for tests with a network that fails. */
  readonly routePeerAddress?: (node: string, address: string) => string;
}

export interface NodeAddresses {
  readonly name: string;
  readonly zone: string;
  readonly httpUrl: string;
}

export interface LocalNode {
  readonly name: string;
  readonly pid: number | undefined;
  readonly httpUrl: string | undefined;
  readonly adminUrl: string | undefined;
  /** Sends the signal to the process; when that ends it, it is started again. False: there is none. */
  kill(signal?: NodeJS.Signals): boolean;
  /** Ends the process and keeps it down until `start`. SIGTERM lets it hand its primaries over first. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
}

/** Part of the machine's memory that all nodes together plan with. */
const MACHINE_SHARE = 0.6;
const SMALLEST_SHARE_BYTES = 256 * 1024 * 1024;

const NODE_PROGRAM = fileURLToPath(import.meta.resolve("@prism/dataplane/main"));

export class LocalCluster {
  readonly controlPlane: ControlPlane;
  readonly adminUrl: string;
  readonly dataDirectory: string;
  /** How the start ended: with all nodes, or with some. */
  readonly started: "ready" | "degraded";
  readonly #workloads: ChildProcesses;
  readonly #close: () => Promise<void>;
  #stopping: Promise<void> | undefined;

  constructor(parts: {
    readonly controlPlane: ControlPlane;
    readonly adminUrl: string;
    readonly dataDirectory: string;
    readonly started: "ready" | "degraded";
    readonly workloads: ChildProcesses;
    readonly close: () => Promise<void>;
  }) {
    this.controlPlane = parts.controlPlane;
    this.adminUrl = parts.adminUrl;
    this.dataDirectory = parts.dataDirectory;
    this.started = parts.started;
    this.#workloads = parts.workloads;
    this.#close = parts.close;
  }

  /** Nodes that have been up, in the order of their names. */
  addresses(): readonly NodeAddresses[] {
    return this.status()
      .nodes.filter((node) => node.httpUrl !== "")
      .map(({ name, zone, httpUrl }) => ({ name, zone, httpUrl }));
  }

  status(): StatusResponse {
    return this.controlPlane.status();
  }

  events(): readonly ClusterEvent[] {
    return this.controlPlane.events.latest();
  }

  /** @throws {Error} when the cluster has no node of this name. */
  node(name: string): LocalNode {
    const child = this.#workloads.child(name);
    if (!child) throw new Error(`no node ${name}; there are ${this.nodeNames().join(", ")}`);
    return {
      name,
      pid: child.status.pid,
      httpUrl: child.status.httpUrl,
      adminUrl: child.status.adminUrl,
      kill: (signal = "SIGKILL") => child.kill(signal),
      stop: (signal = "SIGTERM") => child.stop(signal),
      start: () => child.start(),
    };
  }

  nodeNames(): readonly string[] {
    return this.#workloads.list().map((workload) => workload.name);
  }

  /** Resolves true as soon as the condition holds for the status, false when the time is over. */
  waitFor(condition: (status: StatusResponse) => boolean, timeoutMs: number): Promise<boolean> {
    return this.controlPlane.waitFor(() => condition(this.status()), timeoutMs);
  }

  /** Ends everything, nodes gracefully; the data stays. A second call waits for the first. */
  stop(): Promise<void> {
    this.#stopping ??= this.#close();
    return this.#stopping;
  }
}

/**
 * Starts the cluster and waits until all its nodes are ready.
 *
 * @throws {DirectoryInUse} when another process runs a cluster in the data directory.
 * @throws {ClusterConflict} when the directory holds a cluster that can't become the wanted one.
 * @throws {Error} when not all nodes are ready in time; everything is stopped again then.
 */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const { dataDirectory, cluster, log = pino({ level: "silent" }), readyTimeoutMs = 30_000 } = options;
  await mkdir(dataDirectory, { recursive: true });
  const undo: (() => void | Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    undo.push(takeLock(join(dataDirectory, "operator.lock")));
    const store = new LmdbStore(join(dataDirectory, "objects.lmdb"));
    undo.push(() => store.close());
    const workloads = new ChildProcesses({
      program: options.nodeProgram ?? NODE_PROGRAM,
      directory: join(dataDirectory, "nodes"),
      wellKnownPorts: options.wellKnownPorts ?? false,
      defaultEnv: memoryShare(cluster.spec.nodes),
    });
    // Nodes are ended even when the control plane did not come up to end them.
    undo.push(() => workloads.close());
    const planes: ControlPlane[] = [];
    const admin = await startAdminServer(options.adminPort ?? 0, () => planes[0]);
    undo.push(() => admin.close());
    const controlPlane = await ControlPlane.start({
      cluster,
      store,
      workloads,
      dialer: new GrpcNodeDialer(PLAIN),
      log,
      workersPerNode: options.workersPerNode ?? 0,
      nodeEnv: options.nodeEnv ?? {},
      routePeerAddress: options.routePeerAddress,
    });
    planes.push(controlPlane);
    controlPlane.metrics.collectProcess();
    undo.push(() => controlPlane.stop());
    const operatorFile = join(dataDirectory, "operator.json");
    undo.push(() => rm(operatorFile, { force: true }));
    await writeOperatorFile(operatorFile, controlPlane, admin, undefined);
    const verdict = await awaitStart(controlPlane, readyTimeoutMs);
    if (verdict === "failed" || (verdict === "degraded" && options.acceptDegraded !== true)) {
      throw new Error(notReadyDetail(controlPlane.status(), readyTimeoutMs, dataDirectory));
    }
    await writeOperatorFile(operatorFile, controlPlane, admin, verdict);
    const started = verdict;
    return new LocalCluster({ controlPlane, adminUrl: admin.url, dataDirectory, started, workloads, close });
  } catch (error) {
    await close();
    throw error;
  }
}

/** Nodes on one machine share its memory; each by itself would plan with half of it. */
function memoryShare(nodes: number): Readonly<Record<string, string>> {
  const bytes = Math.floor((totalmem() * MACHINE_SHARE) / nodes);
  return { PRISM_LIMITS_MEMORY_BUDGET_BYTES: String(Math.max(bytes, SMALLEST_SHARE_BYTES)) };
}

/** Waits until the start is over, the time at the latest. */
async function awaitStart(
  controlPlane: ControlPlane,
  timeoutMs: number,
): Promise<"ready" | "degraded" | "failed"> {
  const verdict = (isTimeOver: boolean): StartVerdict["kind"] =>
    startVerdict(controlPlane.startingNodes(), isTimeOver).kind;
  await controlPlane.waitFor(() => verdict(false) !== "waiting", timeoutMs);
  const kind = verdict(false);
  const last = kind === "waiting" ? verdict(true) : kind;
  return last === "waiting" ? "failed" : last;
}

/** Tells other programs where the running cluster is, and how its start ended once it has. */
async function writeOperatorFile(
  path: string,
  controlPlane: ControlPlane,
  admin: AdminServer,
  started: "ready" | "degraded" | undefined,
): Promise<void> {
  const content = {
    pid: process.pid,
    clusterName: controlPlane.status().clusterName,
    clusterId: controlPlane.clusterId,
    adminUrl: admin.url,
    started,
  };
  await writeFile(`${path}.new`, `${JSON.stringify(content, null, 2)}\n`);
  await rename(`${path}.new`, path);
}

function notReadyDetail(status: StatusResponse, timeoutMs: number, dataDirectory: string): string {
  const missing = status.nodes.filter((node) => node.state !== "alive" || !node.ready);
  const lines = missing.map(({ name }) => {
    const problem = status.problems.find(({ object }) => object === `node/${name}`);
    const why = problem ? `${problem.reason}: ${problem.message}` : "it has not answered yet";
    return `  ${name}: ${why}\n    log: ${join(dataDirectory, "nodes", name, "node.log")}`;
  });
  return [`not ready, waited up to ${timeoutMs} ms:`, ...lines].join("\n");
}
