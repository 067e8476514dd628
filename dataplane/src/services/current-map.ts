/** Holds the newest cluster map. Maps are ordered by leader epoch, then by revision. */
import type { ClusterMap, NodeId } from "../domain/cluster-map.js";
import type { ClusterView } from "./cluster-view.js";

export class CurrentMap implements ClusterView {
  readonly self: NodeId;
  #map: ClusterMap | undefined;
  readonly #listeners = new Set<(map: ClusterMap) => void>();

  constructor(self: NodeId) {
    this.self = self;
  }

  map(): ClusterMap | undefined {
    return this.#map;
  }

  onChange(listener: (map: ClusterMap) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes the map and tells the listeners, unless it is not newer than the one held. */
  offer(map: ClusterMap): boolean {
    if (this.#map !== undefined && !isNewer(map, this.#map)) return false;
    this.#map = map;
    for (const listener of this.#listeners) listener(map);
    return true;
  }
}

function isNewer(map: ClusterMap, than: ClusterMap): boolean {
  if (map.leaderEpoch !== than.leaderEpoch) return map.leaderEpoch > than.leaderEpoch;
  return map.revision > than.revision;
}
