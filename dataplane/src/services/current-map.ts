/** Holds the newest cluster map. Maps are ordered by leader epoch, then by revision. */
import type { ClusterMap, NodeId } from "../domain/cluster-map.js";
import { applyMapDelta, type MapDelta } from "../domain/map-delta.js";
import type { ClusterView } from "./cluster-view.js";

/** `delta`: what made the map of the one before it. */
type Listener = (map: ClusterMap, delta?: MapDelta) => void;

export class CurrentMap implements ClusterView {
  readonly self: NodeId;
  #map: ClusterMap | undefined;
  readonly #listeners = new Set<Listener>();

  constructor(self: NodeId) {
    this.self = self;
  }

  map(): ClusterMap | undefined {
    return this.#map;
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes the map and tells the listeners, unless it is not newer than the one held. */
  offer(map: ClusterMap): boolean {
    if (this.#map !== undefined && !isNewer(map, this.#map)) return false;
    this.#take(map, undefined);
    return true;
  }

  /** False when the map held is not one that the delta can be applied to. One that is not older changes nothing. */
  offerDelta(delta: MapDelta): boolean {
    const map = applyMapDelta(this.#map, delta);
    if (map === undefined) return false;
    if (map !== this.#map) this.#take(map, delta);
    return true;
  }

  #take(map: ClusterMap, delta: MapDelta | undefined): void {
    this.#map = map;
    for (const listener of this.#listeners) listener(map, delta);
  }
}

function isNewer(map: ClusterMap, than: ClusterMap): boolean {
  if (map.leaderEpoch !== than.leaderEpoch) return map.leaderEpoch > than.leaderEpoch;
  return map.revision > than.revision;
}
