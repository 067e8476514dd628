/** One link to every other node of the newest map. */
import type { ShardCall } from "@prism/proto/frame-kind";
import type { InternalCredentials } from "@prism/proto/internal-credentials";
import type { Logger } from "pino";
import type { ClusterMap, NodeId } from "../../domain/cluster-map.js";
import type { RemoteShards } from "../../services/routed-shard-calls.js";
import { ShardProblem, type ShardCallOptions, type ShardTarget } from "../../services/shard-calls.js";
import type { PeerIdentity } from "./peer-frames.js";
import { PeerLink } from "./peer-link.js";

export interface PeerLinksSettings {
  readonly nodeId: NodeId;
  readonly bootId: string;
  readonly credentials: InternalCredentials;
  readonly onConnectionChange: (node: NodeId, connected: boolean) => void;
  readonly logger: Logger;
  readonly random: () => number;
}

export class PeerLinks implements RemoteShards {
  readonly #settings: PeerLinksSettings;
  readonly #links = new Map<NodeId, PeerLink>();
  readonly #bootIds = new Map<NodeId, string>();

  constructor(settings: PeerLinksSettings) {
    this.#settings = settings;
  }

  applyMap(map: ClusterMap): void {
    const wanted = new Map(
      map.nodes.filter((node) => isPeer(node, this.#settings)).map((node) => [node.id, node]),
    );
    for (const [id, link] of this.#links) {
      if (wanted.get(id)?.peerAddress === link.address) continue;
      this.#links.delete(id);
      link.close();
    }
    for (const [id, node] of wanted) {
      const link = this.#links.get(id);
      if (link === undefined) this.#links.set(id, this.#open(map.clusterId, id, node.peerAddress));
      // A new process of the node listens there: its back-off was for the old one.
      else if (this.#bootIds.get(id) !== node.bootId) link.retryNow();
      this.#bootIds.set(id, node.bootId);
    }
  }

  /** The peer dialled us, so it is there. */
  onPeerSeen(node: NodeId): void {
    this.#links.get(node)?.retryNow();
  }

  isConnected(node: NodeId): boolean {
    return this.#links.get(node)?.isConnected ?? false;
  }

  async call(
    target: ShardTarget,
    call: ShardCall,
    payload: Uint8Array,
    options: ShardCallOptions,
  ): Promise<Uint8Array> {
    const link = this.#links.get(target.node);
    if (link === undefined) {
      throw new ShardProblem("shardUnavailable", `node ${target.node} is not in the map`, { executed: "no" });
    }
    return await link.call(target.shard, call, payload, options);
  }

  sendOneWay(node: NodeId, call: ShardCall, shard: string, payload: Uint8Array): void {
    this.#links.get(node)?.sendOneWay(call, shard, payload);
  }

  describe(): readonly unknown[] {
    return [...this.#links.values()].map((link) => link.describe());
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  #open(clusterId: string, node: NodeId, address: string): PeerLink {
    const { nodeId, bootId, credentials, logger, random, onConnectionChange } = this.#settings;
    const self: PeerIdentity = { clusterId, nodeId, bootId };
    return new PeerLink({
      self,
      peerNodeId: node,
      address,
      credentials,
      logger,
      random,
      onConnectionChange: (connected) => onConnectionChange(node, connected),
    });
  }
}

function isPeer(node: ClusterMap["nodes"][number], self: PeerLinksSettings): boolean {
  return node.id !== self.nodeId && node.peerAddress !== "";
}
