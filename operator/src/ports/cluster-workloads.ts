/**
 * Workloads of a home that keeps more than processes for a cluster: services, budgets, settings, volumes. The
 * supervisor makes one for each cluster, before its control plane, and tells it what the control plane knows.
 */
import type { ClusterSpec } from "@prism/api/cluster";
import type { Reason } from "@prism/api/reason";
import type { StatusResponse } from "@prism/api/status";
import type { Evidence } from "../domain/action.js";
import type { Blocker } from "../domain/blocker.js";
import type { Workloads } from "./workloads.js";

/** Which cluster, as its home knows it. */
export interface ClusterRef {
  readonly namespace: string;
  readonly name: string;
  /** Of the PrismCluster object: owner of what may go with it. */
  readonly uid: string;
  /** Identity of the data; outlives the object. */
  readonly clusterId: string;
}

export interface ClusterWorkloadsHandlers {
  /** Something was done, or refused: told to people as an event of the cluster. */
  readonly onEvent: (reason: Reason, about: string, evidence: Evidence) => void;
  /** `blockers()` has changed. */
  readonly onBlockers: () => void;
}

export interface ClusterWorkloads extends Workloads {
  /**
   * The specification that counts from now on, zones settled. Resolves when they are applied once; kept applied from
   * then on. `paused`: nothing that is there is changed, what is missing for nodes to run is still made.
   */
  apply(spec: ClusterSpec, paused: boolean): Promise<void>;
  /** What the control plane now knows: opens and closes the disruption budget. Called after every change. */
  statusChanged(status: StatusResponse): void;
  blockers(): readonly Blocker[];
}
