import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import type { Reason } from "@prism/api/reason";
import type { StatusResponse } from "@prism/api/status";

const NODE_STATES = ["alive", "suspect", "dead"] as const;
const SHARD_STATES = ["ok", "degraded", "unavailable", "unknown"] as const;

/** What the control plane shows to Prometheus. One registry for each control plane, not one per process. */
export class OperatorMetrics {
  readonly registry = new Registry();
  readonly #nodeState: Gauge<"node_id" | "state">;
  readonly #shardStatus: Gauge<"shard" | "state">;
  readonly #failover: Histogram;
  readonly #reconcile: Histogram<"kind">;
  readonly #changes: Counter<"change" | "reason">;
  readonly #errors: Counter<"kind">;
  /** The newest, if it is not in the gauges yet. */
  #status: StatusResponse | undefined;

  constructor(queueDepth: () => number) {
    const registers = [this.registry];
    this.#nodeState = new Gauge({
      name: "prism_node_state",
      help: "1 for the state that the node is in.",
      labelNames: ["node_id", "state"],
      registers,
      collect: () => this.#collectStatus(),
    });
    this.#shardStatus = new Gauge({
      name: "prism_shard_status",
      help: "1 for the state that the shard is in.",
      labelNames: ["shard", "state"],
      registers,
      collect: () => this.#collectStatus(),
    });
    this.#failover = new Histogram({
      name: "prism_failover_duration_seconds",
      help: "From the evidence against a primary's node to the activation of another primary.",
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    });
    this.#reconcile = new Histogram({
      name: "prism_reconcile_duration_seconds",
      help: "One pass over one key.",
      labelNames: ["kind"],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5],
      registers,
    });
    this.#changes = new Counter({
      name: "prism_shard_record_changes_total",
      help: "Changes of shard records.",
      labelNames: ["change", "reason"],
      registers,
    });
    this.#errors = new Counter({
      name: "prism_reconcile_errors_total",
      help: "Passes that failed and are tried again.",
      labelNames: ["kind"],
      registers,
    });
    const depth: Gauge = new Gauge({
      name: "prism_workqueue_depth",
      help: "Keys that wait or are worked on.",
      registers,
      collect: (): void => depth.set(queueDepth()),
    });
    // One process leads while it runs: the data directory's lock sees to that.
    const leader = new Gauge({ name: "prism_leader", help: "1 while this process leads.", registers });
    leader.set(1);
  }

  /** Of the process as a whole: for the one control plane of a process that has one. */
  collectProcess(): void {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Shown from now on. Made into gauges when somebody looks: there are four for each shard. */
  recordStatus(status: StatusResponse): void {
    this.#status = status;
  }

  #collectStatus(): void {
    const status = this.#status;
    if (status === undefined) return;
    this.#status = undefined;
    this.#nodeState.reset();
    for (const node of status.nodes) {
      for (const state of NODE_STATES) {
        this.#nodeState.set({ node_id: node.id, state }, node.state === state ? 1 : 0);
      }
    }
    this.#shardStatus.reset();
    for (const { collection, number, state: present } of status.shards) {
      for (const state of SHARD_STATES) {
        this.#shardStatus.set({ shard: `${collection}/${number}`, state }, present === state ? 1 : 0);
      }
    }
  }

  recordChange(change: string, reason: Reason): void {
    this.#changes.inc({ change, reason });
  }

  recordFailover(seconds: number): void {
    this.#failover.observe(seconds);
  }

  recordReconcile(kind: string, seconds: number): void {
    this.#reconcile.observe({ kind }, seconds);
  }

  recordError(kind: string): void {
    this.#errors.inc({ kind });
  }
}
