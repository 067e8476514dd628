/** The cluster map as this node has it now. */
import type { ClusterMap, NodeId } from "../domain/cluster-map.js";

export interface ClusterView {
  /** This node. */
  readonly self: NodeId;
  /** Undefined until a first map arrived, from the disk or from the control plane. */
  map(): ClusterMap | undefined;
  /** Calls back after each newer map was taken; returns how to stop. */
  onChange(listener: (map: ClusterMap) => void): () => void;
}
