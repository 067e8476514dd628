/** What the control plane of a cluster is given by the home that it runs in. */
import type { PrismCluster } from "@prism/api/cluster";
import type { StatusResponse } from "@prism/api/status";
import type { Logger } from "pino";
import type { Condition } from "../domain/condition.js";
import type { ZoneSettings } from "../domain/node-place.js";
import type { NodeDialer } from "../ports/node-dialer.js";
import type { Store } from "../ports/store.js";
import type { Workloads } from "../ports/workloads.js";
import type { ClusterEvent } from "./event-log.js";

export interface ControlPlaneOptions {
  readonly cluster: PrismCluster;
  readonly store: Store;
  readonly workloads: Workloads;
  readonly dialer: NodeDialer;
  readonly log: Logger;
  /** Worker threads of each node; 0 lets nodes decide. */
  readonly workersPerNode: number;
  readonly nodeEnv: Readonly<Record<string, string>>;
  /** Where control plane and peers dial a node that says it listens at `address`; default: there. */
  readonly routePeerAddress?: ((node: string, address: string) => string) | undefined;
  /** Default: as local mode names them. */
  readonly nodeName?: ((zone: ZoneSettings, ordinal: number) => string) | undefined;
  /** No new places for copies until `updateCluster` says otherwise; failover goes on. */
  readonly paused?: boolean | undefined;
  /** Every event as it happens, beside `events`. */
  readonly onEvent?: ((event: ClusterEvent) => void) | undefined;
  /**
   * As they were last published by whoever gets `onStatus`, to go on from. When set, publishing them is theirs;
   * default: they are kept in the store.
   */
  readonly conditions?: readonly Condition[] | undefined;
  /** The generation of the specification as its home counts it; default: as the store does. */
  readonly generation?: number | undefined;
  /** The status after every change, at most some times a second. */
  readonly onStatus?: ((status: StatusResponse, conditions: readonly Condition[]) => void) | undefined;
}
