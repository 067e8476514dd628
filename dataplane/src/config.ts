/** A node's own settings. Limits: each has a name, a default, a configuration key and an error. */

export interface NodeLimits {
  /** limits.unindexedTail: vectors per shard that searches scan one by one before writes wait. */
  readonly unindexedTail: number;
  /** limits.aggregationBuckets: buckets one shard returns per aggregation. */
  readonly aggregationBuckets: number;
}
