/** The node's Prometheus metrics, in a registry of their own so that several nodes fit in one process. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { CopyReport } from "@prism/proto/gen/node";
import { ShardCall } from "@prism/proto/frame-kind";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ClusterMap, NodeState } from "../../domain/cluster-map.js";
import type { MemoryBudget } from "../../domain/memory-budget.js";
import type { ShardTarget } from "../../services/shard-calls.js";
import type { WorkerMemory } from "../../worker/worker-message.js";

const NODE_STATES: readonly NodeState[] = ["alive", "suspect", "dead"];
const COPY_STATES = ["primary", "replica", "activating", "recovering", "failed"] as const;
const LATENCY_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export interface MetricsSources {
  readonly map: () => ClusterMap | undefined;
  readonly copies: () => readonly CopyReport[];
  readonly workerMemory: () => readonly (WorkerMemory | undefined)[];
  readonly memory: MemoryBudget;
}

export class NodeMetrics {
  readonly registry = new Registry();
  readonly #sources: MetricsSources;
  readonly #loopDelay = monitorEventLoopDelay({ resolution: 20 });
  readonly #shardLatency: Histogram<"node" | "shard">;
  readonly #searches: Histogram;
  readonly #writes: Histogram;
  readonly #requests: Counter<"method" | "route" | "status">;

  constructor(sources: MetricsSources) {
    this.#sources = sources;
    this.#loopDelay.enable();
    this.#shardLatency = new Histogram({
      name: "prism_query_shard_latency_seconds",
      help: "Time of one search of one shard, on this node or a peer",
      labelNames: ["node", "shard"],
      buckets: LATENCY_BUCKETS_SECONDS,
      registers: [this.registry],
    });
    this.#searches = this.#duration("prism_search_duration_seconds", "Time to answer a search or count");
    this.#writes = this.#duration("prism_write_duration_seconds", "Time to answer a write of documents");
    this.#requests = new Counter({
      name: "prism_http_requests_total",
      help: "Requests answered",
      labelNames: ["method", "route", "status"],
      registers: [this.registry],
    });
    this.#nodeGauges();
    this.#copyGauges();
    this.#resourceGauges();
  }

  observeCall(target: ShardTarget, call: ShardCall, seconds: number): void {
    if (call === ShardCall.search)
      this.#shardLatency.observe({ node: target.node, shard: target.shard }, seconds);
  }

  /** One answered request of the public API; `route` is the path with its parameters' names. */
  observeRequest(method: string, route: string, status: number, seconds: number): void {
    this.#requests.inc({ method, route, status: String(status) });
    if (/\/(search|count)$/.test(route)) this.#searches.observe(seconds);
    else if (method !== "GET" && /\/(documents|bulk)(\/|$)/.test(route)) this.#writes.observe(seconds);
  }

  close(): void {
    this.#loopDelay.disable();
  }

  #duration(name: string, help: string): Histogram {
    return new Histogram({ name, help, buckets: LATENCY_BUCKETS_SECONDS, registers: [this.registry] });
  }

  #nodeGauges(): void {
    const { map } = this.#sources;
    const state = new Gauge({
      name: "prism_node_state",
      help: "1 for the state the control plane holds the node in",
      labelNames: ["node_id", "state"],
      registers: [this.registry],
      collect: () => {
        state.reset();
        for (const node of map()?.nodes ?? []) {
          for (const one of NODE_STATES) {
            state.set({ node_id: node.id, state: one }, node.state === one ? 1 : 0);
          }
        }
      },
    });
    const revision: Gauge = new Gauge({
      name: "prism_map_revision",
      help: "Revision of the cluster map this node acts by",
      registers: [this.registry],
      collect: (): void => revision.set(map()?.revision ?? 0),
    });
  }

  #copyGauges(): void {
    const { copies } = this.#sources;
    const registers = [this.registry];
    const status = new Gauge({
      name: "prism_shard_status",
      help: "1 for the state of this node's copy of the shard",
      labelNames: ["shard", "state"],
      registers,
      collect: () => {
        status.reset();
        for (const copy of copies()) {
          for (const state of COPY_STATES) {
            status.set({ shard: copy.shardUid, state }, copy.role === state ? 1 : 0);
          }
        }
      },
    });
    const lagOperations = new Gauge({
      name: "prism_replication_lag_operations",
      help: "Operations that the primary here has and the replica has not confirmed",
      labelNames: ["shard", "replica"],
      registers,
      collect: () => {
        lagOperations.reset();
        for (const { shardUid, lastSeq, lag } of copies()) {
          for (const { allocationId, confirmed } of lag) {
            lagOperations.set({ shard: shardUid, replica: allocationId }, Math.max(0, lastSeq - confirmed));
          }
        }
      },
    });
    const lagSeconds = new Gauge({
      name: "prism_replication_lag_seconds",
      help: "Age of the oldest entry that the primary has on disk and the replica has not confirmed",
      labelNames: ["shard", "replica"],
      registers,
      collect: () => {
        lagSeconds.reset();
        for (const { shardUid, lag } of copies()) {
          for (const { allocationId, behindMs } of lag) {
            lagSeconds.set({ shard: shardUid, replica: allocationId }, behindMs / 1000);
          }
        }
      },
    });
    const indexSize = new Gauge({
      name: "prism_index_size_bytes",
      help: "Memory of the indexes of this node's copy",
      labelNames: ["shard"],
      registers,
      collect: () => {
        indexSize.reset();
        for (const copy of copies()) indexSize.set({ shard: copy.shardUid }, copy.indexBytes);
      },
    });
  }

  #resourceGauges(): void {
    const { memory, workerMemory } = this.#sources;
    const registers = [this.registry];
    const budget = new Gauge({
      name: "prism_memory_budget_bytes",
      help: "Memory the node plans with, by part",
      labelNames: ["part"],
      registers,
    });
    budget.set({ part: "total" }, memory.totalBytes);
    budget.set({ part: "mainHeap" }, memory.mainHeapBytes);
    budget.set({ part: "workerHeap" }, memory.workerHeapBytes);
    budget.set({ part: "index" }, memory.indexBytes);
    budget.set({ part: "buffers" }, memory.bufferBytes);
    const used: Gauge = new Gauge({
      name: "prism_memory_used_bytes",
      help: "Resident memory of the process",
      registers,
      collect: (): void => used.set(process.memoryUsage.rss()),
    });
    const recovery = new Counter({
      name: "prism_recovery_sent_bytes_total",
      help: "Bytes sent to copies of other nodes that were being filled",
      registers,
      collect: () => {
        recovery.reset();
        recovery.inc(workerMemory().reduce((sum, one) => sum + (one?.recoverySentBytes ?? 0), 0));
      },
    });
    const delay = new Gauge({
      name: "prism_event_loop_delay_seconds",
      help: "How late the thread's loop turned: the 99th percentile since the last scrape (main), last seen (workers)",
      labelNames: ["thread"],
      registers,
      collect: () => {
        delay.set({ thread: "main" }, this.#loopDelay.percentile(99) / 1e9);
        this.#loopDelay.reset();
        workerMemory().forEach((one, i) => {
          if (one !== undefined) delay.set({ thread: `shards-${i}` }, one.eventLoopDelayMs / 1000);
        });
      },
    });
  }
}
