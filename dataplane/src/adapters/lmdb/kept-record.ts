import type { ShardMap } from "../../domain/cluster-map.js";

/** The newest record of its shard that a copy was given (`map` of the protocol's persistent state). */
export interface KeptRecord {
  readonly map: ShardMap;
  /** Of the newest leader that the copy knows of: maps of earlier ones are not followed any more. */
  readonly leaderEpoch: number;
}
