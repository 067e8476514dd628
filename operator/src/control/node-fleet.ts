/**
 * The nodes as this control plane sees them: who is connected, what they report, who is alive.
 * Everything here is lost with the process and learnt again from the nodes.
 */
import { REASONS, type Reason } from "@prism/api/reason";
import type { ControlFrame, CopyReport, NodeHello, NodeReport } from "@prism/proto/gen/node";
import {
  FailureDetector,
  type HealthChange,
  type HealthSettings,
  type NodeHealth,
} from "../domain/failure-detector.js";
import type { CopyRole, ObservedCopy } from "../domain/shard-observation.js";
import type { AllocationId, NodeId } from "../domain/shard-record.js";
import type { NodeDialer } from "../ports/node-dialer.js";
import { DialPace } from "./dial-pace.js";
import { CopyIndex } from "./copy-index.js";
import { encodeFrame, NodeConnection, type ConnectionIdentity } from "./node-connection.js";
import { steadyNowMs } from "./steady-clock.js";

export interface FleetHandlers {
  readonly onHello: (name: string, hello: NodeHello) => void;
  readonly onHealth: (change: HealthChange, detail: string) => void;
  /** Copies of these shards changed, as reported. */
  readonly onCopies: (name: string, shardUids: ReadonlySet<string>) => void;
  readonly onDraining: (name: string) => void;
  /** The node's disk became full, or has room again. */
  readonly onDiskFull: (name: string) => void;
  /** The node began or ceased to take new copies. */
  readonly onReadiness: (name: string) => void;
  readonly onFrame: (name: string, frame: ControlFrame) => void;
  readonly onRefused: (name: string, detail: string) => void;
}

export interface FleetNode {
  readonly name: string;
  readonly connection: NodeConnection;
  hello: NodeHello | undefined;
  report: NodeReport | undefined;
  /** The newest map that it said it goes by; kept when it goes, for it keeps the map. */
  appliedRevision: number;
  /** Why the node can't belong to this cluster, as of its last hello. */
  refused: string | undefined;
  /** Kept when the node goes: what it was last heard to hold. */
  lastReport: { readonly report: NodeReport; readonly atMs: number } | undefined;
  copies: ReadonlyMap<string, ObservedCopy>;
  connectedSinceMs: number;
  drainingSinceMs: number | undefined;
}

/** Its volume and its program may have to be fetched first. */
const NEW_NODE_GRACE_MS = 60_000;

