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
import { pino, type Logger } from "pino";
import { GrpcNodeDialer } from "./adapters/grpc/grpc-node-dialer.js";
import { ChildProcesses } from "./adapters/local/child-processes.js";
import { takeLock } from "./adapters/local/lock-file.js";
import { LmdbStore } from "./adapters/local/lmdb-store.js";
import { startAdminServer, type AdminServer } from "./control/admin-server.js";
import { ControlPlane } from "./control/control-plane.js";
import type { ClusterEvent } from "./control/event-log.js";

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
  readonly #workloads: ChildProcesses;
  readonly #close: () => Promise<void>;
  #stopping: Promise<void> | undefined;

  constructor(parts: {
    readonly controlPlane: ControlPlane;
    readonly adminUrl: string;
    readonly dataDirectory: string;
    readonly workloads: ChildProcesses;
    readonly close: () => Promise<void>;
  }) {
    this.controlPlane = parts.controlPlane;
    this.adminUrl = parts.adminUrl;
    this.dataDirectory = parts.dataDirectory;
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
    const started: ControlPlane[] = [];
    const admin = await startAdminServer(options.adminPort ?? 0, () => started[0]);
    undo.push(() => admin.close());
    const controlPlane = await ControlPlane.start({
      cluster,
      store,
      workloads,
      dialer: new GrpcNodeDialer(),
      log,
      workersPerNode: options.workersPerNode ?? 0,
      nodeEnv: options.nodeEnv ?? {},
      routePeerAddress: options.routePeerAddress,
    });
    started.push(controlPlane);
    controlPlane.metrics.collectProcess();
    undo.push(() => controlPlane.stop());
    undo.push(await writeOperatorFile(dataDirectory, cluster, controlPlane, admin));
    if (!(await controlPlane.waitFor(() => controlPlane.isReady(), readyTimeoutMs))) {
      throw new Error(notReadyDetail(controlPlane.status(), readyTimeoutMs, dataDirectory));
    }
    return new LocalCluster({ controlPlane, adminUrl: admin.url, dataDirectory, workloads, close });
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

/** Tells other programs where the running cluster is. Returns how to take it back. */
async function writeOperatorFile(
  dataDirectory: string,
  cluster: PrismCluster,
  controlPlane: ControlPlane,
  admin: AdminServer,
): Promise<() => Promise<void>> {
  const path = join(dataDirectory, "operator.json");
  const content = {
    pid: process.pid,
    clusterName: cluster.metadata.name,
    clusterId: controlPlane.clusterId,
    adminUrl: admin.url,
  };
  await writeFile(`${path}.new`, `${JSON.stringify(content, null, 2)}\n`);
  await rename(`${path}.new`, path);
  return () => rm(path, { force: true });
}

function notReadyDetail(status: StatusResponse, timeoutMs: number, dataDirectory: string): string {
  const missing = status.nodes
    .filter((node) => node.state !== "alive" || !node.ready)
    .map((node) => node.name);
  return `not ready within ${timeoutMs} ms: ${missing.join(", ")}; see ${join(dataDirectory, "nodes", missing[0] ?? "", "node.log")}`;
}
