/** What a control plane makes of what it hears of its nodes: whose identity, whose health, which shards to look at. */
import { isDeepStrictEqual } from "node:util";
import type { Reason } from "@prism/api/reason";
import type { NodeHello } from "@prism/proto/gen/node";
import type { Logger } from "pino";
import type { Evidence } from "../domain/action.js";
import type { HealthChange } from "../domain/failure-detector.js";
import type { ShardRequest } from "../domain/shard-observation.js";
import { StoreError, type Store } from "../ports/store.js";
import type { ClusterState } from "./cluster-state.js";
import { ofSlowCopy } from "./copy-request.js";
import type { MapPublisher } from "./map-publisher.js";
import type { NodeFleet } from "./node-fleet.js";
import type { ShardOutlook } from "./shard-outlook.js";

export interface NodeEventsOptions {
  readonly store: Store;
  readonly state: ClusterState;
  readonly fleet: NodeFleet;
  readonly maps: MapPublisher;
  readonly outlook: ShardOutlook;
  readonly log: Logger;
  /** Where a node is dialled that says it listens at the address. */
  readonly route: (name: string, address: string) => string;
  /** The shard is to be looked at, `isUrgent` before those that wait already. */
  readonly enqueue: (shard: string, isUrgent: boolean) => void;
  readonly event: (reason: Reason, about: string, evidence: Evidence) => void;
  /** Something that the map or the status shows has changed. */
  readonly changed: () => void;
  readonly statusSoon: () => void;
  /** A shard is led again, so long after the trouble of its primary's node began. */
  readonly onFailedOver: (durationMs: number) => void;
}

export class NodeEvents {
  readonly #options: NodeEventsOptions;
  /** By the node's name, as the store last told. */
  readonly #nodeIds = new Map<string, string>();
  #isWakingDue = false;

  constructor(options: NodeEventsOptions) {
    this.#options = options;
  }

  async onHello(name: string, hello: NodeHello): Promise<void> {
    this.#options.maps.opened(name);
    const { nodeId, bootId, version } = hello;
    this.#options.log.info({ node: name, nodeId, bootId, version }, "node connected");
    try {
      await this.#storeNode(name, hello);
      this.#options.maps.sendTo(name);
    } catch (error) {
      this.#options.log.error({ node: name, err: error }, "cannot store the node's identity");
      this.#options.fleet.get(name)?.connection.reconnect("its identity could not be stored");
    }
  }

  async #storeNode(name: string, hello: NodeHello): Promise<void> {
    const { nodeId, bootId, httpUrl, adminUrl } = hello;
    const peerAddress = this.#options.route(name, hello.peerAddress);
    const status = { nodeId, bootId, peerAddress, httpUrl, adminUrl };
    const object = await this.#options.store.get("PrismNode", name);
    // A later hello of the node tells what counts now.
    if (!object || this.#options.fleet.get(name)?.hello !== hello) return;
    const before = object.status.nodeId;
    if (isDeepStrictEqual(object.status, status)) return;
    try {
      await this.#options.store.update({ ...object, status });
    } catch (error) {
      if (!(error instanceof StoreError) || error.failure !== "conflict") throw error;
      return this.#storeNode(name, hello);
    }
    if (before === "" || before === nodeId) return;
    // Another volume under the same name: what the old one held is gone.
    this.#options.event("NodeRemoved", `node/${name}`, { nodeId: before, now: nodeId });
    this.#enqueueShardsOn(before);
  }