export class NodeFleet {
  readonly #dialer: NodeDialer;
  readonly #identity: ConnectionIdentity;
  readonly #handlers: FleetHandlers;
  readonly #detector: FailureDetector;
  readonly #nodes = new Map<string, FleetNode>();
  readonly #copies = new CopyIndex();
  readonly #pace = new DialPace();
  #health: HealthSettings;
  #heartbeat: NodeJS.Timeout | undefined;
  #judge: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    dialer: NodeDialer,
    identity: ConnectionIdentity,
    health: HealthSettings,
    handlers: FleetHandlers,
  ) {
    this.#dialer = dialer;
    this.#identity = identity;
    this.#handlers = handlers;
    this.#health = health;
    this.#detector = new FailureDetector(health, steadyNowMs());
  }

  start(): void {
    this.#heartbeat = setInterval(() => this.#beat(), this.#health.heartbeatIntervalMs);
    const judgeMs = Math.max(20, this.#health.heartbeatIntervalMs / 4);
    this.#judge = setInterval(() => this.#tick(), judgeMs);
  }

  /** Heartbeats and judgements go by these from now on. */
  adopt(health: HealthSettings): void {
    this.#health = health;
    this.#detector.adopt(health);
    clearInterval(this.#heartbeat);
    clearInterval(this.#judge);
    if (!this.#stopped) this.start();
  }

  /** Hangs up. What happens to nodes from now on is nobody's business here. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#heartbeat);
    clearInterval(this.#judge);
    for (const node of this.#nodes.values()) node.connection.hangUp("the control plane ends");
  }

  /** A node of this name belongs to the cluster. A new one has no data that anybody waits for, and takes its time. */
  expect(name: string, isNew: boolean): void {
    if (this.#nodes.has(name)) return;
    const graceMs = Math.max(NEW_NODE_GRACE_MS, this.#detector.windowMs);
    this.#detector.expect(name, steadyNowMs(), isNew ? graceMs : undefined);
    const node: FleetNode = {
      name,
      connection: new NodeConnection(this.#dialer, this.#identity, this.#pace, {
        onHello: (hello) => this.#onHello(node, hello),
        onReport: (report) => this.#onReport(node, report),
        onFrame: (frame) => this.#handlers.onFrame(name, frame),
        onDisconnected: (detail) => this.#onDisconnected(node, detail),
        onRefused: (detail) => {
          const isNews = node.refused !== detail;
          node.refused = detail;
          if (isNews) this.#handlers.onRefused(name, detail);
        },
      }),
      hello: undefined,
      report: undefined,
      appliedRevision: 0,
      refused: undefined,
      lastReport: undefined,
      copies: new Map(),
      connectedSinceMs: 0,
      drainingSinceMs: undefined,
    };
    this.#nodes.set(name, node);
  }

  dial(name: string, address: string): void {
    this.#nodes.get(name)?.connection.dial(address);
  }

  /** The node's process is known to have ended. */
  exited(name: string, detail: string): void {
    const node = this.#nodes.get(name);
    if (!node || this.#stopped) return;
    const change = this.#detector.exited(name, steadyNowMs());
    node.connection.hangUp(detail);
    this.#forgetReports(node);
    if (change) this.#handlers.onHealth(change, detail);
  }

  /** A node becomes ready with its first map; asking at once spares a heartbeat interval. */
  onMapApplied(name: string, revision: number): void {
    const node = this.#nodes.get(name);
    if (node) node.appliedRevision = Math.max(node.appliedRevision, revision);
    if (node?.report?.ready !== true) node?.connection.send({ heartbeat: { sentAtMs: steadyNowMs() } });
  }

  get(name: string): FleetNode | undefined {
    return this.#nodes.get(name);
  }

  /** Of one shard, as connected nodes report them. */
  copiesOf(shardUid: string): readonly ObservedCopy[] {
    return this.#copies.of(shardUid);
  }

  all(): IterableIterator<FleetNode> {
    return this.#nodes.values();
  }

  /** Since the last report of a node that is connected; undefined when it is not. */
  silenceMs(nodeId: string): number | undefined {
    for (const { hello, report, lastReport } of this.#nodes.values()) {
      if (hello?.nodeId === nodeId && report !== undefined) return steadyNowMs() - (lastReport?.atMs ?? 0);
    }
    return undefined;
  }

  health(name: string): NodeHealth | undefined {
    return this.#detector.health(name);
  }

  #beat(): void {
    const heartbeat = encodeFrame({ heartbeat: { sentAtMs: steadyNowMs() } });
    for (const { connection } of this.#nodes.values()) connection.sendEncoded(heartbeat);
  }

  #tick(): void {
    for (const change of this.#detector.tick(steadyNowMs())) {
      this.#handlers.onHealth(change, change.to.reason ? REASONS[change.to.reason] : "");
    }
  }

  #onHello(node: FleetNode, hello: NodeHello): void {
    if (node.hello?.nodeId !== hello.nodeId) node.appliedRevision = 0;
    node.hello = hello;
    node.refused = undefined;
    node.report = undefined;
    node.connectedSinceMs = steadyNowMs();
    node.drainingSinceMs = undefined;
    this.#handlers.onHello(node.name, hello);
    // Ask at once: the node counts as alive with its first report, which says what it holds.
    node.connection.send({ heartbeat: { sentAtMs: steadyNowMs() } });
  }

  #onReport(node: FleetNode, report: NodeReport): void {
    const nodeId = node.hello?.nodeId as NodeId | undefined;
    if (nodeId === undefined) return;
    const stuckAfterMs = this.#detector.windowMs;
    const copies = new Map<string, ObservedCopy>();
    for (const copy of report.copies) {
      copies.set(copy.shardUid, toObservedCopy(nodeId, copy, report, stuckAfterMs));
    }
    const changed = changedShards(node.copies, copies);
    const wasReady = node.report?.ready === true && !node.report.draining;
    const wasFull = node.report?.diskFull === true;
    this.#copies.replace(node.name, node.copies, copies);
    node.copies = copies;
    node.report = report;
    node.appliedRevision = Math.max(node.appliedRevision, report.mapRevision);
    node.lastReport = { report, atMs: steadyNowMs() };
    const change = this.#detector.heard(node.name, steadyNowMs());
    if (change) this.#handlers.onHealth(change, "");
    if (report.draining && node.drainingSinceMs === undefined) {
      node.drainingSinceMs = steadyNowMs();
      this.#handlers.onDraining(node.name);
    } else if (!report.draining) node.drainingSinceMs = undefined;
    if (wasFull !== report.diskFull) this.#handlers.onDiskFull(node.name);
    if (changed.size > 0) this.#handlers.onCopies(node.name, changed);
    if (wasReady !== (report.ready && !report.draining)) this.#handlers.onReadiness(node.name);
  }

  #onDisconnected(node: FleetNode, detail: string): void {
    if (this.#stopped) return;
    this.#forgetReports(node);
    const change = this.#detector.disconnected(node.name, steadyNowMs());
    if (change) this.#handlers.onHealth(change, detail);
  }

  #forgetReports(node: FleetNode): void {
    this.#copies.replace(node.name, node.copies, new Map());
    node.copies = new Map();
    node.report = undefined;
    node.drainingSinceMs = undefined;
  }
}

function toObservedCopy(
  node: NodeId,
  copy: CopyReport,
  report: NodeReport,
  stuckAfterMs: number,
): ObservedCopy {
  const stuck = (report.workerSilenceMs[copy.worker] ?? 0) > stuckAfterMs;
  const role = toRole(copy.role);
  return {
    node,
    id: copy.allocationId as AllocationId,
    role,
    term: copy.term,
    mapVersion: copy.mapVersion,
    knownVersion: Math.max(copy.mapVersion, copy.kept?.shard?.version ?? 0),
    lastSeq: copy.lastSeq,
    failure: stuck ? "WorkerStuck" : role === "failed" ? toReason(copy.reason) : undefined,
  };
}

function toRole(role: string): CopyRole {
  switch (role) {
    case "primary":
    case "replica":
    case "activating":
    case "recovering":
      return role;
    default:
      return "failed";
  }
}

function toReason(reason: string): Reason {
  return Object.hasOwn(REASONS, reason) ? (reason as Reason) : "CopyFailed";
}

/** Shards of which something changed that a decision can rest on; a longer log alone is not. */
function changedShards(
  before: ReadonlyMap<string, ObservedCopy>,
  after: ReadonlyMap<string, ObservedCopy>,
): Set<string> {
  const changed = new Set<string>();
  for (const [shard, copy] of after) {
    const old = before.get(shard);
    const same =
      old?.id === copy.id &&
      old.role === copy.role &&
      old.term === copy.term &&
      old.mapVersion === copy.mapVersion &&
      old.knownVersion === copy.knownVersion &&
      old.failure === copy.failure;
    if (!same) changed.add(shard);
  }
  for (const shard of before.keys()) if (!after.has(shard)) changed.add(shard);
  return changed;
}
