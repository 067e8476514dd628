/**
 * Collections that were deleted, kept as the proof by which nodes may delete their data. That a collection
 * is in no map proves nothing: a store that was put back from a backup has not heard of it either.
 */
export interface DeletedCollection {
  readonly uid: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** A node that was away while so many others were deleted keeps its data until a person deletes it. */
const KEPT = 500;

/** The newest last; the oldest make room. */
export function withDeletion(
  deleted: readonly DeletedCollection[],
  uid: string,
  nowMs: number,
): readonly DeletedCollection[] {
  if (deleted.some((other) => other.uid === uid)) return deleted;
  return [...deleted, { uid, at: nowMs }].slice(-KEPT);
}
