/**
 * A node as decisions see it, looked up when it is asked: what was true of a thousand nodes need not be gathered for
 * each decision about three. Within one turn of the event loop it does not change.
 */
import { placementDomain } from "../domain/placement-domain.js";
import type { ObservedNode } from "../domain/shard-observation.js";
import type { HealthState, NodeHealth } from "../domain/failure-detector.js";
import type { NodeId } from "../domain/shard-record.js";
import type { Reason } from "@prism/api/reason";
import type { ClusterSettings } from "@prism/api/cluster";
import type { ApiObject } from "../ports/store.js";
import type { FleetNode, NodeFleet } from "./node-fleet.js";

export class ObservedMember implements ObservedNode {
  readonly id: NodeId;
  readonly name: string;
  readonly zone: string;
  readonly domain: string;
  readonly weight = 1;
  readonly #fleet: NodeFleet;
  readonly #latestRevision: () => number;

  constructor(
    { metadata, spec, status }: ApiObject<"PrismNode">,
    topology: ClusterSettings["topology"],
    fleet: NodeFleet,
    latestRevision: () => number,
  ) {
    this.id = status.nodeId as NodeId;
    this.name = metadata.name;
    this.zone = spec.zone;
    this.domain = placementDomain(topology, spec, this.id);
    this.#fleet = fleet;
    this.#latestRevision = latestRevision;
  }

  get state(): HealthState {
    return this.#health?.state ?? "starting";
  }

  get sinceMs(): number {
    const connectedSinceMs = this.state === "alive" ? (this.#member?.connectedSinceMs ?? 0) : 0;
    return Math.max(this.#health?.sinceMs ?? 0, connectedSinceMs);
  }

  get reason(): Reason | undefined {
    return this.#health?.reason;
  }

  get exited(): boolean {
    return this.#health?.exited ?? false;
  }

  get drainingSinceMs(): number | undefined {
    return this.#member?.drainingSinceMs;
  }

  get diskFull(): boolean {
    return this.#member?.report?.diskFull === true;
  }

  get accepting(): boolean {
    const report = this.#member?.report;
    return this.state === "alive" && report?.ready === true && !report.draining && !report.diskFull;
  }

  get upToDate(): boolean {
    const report = this.#member?.report;
    return report !== undefined && report.mapRevision >= this.#latestRevision();
  }

  get #member(): FleetNode | undefined {
    return this.#fleet.get(this.name);
  }

  get #health(): NodeHealth | undefined {
    return this.#fleet.health(this.name);
  }
}
