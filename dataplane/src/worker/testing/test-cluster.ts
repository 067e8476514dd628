/** Several shard workers with links between them, for tests. */
import { ReplicationMessage } from "@prism/proto/gen/node";
import type { open as openLmdb } from "lmdb";
import type { AllocationId, ClusterMap, NodeId, ShardMap } from "../../domain/cluster-map.js";
import type { FromWorker } from "../worker-message.js";
import { clusterMap, SHARD, WorkerHarness, type MapChange } from "./worker-harness.js";

type CopyRequest = Extract<FromWorker, { kind: "copyRequest" }>;

/** The shard's record is kept by the test as the control plane would. */
export class TestCluster {
  readonly nodes = new Map<string, WorkerHarness>();
  readonly requests: CopyRequest[] = [];
  readonly #cut = new Set<string>();
  readonly #isolated = new Set<string>();
  map: ClusterMap;
  /** Applies joins, leaves and promotions as they are asked for. */
  answersRequests = true;
  /** Sees each replication message; false drops it. */
  passes: (from: string, to: string, message: ReplicationMessage) => boolean = () => true;

  constructor(nodes: number, change: MapChange = {}) {
    this.map = clusterMap(nodes, change);
    for (let i = 1; i <= nodes; i += 1) this.start(`n${i}`);
    this.publish();
  }

  start(nodeId: string, directory?: string, openDatabase?: typeof openLmdb): WorkerHarness {
    const harness = new WorkerHarness({
      nodeId,
      ...(directory === undefined ? {} : { directory }),
      ...(openDatabase === undefined ? {} : { openDatabase }),
    });
    this.nodes.set(nodeId, harness);
    harness.onMessage = (message) => this.#route(nodeId, message);
    for (const other of this.nodes.keys()) {
      if (other === nodeId) continue;
      harness.send({ kind: "peer", node: other, connected: true });
      this.nodes.get(other)!.send({ kind: "peer", node: nodeId, connected: true });
    }
    return harness;
  }

  node(nodeId: string): WorkerHarness {
    return this.nodes.get(nodeId)!;
  }

  get shard(): ShardMap {
    return this.map.shards[0]!;
  }

  change(change: Partial<ShardMap>): void {
    const version = this.shard.version + 1;
    this.map = {
      ...this.map,
      revision: version,
      shards: [{ ...this.shard, bootstrap: "", version, ...change }],
    };
    this.publish();
  }

  publish(): void {
    for (const [nodeId, node] of this.nodes) if (!this.#isolated.has(nodeId)) node.applyMap(this.map);
  }

  promote(copy: string): void {
    this.change({ term: this.shard.term + 1, primary: copy as AllocationId });
  }

  addRecovering(copy: string, node: string): void {
    const place = { id: copy as AllocationId, node: node as NodeId, zone: `z-${node}` };
    const others = this.shard.copies.filter((one) => one.node !== node);
    this.change({ recovering: [...this.shard.recovering, place.id], copies: [...others, place] });
  }

  cut(nodeId: string): void {
    this.#cut.add(nodeId);
  }

  /** From the other nodes and from the control plane. */
  isolate(nodeId: string): void {
    this.#cut.add(nodeId);
    this.#isolated.add(nodeId);
  }

  heal(nodeId: string): void {
    this.#cut.delete(nodeId);
    if (this.#isolated.delete(nodeId)) this.node(nodeId).applyMap(this.map);
  }

  /** As a crash: nothing more goes out, the directory stays. */
  async stop(nodeId: string): Promise<string> {
    const node = this.node(nodeId);
    this.nodes.delete(nodeId);
    node.onMessage = () => undefined;
    for (const other of this.nodes.values()) other.send({ kind: "peer", node: nodeId, connected: false });
    await node.closed();
    return node.directory;
  }

  async close(): Promise<void> {
    this.answersRequests = false;
    for (const node of this.nodes.values()) await node.closed();
    for (const node of this.nodes.values()) node.remove();
  }

  #route(from: string, message: FromWorker): void {
    if (message.kind === "copyRequest" && !this.#isolated.has(from)) this.#request(message);
    if (message.kind !== "replication") return;
    const to = message.toNode;
    if (this.#cut.has(from) || this.#cut.has(to)) return;
    if (!this.passes(from, to, ReplicationMessage.decode(message.payload))) return;
    // As between threads and machines: later, and of bytes of its own.
    const payload = new Uint8Array(message.payload);
    setImmediate(() => this.nodes.get(to)?.send({ kind: "replication", shard: SHARD, payload }));
  }

  #request(request: CopyRequest): void {
    this.requests.push(request);
    const id = request.allocationId as AllocationId;
    if (!this.answersRequests || request.term !== this.shard.term) return;
    setImmediate(() => {
      const { inSync, recovering } = this.shard;
      if (request.action === "addInSync" && recovering.includes(id)) {
        this.change({ inSync: [...inSync, id], recovering: recovering.filter((one) => one !== id) });
      } else if (request.action === "removeCopy" && [...inSync, ...recovering].includes(id)) {
        const without = (ids: readonly AllocationId[]): AllocationId[] => ids.filter((one) => one !== id);
        this.change({ inSync: without(inSync), recovering: without(recovering) });
      } else if (request.action === "promote" && request.term === this.shard.term) this.promote(id);
    });
  }
}
