/** GET /status: the control plane's last report, with what this node itself sees of it. */
import type { StatusResponse } from "@prism/api/status";
import type { ClusterDirectory } from "./cluster-directory.js";
import type { ControlPlane } from "./control-plane.js";

export class StatusService {
  readonly #directory: ClusterDirectory;
  readonly #controlPlane: ControlPlane;

  constructor(directory: ClusterDirectory, controlPlane: ControlPlane) {
    this.#directory = directory;
    this.#controlPlane = controlPlane;
  }

  /** Answers always: before the first report it is made of the map alone. Throws `clusterNotReady` without a map. */
  status(): StatusResponse {
    const controlPlane = this.#controlPlane.isConnected() ? "connected" : "away";
    const report = this.#controlPlane.status() as StatusResponse | undefined;
    return report === undefined ? this.#fromMap(controlPlane) : { ...report, controlPlane };
  }

  #fromMap(controlPlane: StatusResponse["controlPlane"]): StatusResponse {
    const { map } = this.#directory.index();
    const { settings, nodes, shards } = map;
    const zones = [...new Set(nodes.map((node) => node.zone))].sort();
    return {
      status: "unknown",
      clusterName: map.clusterName,
      clusterId: map.clusterId,
      clusterMode: settings.mode,
      version: settings.version,
      revision: map.revision,
      reportedAt: 0,
      controlPlane,
      activeNodes: nodes.filter((node) => node.state === "alive").length,
      wantedNodes: settings.nodes,
      collectionCount: map.collections.length,
      shardCount: shards.length,
      replicaCount: shards.reduce((sum, shard) => sum + shard.copies.length, 0),
      inSyncCount: shards.reduce((sum, shard) => sum + shard.inSync.length, 0),
      documentCount: 0,
      zoneLossTolerated: false,
      topology: zones.map((zone) => ({
        zone,
        nodes: nodes.filter((node) => node.zone === zone).length,
        ready: nodes.filter((node) => node.zone === zone && node.state === "alive").length,
        survivesLoss: false,
      })),
      nodes: [],
      shards: [],
      problems: [],
    };
  }
}
