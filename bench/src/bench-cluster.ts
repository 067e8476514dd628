/** A local cluster to be measured: real node processes on this machine, HTTP on loopback. */
import { setTimeout as sleep } from "node:timers/promises";
import { parseCluster } from "@prism/api/cluster";
import { startLocalCluster, type LocalCluster } from "@prism/operator/local-cluster";
import { percentile } from "./latency.js";
import { LoadClient, type LoadRun } from "./load-client.js";
import { cpuMsOf, residentBytesOf } from "./process-usage.js";
import type { LoadFigures } from "./results.js";

const CONNECTIONS = 32;
const QUIET_WINDOW_MS = 400;
/** Timers and heartbeats of a node that has nothing to do take a few hundredths of a core. */
const QUIET_SHARE = 0.1;
const QUIET_WINDOWS = 3;
const SETTLE_TIMEOUT_MS = 120_000;

export interface BenchClusterOptions {
  readonly nodes: number;
  readonly dataDirectory: string;
  readonly nodeEnv: Readonly<Record<string, string>>;
}

export class BenchCluster {
  readonly client: LoadClient;
  readonly #cluster: LocalCluster;
  readonly #pids: readonly number[];

  private constructor(cluster: LocalCluster) {
    this.#cluster = cluster;
    this.#pids = cluster.nodeNames().flatMap((name) => cluster.node(name).pid ?? []);
    this.client = new LoadClient(
      cluster.addresses().map((node) => node.httpUrl),
      CONNECTIONS,
    );
  }

  static async start({ nodes, dataDirectory, nodeEnv }: BenchClusterOptions): Promise<BenchCluster> {
    const cluster = parseCluster({
      apiVersion: "prism.dev/v1alpha1",
      kind: "PrismCluster",
      metadata: { name: "bench" },
      spec: { version: "0.1.0", mode: nodes === 1 ? "Single" : "Cluster", nodes },
    });
    return new BenchCluster(await startLocalCluster({ cluster, dataDirectory, nodeEnv }));
  }

  async createCollection(name: string, spec: object): Promise<void> {
    await this.client.sendJson(`/api/v1/collections/${name}`, spec, "PUT");
    const isPlaced = await this.#cluster.waitFor(
      ({ shards }) =>
        shards.filter((shard) => shard.collection === name).length > 0 &&
        shards.every((shard) => shard.state === "ok"),
      30_000,
    );
    if (!isPlaced) throw new Error(`collection ${name} is not ready after 30 seconds`);
  }

  /** CPU of all nodes since they started. */
  cpuMs(): number {
    return cpuMsOf(this.#pids);
  }

  /** Of all nodes, in Prometheus' text form. */
  async metrics(): Promise<string> {
    const texts = this.#cluster.nodeNames().map(async (name) => {
      const answer = await fetch(`${this.#cluster.node(name).adminUrl}/metrics`);
      return await answer.text();
    });
    return (await Promise.all(texts)).join("\n");
  }

  residentBytes(): number {
    return residentBytesOf(this.#pids);
  }

  /** Resolves when the nodes have had nothing to do for a while. */
  async untilQuiet(): Promise<void> {
    const deadlineMs = performance.now() + SETTLE_TIMEOUT_MS;
    let quietWindows = 0;
    while (quietWindows < QUIET_WINDOWS) {
      const before = this.cpuMs();
      await sleep(QUIET_WINDOW_MS);
      const share = (this.cpuMs() - before) / QUIET_WINDOW_MS;
      quietWindows = share <= QUIET_SHARE * this.#pids.length ? quietWindows + 1 : 0;
      if (performance.now() > deadlineMs) throw new Error("the nodes are still busy after 2 minutes");
    }
  }

  /** Runs a load and takes the nodes' CPU meanwhile. */
  async measure(inFlight: number, load: () => Promise<LoadRun>): Promise<LoadFigures> {
    const before = this.cpuMs();
    const run = await load();
    const cpuMs = this.cpuMs() - before;
    return {
      inFlight,
      requests: run.requests,
      perSecond: run.requests / run.seconds,
      p50Ms: percentile(run.latenciesMs, 0.5),
      p99Ms: percentile(run.latenciesMs, 0.99),
      serverCpuUs: (cpuMs * 1000) / run.requests,
    };
  }

  async stop(): Promise<void> {
    await this.client.close();
    await this.#cluster.stop();
  }
}
