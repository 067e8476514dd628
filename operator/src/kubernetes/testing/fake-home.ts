/** Nodes without pods: simulated ones, which go on when an operator ends, as pods do. */
import type { ClusterSpec } from "@prism/api/cluster";
import { FakeNodes } from "../../control/testing/fake-nodes.js";
import type { Blocker } from "../../domain/blocker.js";
import type { ClusterRef, ClusterWorkloads } from "../../ports/cluster-workloads.js";
import type { NodeWorkload, WorkloadEvent, WorkloadStatus } from "../../ports/workloads.js";
import type { ClusterHome } from "../cluster-runner.js";

export class FakeHome implements ClusterHome {
  /** By `namespace/name` of the cluster. */
  readonly nodes = new Map<string, FakeNodes>();
  /** Nodes of clusters that were started once: one that is killed after that stays so. */
  readonly started = new Set<string>();
  readonly applied: { readonly cluster: ClusterRef; readonly spec: ClusterSpec; readonly paused: boolean }[] =
    [];

  readonly workloads = (cluster: ClusterRef): ClusterWorkloads => new FakeWorkloads(this, cluster);

  readonly dialer = async (cluster: ClusterRef): Promise<FakeNodes> => this.nodesOf(cluster);

  nodesOf({ namespace, name }: Pick<ClusterRef, "namespace" | "name">): FakeNodes {
    const key = `${namespace}/${name}`;
    const nodes = this.nodes.get(key) ?? new FakeNodes();
    this.nodes.set(key, nodes);
    return nodes;
  }

  async close(): Promise<void> {
    await Promise.all([...this.nodes.values()].map((nodes) => nodes.close()));
  }
}

class FakeWorkloads implements ClusterWorkloads {
  readonly #home: FakeHome;
  readonly #cluster: ClusterRef;
  readonly #stops: (() => void)[] = [];

  constructor(home: FakeHome, cluster: ClusterRef) {
    this.#home = home;
    this.#cluster = cluster;
  }

  get #nodes(): FakeNodes {
    return this.#home.nodesOf(this.#cluster);
  }

  async apply(spec: ClusterSpec, paused: boolean): Promise<void> {
    this.#home.applied.push({ cluster: this.#cluster, spec, paused });
  }

  statusChanged(): void {}

  blockers(): readonly Blocker[] {
    return [];
  }

  ensure(workload: NodeWorkload): Promise<void> {
    const { name } = workload;
    const started = `${this.#cluster.uid}/${name}`;
    const isRunning = this.#nodes.all().some((node) => node.name === name && node.running);
    if (isRunning) this.#nodes.emit({ kind: "listening", name, peerAddress: name });
    const isFirst = !this.#home.started.has(started);
    this.#home.started.add(started);
    return isFirst && !isRunning ? this.#nodes.ensure(workload) : Promise.resolve();
  }

  remove(name: string): Promise<void> {
    return this.#nodes.remove(name);
  }

  list(): readonly WorkloadStatus[] {
    return this.#nodes.list();
  }

  watch(listener: (event: WorkloadEvent) => void): () => void {
    const stop = this.#nodes.watch(listener);
    this.#stops.push(stop);
    return stop;
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop();
  }
}
