/**
 * One simulated run as data: the world's size and manners, what clients do, and which faults come when.
 * Made from a seed or written by hand; a fault that is left out leaves everything else as it was.
 */
import type { ProtocolNote } from "@prism/dataplane/domain/replication/event";
import type { NetworkManners } from "./world/network.js";
import type { StoreManners } from "./world/store-access.js";
import type { IoPoint } from "./world/volume.js";

/** Its zone and its number there: "node-a-0". */
export type NodeName = `node-${string}`;

/** By name, or by what it is at the moment of the fault, of the first shard. */
export type NodeTarget = NodeName | "primary" | "replica" | "recovering" | "self";

/** The moment of a fault: a time, or the nth time that a copy notes something (a stable name of the protocol). */
export type Moment =
  | { readonly atMs: number }
  | {
      readonly after: ProtocolNote["what"];
      /** From 1. */
      readonly nth: number;
      readonly delayMs: number;
      /** Not before this time: what happens while the cluster starts does not count. */
      readonly fromMs?: number;
    };

export type FaultAction =
  /** The process ends at once and is started again after `downMs`. */
  | { readonly kind: "crash"; readonly node: NodeTarget; readonly downMs: number }
  /** The same at the `count`th time the node comes to such a point from then on. */
  | {
      readonly kind: "crashAtIo";
      readonly node: NodeTarget;
      readonly point: IoPoint;
      readonly count: number;
      readonly downMs: number;
    }
  /** Stands still, its clock does not (SIGSTOP, a stalled machine). */
  | { readonly kind: "pause"; readonly node: NodeTarget; readonly forMs: number }
  /** Told to stop: hands over, closes, is started again. */
  | { readonly kind: "stop"; readonly node: NodeTarget; readonly downMs: number }
  /** Comes back on an empty disk; not with the last volume that has the shard's data, unless it says so. */
  | {
      readonly kind: "replaceVolume";
      readonly node: NodeTarget;
      readonly downMs: number;
      readonly evenTheLast?: true;
    }
  /** From then on a person accepts the loss of data wherever it may be accepted. */
  | { readonly kind: "acceptDataLoss" }
  | { readonly kind: "powerLoss"; readonly downMs: readonly number[] }
  | {
      readonly kind: "cut";
      readonly from: NodeTarget;
      readonly to: NodeTarget;
      readonly oneWay: boolean;
      readonly forMs: number;
    }
  /** From everything; `client` and control planes too unless `peersOnly`. */
  | {
      readonly kind: "isolate";
      readonly node: NodeTarget;
      readonly peersOnly: boolean;
      readonly forMs: number;
    }
  | { readonly kind: "clog"; readonly node: NodeTarget; readonly forMs: number; readonly extraMs: number }
  | { readonly kind: "reset"; readonly from: NodeTarget; readonly to: NodeTarget }
  | { readonly kind: "slowDisk"; readonly node: NodeTarget; readonly forMs: number }
  | { readonly kind: "fullDisk"; readonly node: NodeTarget; readonly forMs: number }
  | { readonly kind: "clockJump"; readonly node: NodeTarget; readonly byMs: number }
  | { readonly kind: "operatorCrash"; readonly downMs: number }
  | { readonly kind: "operatorPause"; readonly forMs: number }
  | { readonly kind: "operatorClockJump"; readonly byMs: number }
  /** A second control plane takes the lead while the first still acts. */
  | { readonly kind: "secondOperator"; readonly forMs: number }
  | {
      readonly kind: "cutOperator";
      readonly node: NodeTarget;
      readonly oneWay: boolean;
      readonly forMs: number;
    }
  | { readonly kind: "storeOutage"; readonly forMs: number }
  | { readonly kind: "staleWatch"; readonly forMs: number }
  /** The shard's record is deleted, or emptied, by somebody, and put right after `forMs`, or by nobody. */
  | {
      readonly kind: "loseRecord";
      readonly how: "deleted" | "emptied";
      readonly forMs?: number;
      /** Also when hardly any copy has heard of its last change. */
      readonly evenUnheard?: true;
    }
  /** The shard's record is put back to what it was some changes ago, and forward again after `forMs`. */
  | { readonly kind: "restoreRecord"; readonly versionsBack: number; readonly forMs?: number };

export type Fault = Moment & FaultAction;

export interface ClusterShape {
  readonly nodes: number;
  readonly zones: number;
  readonly shards: number;
  readonly factor: number;
  readonly minReplicasForWrite: number;
  readonly heartbeatIntervalMs: number;
  readonly suspectTimeoutMs: number;
  readonly replicaTimeoutMs: number;
  /** A copy that answers but stays behind for so long leaves; at least replicaTimeoutMs. */
  readonly slowReplicaTimeoutMs: number;
  readonly rebuildDelaySeconds: number;
}

export interface ClientShape {
  readonly clients: number;
  /** Documents that all clients share. */
  readonly documents: number;
  readonly thinkMs: number;
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
  /** Share of operations that read. */
  readonly reads: number;
}

export interface Schedule {
  readonly seed: number;
  readonly shape: ClusterShape;
  readonly client: ClientShape;
  readonly network: NetworkManners;
  readonly store: StoreManners;
  /** Replication frames may overtake, get lost, be doubled; else each link keeps their order. */
  readonly tosses: boolean;
  /** Control planes are told when a node's process ends. */
  readonly exitNotices: boolean;
  readonly syncMs: number;
  /** A log is trimmed to so many entries, where nobody needs more. */
  readonly logEntries: number;
  /** Each process's clock is off by up to this. */
  readonly clockSkewMs: number;
  /** Each process's clock runs fast or slow by up to this share. */
  readonly clockDrift: number;
  /** How long clients work and faults come; then everything heals. */
  readonly activeMs: number;
  /** How much longer the world may take until all copies are the same. */
  readonly quietMs: number;
  readonly faults: readonly Fault[];
}

/** A schedule for a directed situation, varied by the seed. */
export interface Scenario {
  readonly name: string;
  /** What it is about, in a sentence. */
  readonly about: string;
  schedule(seed: number): Schedule;
}
