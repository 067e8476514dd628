/**
 * Numbers that stand for closed sets on the wire. A number is never given a second meaning: a kind
 * that goes away leaves a gap.
 */

export const PeerFrameKind = { hello: 1, request: 2, response: 3, cancel: 4, oneWay: 5 } as const;
export type PeerFrameKind = (typeof PeerFrameKind)[keyof typeof PeerFrameKind];

/** Operations on one shard. `replication` is the only one-way call. */
export const ShardCall = {
  write: 1,
  get: 2,
  statistics: 3,
  search: 4,
  fetch: 5,
  scan: 6,
  verify: 7,
  replication: 16,
} as const;
export type ShardCall = (typeof ShardCall)[keyof typeof ShardCall];

/** How current a copy must be to answer. `applied`: as it is, once it has applied the minimum. */
export const ReadLevelKind = { applied: 0, bounded: 1, strong: 2 } as const;
export type ReadLevelKind = (typeof ReadLevelKind)[keyof typeof ReadLevelKind];

export const WriteAction = { put: 1, create: 2, patch: 3, delete: 4 } as const;
export type WriteAction = (typeof WriteAction)[keyof typeof WriteAction];

/** Steps of a verification of one copy, in their order. */
export const VerifyStep = { prepare: 1, digest: 2, list: 3, release: 4 } as const;
export type VerifyStep = (typeof VerifyStep)[keyof typeof VerifyStep];

/** `gone`: the copy knows no such verification, or not any more. */
export const VerifyState = { gone: 0, waiting: 1, reading: 2, done: 3 } as const;
export type VerifyState = (typeof VerifyState)[keyof typeof VerifyState];
