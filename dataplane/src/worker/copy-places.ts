/** Where the copies of a shard stand, as the newest map has it, and which of them can be reached. */
import type { AllocationId, NodeId, ShardMap } from "../domain/cluster-map.js";
import type { CopyView } from "../domain/replication/event.js";
import type { WorkerContext } from "./worker-context.js";

export interface ConnectionChange {
  readonly kind: "connected" | "disconnected";
  readonly copy: AllocationId;
}

export class CopyPlaces {
  readonly #context: WorkerContext;
  #map: ShardMap | undefined;
  /** What the state machine was told of other copies' connections. */
  readonly #told = new Map<AllocationId, boolean>();

  constructor(context: WorkerContext) {
    this.#context = context;
  }

  get map(): ShardMap | undefined {
    return this.#map;
  }

  /** As the copy itself, it goes by no record that is older than the one it has. */
  setMap(map: ShardMap): void {
    if (this.#map !== undefined && map.version < this.#map.version) return;
    this.#map = map;
  }

  nodeOf(copy: AllocationId | undefined): NodeId | undefined {
    return this.#map?.copies.find((place) => place.id === copy)?.node;
  }

  hasNode(node: NodeId): boolean {
    return this.#map?.copies.some((place) => place.node === node) === true;
  }

  /** Undefined when it is not this node, which is not the primary if it asks. */
  primaryNode(): NodeId | undefined {
    const node = this.nodeOf(this.#map?.primary);
    return node === this.#context.nodeId ? undefined : node;
  }

  isRecovering(copy: AllocationId): boolean {
    return this.#map?.recovering.includes(copy) === true;
  }

  /** False only when the connection is known to be broken. */
  mayReach(copy: AllocationId): boolean {
    const node = this.nodeOf(copy);
    return node !== undefined && this.#context.isPeerConnected(node) !== false;
  }

  /** The best copy to hand a primary's role to: in sync, reachable, and furthest. */
  successorOf({ role, inSync, lag }: CopyView): AllocationId | undefined {
    if (role !== "primary") return undefined;
    const able = lag.filter(({ copy }) => inSync.includes(copy) && this.mayReach(copy));
    return able.toSorted((a, b) => b.confirmed - a.confirmed)[0]?.copy;
  }

  /** Distinct placement domains of the copies. */
  zonesOf(copies: readonly AllocationId[]): number {
    const places = this.#map?.copies.filter((place) => copies.includes(place.id)) ?? [];
    return new Set(places.map((place) => (place.zone === "" ? place.node : place.zone))).size;
  }

  /** What a new state machine is to be told from the start. */
  forgetTold(): void {
    this.#told.clear();
  }

  /** What changed since the last call. */
  connectionChanges(self: AllocationId): ConnectionChange[] {
    const changes: ConnectionChange[] = [];
    for (const { id, node } of this.#map?.copies ?? []) {
      const connected = this.#context.isPeerConnected(node);
      if (id === self || connected === undefined || this.#told.get(id) === connected) continue;
      this.#told.set(id, connected);
      changes.push({ kind: connected ? "connected" : "disconnected", copy: id });
    }
    return changes;
  }
}
