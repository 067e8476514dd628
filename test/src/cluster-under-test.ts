/** A local cluster in a directory of its own, with the clients that a test uses, cleaned up in the end. */
import { join } from "node:path";
import { parseCluster, type PrismCluster } from "@prism/api/cluster";
import type { StatusResponse } from "@prism/api/status";
import { PrismClient, type CollectionDefinition, type PrismClientOptions } from "@prism/client";
import { startLocalCluster, type LocalCluster } from "@prism/operator/local-cluster";
import { FaultNetwork } from "./fault-network.js";
import { ShardCopies } from "./shard-copies.js";
import { makeTestDirectory } from "./test-directory.js";
import { waitUntil } from "./wait-until.js";

export interface ClusterUnderTestOptions {
  /** The PrismCluster's spec without its version. */
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly nodeEnv?: Readonly<Record<string, string>>;
  readonly workersPerNode?: number;
  /** Nodes and control plane talk through `network`, which can be made to fail. */
  readonly withNetwork?: boolean;
  /** To be done with the data directory before any process starts. */
  readonly prepare?: (dataDirectory: string) => Promise<void>;
}

/** Quicker than the defaults, so that a failover fits a test, and slow enough for a busy machine. */
export const TEST_HEALTH = {
  heartbeatIntervalMs: 250,
  failureThreshold: 4,
  suspectTimeoutMs: 2000,
  replicaTimeoutMs: 1000,
  rebuildDelaySeconds: 300,
} as const;

/** A machine that is busy with other things needs long to build indexes anew. */
const READY_TIMEOUT_MS = 120_000;

/** Of a cluster of three in local mode, one per zone. */
export const NODE_NAMES = ["node-a-0", "node-b-0", "node-c-0"] as const;

export function clusterOf(spec: Readonly<Record<string, unknown>> = {}): PrismCluster {
  return parseCluster({
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCluster",
    metadata: { name: "test" },
    spec: { version: "0.1.0", health: TEST_HEALTH, ...spec },
  });
}

export class ClusterUnderTest {
  readonly #options: ClusterUnderTestOptions;
  readonly #directory: Awaited<ReturnType<typeof makeTestDirectory>>;
  readonly #clients: PrismClient[] = [];
  #local: LocalCluster | undefined;
  #network: FaultNetwork | undefined;

  static async start(options: ClusterUnderTestOptions = {}): Promise<ClusterUnderTest> {
    const cluster = new ClusterUnderTest(options, await makeTestDirectory());
    try {
      await options.prepare?.(cluster.dataDirectory);
      if (options.withNetwork === true) {
        cluster.#network = await FaultNetwork.start(NODE_NAMES, cluster.dataDirectory);
      }
      await cluster.startAgain();
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  private constructor(
    options: ClusterUnderTestOptions,
    directory: Awaited<ReturnType<typeof makeTestDirectory>>,
  ) {
    this.#options = options;
    this.#directory = directory;
  }

  get dataDirectory(): string {
    return this.#directory.path;
  }

  get local(): LocalCluster {
    if (this.#local === undefined) throw new Error("the cluster is stopped");
    return this.#local;
  }

  get network(): FaultNetwork {
    if (this.#network === undefined) throw new Error("the cluster was started without a network of its own");
    return this.#network;
  }

  /** Folder of a node's data, below which its stores and indexes lie. */
  nodeData(name: string): string {
    return join(this.dataDirectory, "nodes", name, "data");
  }

  status(): StatusResponse {
    return this.local.status();
  }

  /** Base URLs of all nodes. */
  urls(): string[] {
    return this.local.addresses().map((node) => node.httpUrl);
  }

  /** A client that is closed with the cluster. */
  client(options: Partial<PrismClientOptions> = {}): PrismClient {
    const client = new PrismClient({ endpoints: this.urls(), ...options });
    this.#clients.push(client);
    return client;
  }

  /** Creates a collection and waits until all its copies are in sync. */
  async createCollection(name: string, definition: CollectionDefinition): Promise<void> {
    await this.client().createCollection(name, definition);
    await this.settled();
  }

  /** Waits until every node is alive and every shard has all its copies in sync; writes may go on. */
  async inSync(timeoutMs = READY_TIMEOUT_MS): Promise<StatusResponse> {
    return this.#until("all copies in sync", () => true, timeoutMs);
  }

  /** Once nobody writes: waits until every shard has all its copies in sync and every copy has all that is committed. */
  async settled(timeoutMs = READY_TIMEOUT_MS): Promise<StatusResponse> {
    return this.#until("a settled cluster", isQuiet, timeoutMs);
  }

  async #until(
    what: string,
    holds: (shard: StatusResponse["shards"][number]) => boolean,
    timeoutMs: number,
  ): Promise<StatusResponse> {
    let status: StatusResponse | undefined;
    try {
      return await waitUntil(what, timeoutMs, () => {
        status = this.status();
        return status.status === "ok" && status.shards.every(holds) ? status : undefined;
      });
    } catch (error) {
      throw new Error(`not ${what}: ${describeStatus(status)}`, { cause: error });
    }
  }

  /** The documents of each copy, read from that copy. */
  async readCopies(): Promise<ShardCopies> {
    return ShardCopies.read(this.adminUrls());
  }

  adminUrls(): string[] {
    return this.local.nodeNames().flatMap((name) => this.local.node(name).adminUrl ?? []);
  }

  /** Ends all processes in order; the data stays. */
  async stop(): Promise<void> {
    await this.#local?.stop();
    this.#local = undefined;
  }

  /** Starts all processes over the data that is there. */
  async startAgain(): Promise<void> {
    const { spec, nodeEnv = {}, workersPerNode = 2 } = this.#options;
    this.#local = await startLocalCluster({
      cluster: clusterOf(spec),
      dataDirectory: this.dataDirectory,
      workersPerNode,
      nodeEnv,
      readyTimeoutMs: READY_TIMEOUT_MS,
      ...(this.#network === undefined ? {} : { routePeerAddress: this.#network.route }),
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.stop();
    this.#network?.close();
    await this.#directory.remove();
  }
}

/** All copies are in sync and have applied all that there is. */
export function isQuiet(shard: StatusResponse["shards"][number]): boolean {
  const inSync = shard.copies.filter((copy) => copy.inSync);
  const primary = shard.copies.find((copy) => copy.role === "primary");
  if (primary === undefined || inSync.length < shard.wanted) return false;
  return inSync.every(
    (copy) =>
      copy.lastSeq === primary.lastSeq &&
      copy.globalCheckpoint === primary.lastSeq &&
      copy.documents === primary.documents,
  );
}

function describeStatus(status: StatusResponse | undefined): string {
  if (status === undefined) return "no status";
  const shards = status.shards.map((shard) => {
    const copies = shard.copies.map(
      (copy) =>
        `${copy.node} ${copy.role}${copy.inSync ? "" : " not in sync"} ${copy.globalCheckpoint}/${copy.lastSeq}`,
    );
    return `${shard.collection}/${shard.number} ${shard.state} (${copies.join(", ")})`;
  });
  const problems = status.problems.map((problem) => `${problem.object} ${problem.reason}`);
  return [status.status, ...shards, ...problems].join("; ");
}