  onHealth(change: HealthChange, detail: string): void {
    const { node: name, from, to } = change;
    const reason = to.reason ?? (from === "starting" ? undefined : "NodeRestarted");
    this.#options.log.info(
      { node: name, from, to: to.state, exited: to.exited, reason, detail },
      "node health changed",
    );
    if (to.reason) this.#options.event(to.reason, `node/${name}`, { from, to: to.state, detail });
    const nodeId = this.#options.state.nodes.get(name)?.status.nodeId;
    if (nodeId) this.#onAffected(nodeId, to.state !== "alive");
    this.onReadiness();
    this.#options.changed();
  }

  /** What a node's shards are planned from is the stored identity, which may be seen long after its hello. */
  onPut(name: string, nodeId: string): void {
    const before = this.#nodeIds.get(name) ?? "";
    this.#nodeIds.set(name, nodeId);
    this.#options.changed();
    if (before !== "" && before !== nodeId) this.#enqueueShardsOn(before);
    this.onReadiness();
  }

  /** A node that takes copies may be what a missing copy waits for. */
  onReadiness(): void {
    this.#options.statusSoon();
    // Once for all nodes of which that is heard in this turn: in a large cluster many shards wait.
    if (this.#isWakingDue) return;
    this.#isWakingDue = true;
    setImmediate(() => {
      this.#isWakingDue = false;
      for (const shard of this.#options.outlook.waits.keys()) this.#options.enqueue(shard, false);
    });
  }

  onDiskFull(name: string): void {
    const nodeId = this.#options.state.nodes.get(name)?.status.nodeId;
    this.#options.log.warn(
      { node: name, full: this.#options.fleet.get(name)?.report?.diskFull === true },
      "a node's disk",
    );
    if (nodeId) this.#enqueueShardsOn(nodeId);
    this.onReadiness();
  }

  #onAffected(nodeId: string, inTrouble: boolean): void {
    if (inTrouble) {
      for (const shard of this.#options.state.index.shardsOn(nodeId)) {
        const { primary, copies } = this.#options.state.shards.get(shard)?.status ?? {
          primary: "",
          copies: [],
        };
        const leads = copies.some((copy) => copy.id === primary && copy.node === nodeId);
        if (!leads) continue;
        this.#options.outlook.troubleBegan(shard, performance.now());
        // Its writes stand still; a copy that is gone elsewhere only has to be struck off.
        this.#options.enqueue(shard, true);
      }
    }
    this.#enqueueShardsOn(nodeId);
  }

  #enqueueShardsOn(nodeId: string): void {
    for (const shard of this.#options.state.index.shardsOn(nodeId)) this.#options.enqueue(shard, false);
  }

  onCopies(nodeName: string, uids: ReadonlySet<string>): void {
    const member = this.#options.fleet.get(nodeName);
    for (const uid of uids) {
      const shard = this.#options.state.index.nameOf(uid);
      if (shard === undefined) continue;
      this.#options.enqueue(shard, false);
      const copy = member?.copies.get(uid);
      const record = this.#options.state.shards.get(shard)?.status;
      const leads = copy?.role === "primary" && copy.id === record?.primary && copy.term === record.term;
      if (leads) this.#endTrouble(shard);
    }
    this.#options.statusSoon();
  }

  #endTrouble(shard: string): void {
    const durationMs = this.#options.outlook.troubleEnded(shard, performance.now());
    if (durationMs !== undefined) this.#options.onFailedOver(durationMs);
  }

  /** A request with the reason that what is known of its copy's node gives it. */
  judged(shard: string, request: ShardRequest): ShardRequest {
    const { state, fleet } = this.#options;
    const node = state.shards.get(shard)?.status.copies.find(({ id }) => id === request.id)?.node ?? "";
    return ofSlowCopy(request, fleet.silenceMs(node), state.settings.health.replicaTimeoutMs);
  }

  onRefused(name: string, detail: string): void {
    this.#options.event("ForeignData", `node/${name}`, { detail });
    this.#options.statusSoon();
  }

  onDraining(name: string): void {
    this.#options.event("NodeDraining", `node/${name}`, {});
    const nodeId = this.#options.state.nodes.get(name)?.status.nodeId;
    if (nodeId) this.#enqueueShardsOn(nodeId);
    this.#options.changed();
  }
}
